"""The demo tree: all below one folder, the same again at the second start."""

import socket
import ssl
import stat
from pathlib import Path

import pytest

from mailraven.auth.passwords import find_entry, matches, prepare
from mailraven.config.directory import Directory
from mailraven.config.load import load
from mailraven.daemons.run import write_peer_file
from mailraven.ops.check import problems_of_domains
from mailraven.ops.demo import Demo, make_tree
from mailraven.ops.errors import OperationError
from mailraven.queue.spool import Spool


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "demo"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """Made once for all who only look: its keys take a tenth of a second."""
    return make_tree(tmp_path_factory.mktemp("made") / "demo", 21000, "127.0.0.7", 3, 2)


def test_everything_lies_below_the_root(demo: Demo) -> None:
    config = load(demo.etc, {})
    paths = config.paths
    assert {paths.data, paths.run.parent, paths.cache.parent, demo.etc.parent} == {demo.root}
    assert config.tls.certificate.is_relative_to(demo.root)
    assert config.tls.certificate.exists()
    assert problems_of_domains(config) == []


def test_nobody_else_may_look_into_it(root: Path) -> None:
    make_tree(root, 21000, "127.0.0.1", 1, 1)
    Spool(root / "spool").prepare()
    write_peer_file(root / "peer.json", {"password": "secret"})
    folders = [path for path in (root, *root.rglob("*")) if path.is_dir()]
    assert len(folders) > 20
    assert [path for path in folders if path.stat().st_mode & 0o007] == []
    assert stat.S_IMODE((root / "peer.json").stat().st_mode) == 0o600


def test_ports_are_counted_from_the_base(demo: Demo) -> None:
    config = load(demo.etc, {})
    assert config.smtp.listen == ("127.0.0.7:21025",)
    assert config.smtp.submission == ("127.0.0.7:21087",)
    assert config.smtp.submissions == ("127.0.0.7:21065",)
    assert config.imap.listen == ("127.0.0.7:21043",)
    assert config.imap.listen_tls == ("127.0.0.7:21093",)
    assert config.http.listen == ("127.0.0.7:21080",)
    assert config.http.listen_tls == ("127.0.0.7:21044",)
    assert (config.smtp.workers, config.imap.workers) == (2, 2)


def test_ipv6_will_do(root: Path) -> None:
    config = load(make_tree(root, 21000, "::1", 1, 1).etc, {})
    assert config.smtp.listen == ("[::1]:21025",)


def test_every_account_has_the_password(demo: Demo) -> None:
    root = demo.root
    directory = Directory(root / "domains", root / "mail")
    for local in ("u000", "u001", "u002"):
        account = directory.account(f"{local}@{demo.domain}")
        assert account is not None
        assert account.maildir.is_dir()
        entry = find_entry(root / "domains" / demo.domain / "passwords", local)
        assert entry is not None
        assert matches(entry.argon2, prepare(demo.password))
    assert demo.user_format % 1 == "u001@demo.test"


def test_the_second_start_changes_nothing(root: Path) -> None:
    first = make_tree(root, 21000, "127.0.0.1", 2, 1)
    (root / "mail/demo.test/u000/Maildir/new/1.a.mx").write_text("kept")
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    second = make_tree(root, 21000, "127.0.0.1", 2, 1)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert (first.is_new, second.is_new) == (True, False)
    assert second.password == first.password


def test_more_users_join_those_that_are_there(root: Path) -> None:
    make_tree(root, 21000, "127.0.0.1", 1, 1)
    demo = make_tree(root, 21000, "127.0.0.1", 3, 1)
    for local in ("u000", "u002"):
        entry = find_entry(root / "domains" / demo.domain / "passwords", local)
        assert entry is not None
        assert matches(entry.argon2, prepare(demo.password))


def test_another_port_base_moves_the_server(root: Path) -> None:
    make_tree(root, 21000, "127.0.0.1", 1, 1)
    demo = make_tree(root, 22000, "127.0.0.1", 1, 1)
    assert load(demo.etc, {}).smtp.listen == ("127.0.0.1:22025",)


@pytest.mark.parametrize("name", ["localhost", "mx.demo.test", "127.0.0.7"])
def test_the_certificate_is_good_for_its_names_under_the_demos_own_authority(
    demo: Demo, name: str
) -> None:
    config = load(demo.etc, {})
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(config.tls.certificate, config.tls.key)
    client = ssl.create_default_context(cafile=str(demo.ca))
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    to_client, to_server = (ssl.MemoryBIO(), ssl.MemoryBIO())
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname=name)
    for step in (theirs, ours, theirs, ours):
        try:
            step.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert theirs.version() == "TLSv1.3"


def test_a_changed_address_gets_a_new_certificate_from_the_same_authority(root: Path) -> None:
    ca = make_tree(root, 21000, "127.0.0.1", 1, 1).ca.read_bytes()
    demo = make_tree(root, 21000, "127.0.0.9", 1, 1)
    assert demo.ca.read_bytes() == ca
    assert socket.inet_aton("127.0.0.9") in ssl.PEM_cert_to_DER_cert(
        load(demo.etc, {}).tls.certificate.read_text().split("-----END CERTIFICATE-----")[0]
        + "-----END CERTIFICATE-----\n"
    )


def test_loopback_is_free_of_limits(demo: Demo) -> None:
    config = load(demo.etc, {})
    assert [str(network) for network in config.limits.exempt] == ["127.0.0.0/8", "::1/128"]


@pytest.mark.parametrize(
    ("port_base", "address", "users"),
    [(0, "127.0.0.1", 1), (65500, "127.0.0.1", 1), (21000, "localhost", 1), (21000, "::1", 0)],
)
def test_wishes_that_cannot_be_met_make_nothing(
    root: Path, port_base: int, address: str, users: int
) -> None:
    with pytest.raises(OperationError):
        make_tree(root, port_base, address, users, 1)
    assert not root.exists()


def test_a_path_too_long_for_sockets_is_said_so_at_once(tmp_path: Path) -> None:
    with pytest.raises(OperationError, match="too long a path"):
        make_tree(tmp_path / ("x" * 100), 21000, "127.0.0.1", 1, 1)
