"""queued against scripted mail servers on loopback: what is delivered, retried, reported."""

import asyncio
import email
import json
import time
from collections.abc import Awaitable
from pathlib import Path

import pytest

from mailraven.mail.envelope import Recipient
from mailraven.mail.types import QueueId
from mailraven.observe import metrics
from servers.dns_server import DnsServer
from servers.queue_house import MESSAGE, QueueHouse
from servers.smtp_server import SmtpServer, addresses


def run(test: Awaitable[None]) -> None:
    async def whole() -> None:
        await test

    asyncio.run(whole())


def house(tmp_path: Path, server: SmtpServer, settings: str = "", rest: str = "") -> QueueHouse:
    """A queue whose every mail goes to `server`."""
    return QueueHouse(
        tmp_path, f'routes = {{"*" = "{server.address}:{server.port}"}}\n{settings}', rest
    )


def test_submitted_message_is_delivered_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with SmtpServer() as server, house(tmp_path, server) as queue:
            queue.submit("bob@example.net", "carol@example.org")
            await queue.empty()
            (got,) = server.received
            assert got.data == MESSAGE
            assert addresses([got.mail, *got.rcpt]) == [
                "alice@ours.example",
                "bob@example.net",
                "carol@example.org",
            ]
            assert list((queue.spool.root / "msg").iterdir()) == []

    run(story())


def test_messages_of_a_stopped_queued_are_taken_at_its_start(tmp_path: Path) -> None:
    async def story() -> None:
        async with SmtpServer() as server:
            queue = house(tmp_path, server)
            waiting = queue.submit("bob@example.net")
            claimed = queue.submit("carol@example.net")
            queue.spool.claim(claimed, "incoming")
            async with queue:
                await queue.empty()
            assert len(server.received) == 2
            assert waiting != claimed

    run(story())


def test_many_messages_share_few_connections(tmp_path: Path) -> None:
    async def story() -> None:
        async with SmtpServer() as server, house(tmp_path, server) as queue:
            for number in range(60):
                queue.submit(f"u{number}@example.net")
            await queue.empty()
            assert len(server.received) == 60
            assert server.connections <= 5

    run(story())


def test_sessions_with_one_destination_are_limited(tmp_path: Path) -> None:
    async def story() -> None:
        settings = "destination_concurrency = 2"
        async with SmtpServer() as server:
            queue = house(tmp_path, server, settings)
            for number in range(40):
                queue.submit(f"u{number}@example.net")
            async with queue:
                await queue.empty()
            assert server.most_at_once <= 2

    run(story())


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
def test_4xx_is_tried_again_until_2xx(tmp_path: Path, verb: str) -> None:
    async def story() -> None:
        script: dict[str, list[bytes | None]] = {verb: [b"451 4.7.1 greylisted\r\n"]}
        async with SmtpServer(script) as server, house(tmp_path, server) as queue:
            id = queue.submit("bob@example.net")
            entry = await queue.deferred(id)
            answer = entry.recipients[0].answer
            assert answer is not None
            assert (answer.text, answer.enhanced_status) == ("451 4.7.1 greylisted", "4.7.1")
            assert entry.next_try > entry.received
            queue.spool.retry(id)
            await queue.empty()
            assert len(server.received) == 1

    run(story())


def test_a_retry_in_the_moment_of_deferring_is_not_lost(tmp_path: Path) -> None:
    async def story() -> None:
        ids: list[QueueId] = []
        busy: list[bytes | None] = [b"451 4.3.2 busy\r\n"] * 40
        one = "destination_concurrency = 1"  # so that each message is refused once, and no other
        async with SmtpServer({"MAIL": busy}) as server, house(tmp_path, server, one) as queue:

            def touch() -> None:
                """Ask for another try of each message as soon as it waits; one that was tried again
                may have met the answer that was meant for another, which then never waits."""
                waiting = set(ids)
                while waiting and len(server.received) < len(ids):
                    waiting -= {id for id in waiting if queue.spool.retry(id)}
                    time.sleep(0)  # the loop of queued needs the interpreter, too

            ids += [queue.submit(f"u{number}@example.net") for number in range(40)]
            await asyncio.to_thread(touch)
            await queue.until(lambda: len(server.received) == 40)

    run(story())


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
def test_5xx_comes_back_to_the_sender_as_a_report(tmp_path: Path, verb: str) -> None:
    async def story() -> None:
        script: dict[str, list[bytes | None]] = {verb: [b"550-5.1.1 no\r\n550 5.1.1 never\r\n"]}
        async with SmtpServer(script) as server, house(tmp_path, server) as queue:
            queue.submit("bob@example.net")
            await queue.until(lambda: len(server.received) == 1)
            await queue.empty()
            (report,) = server.received
            assert report.mail.startswith(b"MAIL FROM:<>")
            assert addresses(report.rcpt) == ["alice@ours.example"]
            assert b"Diagnostic-Code: smtp; 550 5.1.1 no / 5.1.1 never" in report.data
            assert b"Subject: hi" in report.data

    run(story())


