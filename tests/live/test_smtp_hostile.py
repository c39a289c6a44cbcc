"""Enemies over real connections: authors who hide, records that loop, name servers that lie."""

import json
from collections.abc import Iterator

import pytest

from mailraven.ops.demo import Demo
from servers.dns_server import Records, dns_thread
from servers.lying_dns import LIES, lying_dns
from transcripts.live import DOMAIN, running
from unit.daemons.smtp_house import answer_to, empty, mailbox, new_house, stranger
from unit.senderauth.signed import MESSAGE, seal, sign

PROVED = "127.0.0.5"
ZONE: dict[tuple[str, str], Records] = {
    ("example.net", "TXT"): ['"v=spf1 ip4:127.0.0.5 -all"'],
    ("_dmarc.strict.example", "TXT"): ['"v=DMARC1; p=reject"'],
    ("_dmarc.xn--bcher-kva.example", "TXT"): ['"v=DMARC1; p=reject"'],
    ("loop.example", "TXT"): ['"v=spf1 include:loop.example -all"'],
    ("swells.example", "TXT"): [
        '"v=spf1 ' + " ".join(f"exists:%{{l}}.%{{l}}.%{{l}}.{n}.x" for n in range(9)) + ' -all"'
    ],
    ("many.example", "TXT"): ['"v=spf1 -all"'] * 90,
    ("alias.example", "CNAME"): ["other.example."],
    ("other.example", "CNAME"): ["alias.example."],
}
MILD = {"spam_quarantine_score": "39", "spam_reject_score": "40", "inbound_exempt": ""}


@pytest.fixture(scope="module")
def running_house() -> Iterator[Demo]:
    with new_house(19) as demo, dns_thread(ZONE) as endpoint:
        with running(demo, "smtpd", message_size="8M", dns_resolvers=endpoint, **MILD):
            yield demo
        assert '"bug"' not in (demo.root / "log").read_text()


@pytest.fixture
def house(running_house: Demo) -> Demo:
    empty(running_house)
    return running_house


def bring(house: Demo, message: bytes, sender: str = "x@example.net") -> str:
    with stranger(house, PROVED) as smtp:
        return answer_to(smtp, sender, [f"bob@{DOMAIN}"], message)


def letter(author: bytes, extra: bytes = b"") -> bytes:
    return (
        author + b"\r\nTo: bob@example.org\r\nSubject: lunch\r\nMessage-ID: <1@example.net>\r\n"
        b"" + extra + b"\r\nat noon?\r\n"
    )


@pytest.mark.parametrize(
    "author",
    [
        b"From: <boss@strict.example.>",
        b"From : boss@STRICT.example",
        b"from\t:\r\n boss@ strict . example",
        b"From: (x@example.net) boss@strict.example (x@example.net)",
        b"From: (\\) <x@example.net>) <boss@strict.example>",
        b'From: "x@example.net" <@example.net:boss@strict.example>',
        b'From: "\\"@example.net" <boss@strict.example>',
        b"From: x@example.net <boss@strict.example",
        b"From: boss@strict.example;",
        b"From: group: boss@strict.example;",
        b"From: boss@strict\xe3\x80\x82example",
        b"From: boss@\xef\xbd\x93trict.example",
        b"From: boss@B\xc3\x9cCHER.example",
        b"From: \xff\xfe<boss@sub.strict.example>",
        b"Resent-From: x@example.net\r\nFrom: boss@strict.example",
        b"a line without colon\r\nFrom: boss@strict.example",
        b"From x@example.net\r\nFrom: boss@strict.example",
    ],
)
def test_whatever_way_the_author_is_written_the_policy_of_its_domain_counts(
    house: Demo, author: bytes
) -> None:
    assert bring(house, letter(author)).startswith("550 5.7.26 DMARC: mail from ")


