"""smtpd's sessions in this process, so that a test may bend the time and the certificate."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from mailraven.auth.client import AuthClient
from mailraven.config.directory import Directory
from mailraven.config.watch import ConfigWatcher
from mailraven.daemons import connection, deadline, smtp_session
from mailraven.daemons.connection import Connection
from mailraven.daemons.deadline import DeadlineWheel
from mailraven.daemons.listener import Listener
from mailraven.daemons.service import Service
from mailraven.daemons.smtp_house import House
from mailraven.daemons.smtp_session import SmtpSession
from mailraven.daemons.smtpd import SPEC
from mailraven.daemons.sockets import ListenSpec, open_listeners
from mailraven.limits.client import LimitClient
from mailraven.limits.desk import LimitDesk
from mailraven.ops.certificates import ensure_authority, ensure_server_certificate
from mailraven.queue.spool import Spool
from mailraven.queue.srs_secrets import SrsSecrets
from mailraven.queue.submitter import Submitter
from mailraven.store.delivery import Deliverer

HOST = "mx.example.org"


Story = Callable[[House], Awaitable[None]]


def play(root: Path, story: Story) -> None:
    """Run `story` with a house below `root`, whose certificate is there or not."""
    (root / "etc").mkdir()
    (root / "etc" / "mailraven.toml").write_text(
        f'hostname = "{HOST}"\n[paths]\ndata = "{root}"\n[auth]\nchannel_binding = true\n'
    )

    async def main() -> None:
        house = House(
            Service(SPEC, ConfigWatcher(root / "etc", {}), {}),
            Directory(root / "domains", root / "mail"),
            Deliverer(),
            Spool(root / "spool"),
            Submitter(root / "spool"),
            AuthClient(root / "authd.sock"),
            LimitDesk(lambda: house.config, LimitClient(root / "limitd.sock")),
            SrsSecrets(root / "srs-secrets"),
        )
        async with asyncio.timeout(20):
            await story(house)
        house.deliverer.close()
        house.submitter.close()
        house.auth.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def make_certificate(root: Path) -> None:
    authority = ensure_authority(root / "tls", "test")
    ensure_server_certificate(root / "tls" / HOST, authority, [HOST])


def test_who_only_talks_and_never_logs_in_is_sent_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "TICK", 0.01)
    monkeypatch.setattr(connection, "_wheel", DeadlineWheel())
    monkeypatch.setattr(smtp_session, "LOGIN_SECONDS", 0.2)

    async def story(house: House) -> None:
        (sock,) = open_listeners([ListenSpec("x", "127.0.0.1:0")])["x"]
        listener = Listener(sock, lambda peer: SmtpSession(house, "submission", peer).run())
        reader, writer = await asyncio.open_connection("127.0.0.1", sock.getsockname()[1])
        said = [b"220"]
        with contextlib.suppress(ConnectionError):  # a NOOP that crosses the 421 may destroy it
            while said[-1].startswith(b"2") and not writer.is_closing():
                writer.write(b"NOOP\r\n")
                said.append(await reader.readline())
                await asyncio.sleep(0.02)
            assert said[-1] in (b"421 4.4.2 timeout\r\n", b"") or writer.is_closing()
        writer.close()
        await listener.close(5)
        sock.close()

    play(tmp_path, story)


def test_a_connection_is_bound_to_the_certificate_it_began_with(tmp_path: Path) -> None:
    async def story(house: House) -> None:
        make_certificate(tmp_path)
        house.look_for_certificate(at_once=True)
        before = house.channel_binding
        for path in (tmp_path / "tls" / HOST).iterdir():
            path.unlink()
        make_certificate(tmp_path)
        house._next_look = 0.0
        handshaken = Connection()
        handshaken.tls = True
        assert SmtpSession(house, "submissions", handshaken).binding == before
        assert house.channel_binding not in (b"", before)
        assert SmtpSession(house, "submissions", handshaken).binding == house.channel_binding

    play(tmp_path, story)