def test_a_bounce_that_bounces_is_dropped(tmp_path: Path) -> None:
    async def story() -> None:
        no: list[bytes | None] = [b"550 5.1.1 no\r\n", b"550 5.1.1 no such sender\r\n"]
        async with SmtpServer({"RCPT": no}) as server, house(tmp_path, server) as queue:
            queue.submit("bob@example.net")
            await queue.until(lambda: sum(c.startswith(b"RCPT") for c in server.commands) == 2)
            await queue.empty()
            assert server.received == []

    run(story())


def test_each_recipient_has_its_own_fate(tmp_path: Path) -> None:
    async def story() -> None:
        script: dict[str, list[bytes | None]] = {
            "RCPT": [b"250 ok\r\n", b"550 5.1.1 no\r\n", b"452 4.2.2 full\r\n"]
        }
        async with SmtpServer(script) as server, house(tmp_path, server) as queue:
            id = queue.submit("a@x.example", "b@x.example", "c@x.example")
            entry = await queue.deferred(id)
            assert [one.status for one in entry.recipients] == ["relayed", "failed", "pending"]
            queue.spool.retry(id)
            await queue.empty()
            tos = [addresses(got.rcpt) for got in server.received]
            assert sorted(tos) == [["a@x.example"], ["alice@ours.example"], ["c@x.example"]]

    run(story())


def test_message_older_than_its_lifetime_is_returned(tmp_path: Path) -> None:
    async def story() -> None:
        script: dict[str, list[bytes | None]] = {"RCPT": [b"450 4.2.0 busy\r\n"]}
        async with SmtpServer(script) as server, house(tmp_path, server) as queue:
            queue.submit("bob@example.net", age=6 * 86400)
            await queue.until(lambda: len(server.received) == 1)
            assert b"Action: failed" in server.received[0].data
            assert b"450 4.2.0 busy" in server.received[0].data

    run(story())


def test_sender_hears_of_a_delay_once(tmp_path: Path) -> None:
    async def story() -> None:
        busy: list[bytes | None] = [b"450 4.2.0 busy\r\n"]
        async with SmtpServer({"MAIL": busy}) as server, house(tmp_path, server) as queue:
            id = queue.submit("bob@example.net", age=5 * 3600)
            await queue.until(lambda: len(server.received) == 1)
            assert b"Action: delayed" in server.received[0].data
            server.script["MAIL"].append(b"450 4.2.0 still busy\r\n")
            await queue.deferred(id)
            queue.spool.retry(id)
            await queue.until(lambda: not server.script["MAIL"])
            entry = await queue.deferred(id)
            assert entry.delay_noticed
            assert len(server.received) == 1

    run(story())


def test_success_is_reported_where_the_next_hop_does_not(tmp_path: Path) -> None:
    async def story() -> None:
        hello = b"250-mx\r\n250 8BITMIME\r\n"
        async with SmtpServer(hello=hello) as server, house(tmp_path, server) as queue:
            queue.submit(Recipient("bob@example.net", frozenset({"SUCCESS"})))
            await queue.until(lambda: len(server.received) == 2)
            assert b"Action: relayed" in server.received[1].data

    run(story())


def test_dsn_wishes_travel_on_where_they_are_understood(tmp_path: Path) -> None:
    async def story() -> None:
        async with SmtpServer() as server, house(tmp_path, server) as queue:
            queue.submit(Recipient("bob@example.net", frozenset({"SUCCESS"}), "rfc822;b@x"))
            await queue.empty()
            (got,) = server.received
            assert got.rcpt == [b"RCPT TO:<bob@example.net> NOTIFY=SUCCESS ORCPT=rfc822;b@x"]

    run(story())