@pytest.mark.parametrize(
    "author",
    [
        b"From: =?utf-8?q?boss=40strict.example?=",
        b"From: Boss <=?utf-8?q?boss=40strict.example?=>",
        b"From: x@example.net\r\nfrom: boss@strict.example",
        b"From: <x@example.net> <boss@strict.example>",
        b"From: x@example.net;boss@strict.example",
        b"From: group: boss@strict.example, x@example.net;",
        b"From: boss@strict..example",
        b'From: "unclosed <x@example.net>, boss@strict.example',
    ],
)
def test_an_author_who_cannot_be_told_does_not_get_into_the_inbox(
    house: Demo, author: bytes
) -> None:
    assert bring(house, letter(author)).startswith("250 ")
    assert mailbox(house, "bob") == []


def chain(sets: int) -> bytes:
    message = MESSAGE
    for number in range(sets):
        before = b"arc=pass; " if number else b""
        message = seal(message, b"f%d.example" % number, before + b"dmarc=pass")
    return message


SIGNATURE = sign().removesuffix(MESSAGE)
EVERY_OCTET = bytes(octet for octet in range(256) if octet not in b"\0\r\n")
HOSTILE = {
    "100 signatures": SIGNATURE * 100 + MESSAGE,
    "a long h=": SIGNATURE[:-2] + b"; h=" + b":".join([b"from"] * 20_000) + b"\r\n" + MESSAGE,
    "50 seals": chain(50),
    "3,000 results in our name": b"Authentication-Results: mx.example.org; spf=pass\r\n" * 3000
    + MESSAGE,
    "results in brackets": b"Authentication-Results: " + b"(" * 50_000 + b"x\r\n" + MESSAGE,
    "6,000 authors": letter(b"From: " + b"<a@b.example>, " * 6000 + b"<x@example.net>"),
    "every octet in every field": b"".join(
        name + b": " + EVERY_OCTET + b"\r\n"
        for name in (
            b"From Subject To Date Message-ID Content-Type References DKIM-Signature ARC-Seal"
            b" Authentication-Results Received Reply-To List-Post X-Mailer Sender"
        ).split()
    )
    + b"\r\nhello\r\n",
    "nested parts": b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b0\r\n\r\n"
    + b"".join(
        b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1)
        for n in range(3000)
    ),
    "a codec that is no charset": b"Content-Type: text/plain; charset=zlib\r\n" + MESSAGE,
    "homographs": b"Subject: " + "раураl ассоunt ".encode() * 200 + b"\r\n" + MESSAGE,
    "five megabytes": SIGNATURE * 8 + MESSAGE + (b"A " * 38 + b"\r\n") * 64_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_message_made_to_cost_much_gets_an_answer(house: Demo, name: str) -> None:
    assert bring(house, HOSTILE[name]).startswith("250 ")


def test_a_header_of_a_megabyte_is_refused_in_words(house: Demo) -> None:
    filler = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 60) for n in range(14_000))
    assert bring(house, filler + MESSAGE) == "552 5.3.4 the header is too large"


@pytest.mark.parametrize("domain", ["loop", "swells", "many", "alias"])
def test_a_record_that_loops_or_swells_refuses_nobody(house: Demo, domain: str) -> None:
    sender = f"{'u.' * 20}x@{domain}.example"
    assert bring(house, letter(b"From: x@example.net"), sender).startswith("250 ")
    assert len(mailbox(house, "bob")) == 1


@pytest.fixture(scope="module")
def misled() -> Iterator[Demo]:
    with new_house(20) as demo, lying_dns() as endpoint:
        waits = {"inbound_timeout": "1", "dns_timeout": "1", "dns_resolvers": endpoint}
        with running(demo, "smtpd", **waits, **MILD):
            yield demo
        assert '"bug"' not in (demo.root / "log").read_text()


@pytest.mark.parametrize("lie", LIES)
def test_a_name_server_that_lies_refuses_nobody(misled: Demo, lie: str) -> None:
    empty(misled)
    author, domain = f"x@{lie}.example", f"{lie}.example".encode()
    message = letter(b"From: " + author.encode(), SIGNATURE.replace(b"example.org", domain))
    assert bring(misled, message, author).startswith("250 ")
    assert len(mailbox(misled, "bob")) == 1
    (path,) = (misled.root / "verdicts").glob("*.jsonl")
    found = json.loads(path.read_text().splitlines()[-1])["auth"]
    assert (found["spf"], found["dmarc"]) == ("temperror", "temperror")