def test_local_success_is_reported_by_the_queue_itself(tmp_path: Path) -> None:
    async def story() -> None:
        queue = QueueHouse(tmp_path)
        queue.make_local("ours.example")
        async with SmtpServer(unix=str(queue.lmtp), lmtp=True) as server, queue:
            queue.submit(Recipient("a@ours.example", frozenset({"SUCCESS", "FAILURE"})))
            await queue.until(lambda: len(server.received) == 2)
            assert server.received[0].rcpt == [b"RCPT TO:<a@ours.example> NOTIFY=FAILURE"]
            assert b"Action: delivered" in server.received[1].data

    run(story())


def test_eight_bit_content_is_converted_where_it_must_be(tmp_path: Path) -> None:
    async def story() -> None:
        content = [MESSAGE, "Grüße\r\n".encode()]
        async with SmtpServer(hello=b"250 mx\r\n") as server, house(tmp_path, server) as queue:
            queue.submit("bob@example.net", content=content)
            await queue.empty()
            assert server.received[0].data.isascii()
            assert b"Gr=C3=BC=C3=9Fe" in server.received[0].data

    run(story())


def test_local_recipients_go_through_lmtp_with_an_answer_each(tmp_path: Path) -> None:
    async def story() -> None:
        queue = QueueHouse(tmp_path)
        queue.make_local("ours.example")
        script: dict[str, list[bytes | None]] = {".": [b"250 ok\r\n452 4.2.2 full\r\n"]}
        async with SmtpServer(script, unix=str(queue.lmtp), lmtp=True) as server, queue:
            id = queue.submit("a@ours.example", "b@ours.example")
            entry = await queue.deferred(id)
            assert [one.status for one in entry.recipients] == ["delivered", "pending"]
            assert server.commands[0] == b"LHLO mx.ours.example"

    run(story())


def test_dead_and_refusing_mx_do_not_matter_while_one_lives(tmp_path: Path) -> None:
    async def story() -> None:
        zone = {
            ("example.net", "MX"): [
                "1 dead.example.net.",
                "2 angry.example.net.",
                "3 ok.example.net.",
            ],
            ("dead.example.net", "A"): ["127.0.0.41"],
            ("angry.example.net", "A"): ["127.0.0.42"],
            ("ok.example.net", "A"): ["127.0.0.43"],
        }
        async with SmtpServer(address="127.0.0.43") as ok, DnsServer(dict(zone)) as name_server:
            no: dict[str, list[bytes | None]] = {"": [b"554 go away\r\n"]}
            rest = f'[dns]\nresolvers = ["{name_server.endpoint}"]'
            async with (
                SmtpServer(no, "127.0.0.42", ok.port) as angry,
                QueueHouse(tmp_path, f"port = {ok.port}", rest) as queue,
            ):
                queue.submit("bob@example.net")
                await queue.empty()
                assert (angry.connections, len(ok.received)) == (1, 1)

    run(story())


def test_host_that_goes_away_in_the_middle_is_followed_by_the_next(tmp_path: Path) -> None:
    async def story() -> None:
        zone = {
            ("example.net", "MX"): ["1 first.example.net.", "2 second.example.net."],
            ("first.example.net", "A"): ["127.0.0.44"],
            ("second.example.net", "A"): ["127.0.0.45"],
        }
        script: dict[str, list[bytes | None]] = {"RCPT": [b"421 4.3.2 shutting down\r\n"]}
        async with SmtpServer(address="127.0.0.45") as second, DnsServer(dict(zone)) as name_server:
            rest = f'[dns]\nresolvers = ["{name_server.endpoint}"]'
            async with (
                SmtpServer(script, "127.0.0.44", second.port),
                QueueHouse(tmp_path, f"port = {second.port}", rest) as queue,
            ):
                queue.submit("bob@example.net")
                await queue.empty()
                assert len(second.received) == 1

    run(story())


def test_domain_that_does_not_exist_bounces_and_failing_dns_waits(tmp_path: Path) -> None:
    async def story() -> None:
        async with SmtpServer() as server, DnsServer({("slow.example", "MX"): None}) as dns:
            rest = f'[dns]\nresolvers = ["{dns.endpoint}"]\ntimeout = "1s"'
            route = f'routes = {{"ours.example" = "127.0.0.1:{server.port}"}}'
            async with QueueHouse(tmp_path, route, rest) as queue:
                id = queue.submit("bob@missing.example", "carol@slow.example")
                entry = await queue.deferred(id)
                assert [one.status for one in entry.recipients] == ["failed", "pending"]
                await queue.until(lambda: len(server.received) == 1)
                assert b"missing.example does not exist" in server.received[0].data

    run(story())


def test_held_entry_waits_until_it_is_released(tmp_path: Path) -> None:
    async def story() -> None:
        async with SmtpServer() as server:
            queue = house(tmp_path, server)
            id = queue.submit("bob@example.net")
            queue.spool.hold(id, "incoming")
            async with queue:
                queue.submit("carol@example.net")
                await queue.until(lambda: len(server.received) == 1)
                assert (queue.spool.folder("held") / id).exists()
                queue.spool.release(id)
                await queue.empty()
                assert len(server.received) == 2

    run(story())


def test_large_message_arrives_octet_by_octet(tmp_path: Path) -> None:
    async def story() -> None:
        content = [b"Subject: big\r\n\r\n", *(b".line %d\r\n" % n for n in range(200_000))]
        async with SmtpServer() as server, house(tmp_path, server) as queue:
            queue.submit("bob@example.net", content=content)
            await queue.empty()
            assert server.received[0].data == b"".join(content)

    run(story())


def test_message_larger_than_the_other_side_takes_is_not_sent(tmp_path: Path) -> None:
    async def story() -> None:
        hello = b"250-mx\r\n250 SIZE 70000\r\n"
        async with SmtpServer(hello=hello) as server, house(tmp_path, server) as queue:
            queue.submit("bob@example.net", content=[MESSAGE, b"x\r\n" * 30_000])
            await queue.until(lambda: len(server.received) == 1)
            assert b"Status: 5.3.4" in server.received[0].data

    run(story())


def test_smtputf8_bounces_clearly_where_the_other_side_cannot(tmp_path: Path) -> None:
    async def story() -> None:
        hello = b"250-mx\r\n250 8BITMIME\r\n"
        async with SmtpServer(hello=hello) as server, house(tmp_path, server) as queue:
            queue.submit("jörg@example.net", smtputf8=True)
            await queue.until(
                lambda: (
                    any(b"5.6.7" in c.data for c in server.received)
                    or bool(list(queue.spool.entries("deferred")))
                )
            )

    run(story())


def test_report_reads_as_mail(tmp_path: Path) -> None:
    async def story() -> None:
        no: dict[str, list[bytes | None]] = {"RCPT": [b"550 5.1.1 no\r\n"]}
        async with SmtpServer(no) as server, house(tmp_path, server) as queue:
            queue.submit("bob@example.net")
            await queue.until(lambda: len(server.received) == 1)
            report = email.message_from_bytes(server.received[0].data)
            assert [part.get_content_type() for part in report.walk()][:3] == [
                "multipart/report",
                "text/plain",
                "message/delivery-status",
            ]

    run(story())


def test_metrics_count_what_is_in_the_queue_and_what_became_of_it(tmp_path: Path) -> None:
    async def story() -> None:
        busy: dict[str, list[bytes | None]] = {"MAIL": [b"450 4.2.0 busy\r\n"]}
        async with SmtpServer(busy) as server, house(tmp_path, server) as queue:
            await queue.deferred(queue.submit("bob@example.net"))
            queue.submit("carol@example.net")
            await queue.until(lambda: len(server.received) == 1)
            told = queue.service.facts()
            assert told["waiting"] == 1
            exposed = metrics.exposition()
            assert 'mailraven_queue_messages{state="waiting"}' in exposed
            assert 'mailraven_queue_recipients_total{result="deferred"}' in exposed
            assert 'mailraven_queue_recipients_total{result="relayed"}' in exposed

    run(story())


@pytest.mark.req("FR-059")
def test_every_line_about_a_message_carries_its_trace(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def story() -> None:
        no: dict[str, list[bytes | None]] = {"RCPT": [b"550 5.1.1 no\r\n"]}
        async with SmtpServer(no) as server, house(tmp_path, server) as queue:
            queue.submit("bob@example.net")
            await queue.until(lambda: len(server.received) == 1)
            await queue.empty()

    run(story())
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    told = {line["event"]: line for line in lines if line.get("trace") == "t1"}
    assert told["bounced"]["answer"] == "550 5.1.1 no"
    report = told["report"]["report_trace"]
    assert any(line["event"] == "relayed" and line["trace"] == report for line in lines)
