"""Whose matter a failure is, and what helps."""

import pytest

from mailraven.queue.advice import advice, advice_for_sender
from mailraven.queue.entry import Answer

REMOTE = "mx.example.net[192.0.2.1]:25"


def own(stage: str, status: str, text: str) -> Answer:
    return Answer(text, status, REMOTE, stage, heard=False)


def theirs(text: str, stage: str = "RCPT TO") -> Answer:
    words = text.split()
    status = words[1] if len(words) > 1 and words[1][1:2] == "." else ""
    return Answer(text, status, REMOTE, stage)


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (own("connect", "4.4.1", "connection refused"), "Nothing listens there"),
        (own("connect", "4.4.1", "connecting timed out"), "blocks port 25"),
        (own("connect", "4.4.1", "connection timed out"), "blocks port 25"),
        (own("connect", "4.4.1", "network is unreachable"), "no way there"),
        (own("connect", "4.4.1", "no route to host"), "no way there"),
        (own("dns", "5.1.2", "example.net does not exist"), "slip of the pen"),
        (own("dns", "5.1.10", "example.net does not accept mail (null MX)"), "takes no mail"),
        (own("dns", "5.4.4", "no mail host of example.net has an address"), "without an address"),
        (own("dns", "5.4.6", "MX of example.net is this server"), "mailraven domain add"),
        (own("dns", "4.4.3", "example.net: no name server answered"), "dns.resolvers"),
        (
            own("dns", "4.7.5", "DANE of mx.example.net: mx.example.net: name servers failed"),
            "Their name servers or ours",
        ),
        (
            own("STARTTLS", "4.7.5", "TLS failed: no match (DANE of mx.example.net)"),
            "TLSA records",
        ),
        (
            own("policy", "4.7.5", "mx.x is no host of the policy (MTA-STS of example.net)"),
            "MTA-STS policy demands",
        ),
        (own("EHLO", "4.7.4", "TLS is required, but not offered"), "queue.tls"),
        (own("STARTTLS", "4.7.5", "TLS failed: wrong version number"), "queue.tls"),
        (own("suppression", "5.1.1", "this address is suppressed"), "suppression remove"),
        (own("routing", "4.3.5", "queue.smarthosts has no offce"), "config check"),
        (own("dns", "4.4.4", "mx.x has no address for us: queue.families says ipv6"), "family"),
        (
            own("dns", "4.3.5", "smart.example, the way that is configured, has no address"),
            "queue.smarthost",
        ),
        (own("AUTH", "4.3.5", "the password for smart.example cannot be read"), "password_file"),
        (own("AUTH", "4.4.2", "it cannot prove that it knows the password (AUTH)"), "host that we"),
        (own("connect", "4.4.1", "cannot assign requested address (from 192.0.2.1)"), "no way"),
        (own("disk", "4.3.0", "the message cannot be read: Input/output error"), "Our own disk"),
        (own("greeting", "4.4.2", "not an SMTP reply: SSH-2.0 (greeting)"), "no mail server"),
        (own("RCPT TO", "4.4.2", "timed out (RCPT TO)"), "fell silent"),
        (own("DATA", "4.4.2", "connection closed by the other side (DATA)"), "hung up"),
        (own("EHLO", "5.3.4", "the message has 9 octets, that server takes 8"), "larger than"),
        (own("EHLO", "5.6.7", "the message needs SMTPUTF8"), "beyond ASCII"),
        (own("dns", "5.7.30", "REQUIRETLS was asked for"), "TLS all the way"),
        (theirs("450 4.2.0 Greylisted for 300 s"), "Greylisting"),
        (theirs("451 4.7.1 Graylisting in action"), "Greylisting"),
        (theirs("535 5.7.8 wrong", "AUTH"), "user or password"),
        (theirs("530 5.7.0 authentication required"), "wants a log-in"),
        (theirs("530 5.7.57 Client not authenticated", "MAIL FROM"), "wants a log-in"),
        (theirs("530 Must issue a STARTTLS command first", "MAIL FROM"), "or TLS"),
        (theirs("550 5.7.26 unauthenticated"), "mailraven domain dns"),
        (theirs("550 5.7.25 no PTR"), "PTR record"),
        (theirs("550 SPF check failed"), "mailraven domain dns"),
        (theirs("554 5.7.1 blocked using zen.spamhaus.org"), "block list"),
        (theirs("421 4.7.28 unusual rate of mail"), "less from us"),
        (theirs("452 4.5.3 too many recipients"), "less from us"),
        (theirs("452 4.2.2 over quota"), "make room"),
        (theirs("552 5.2.2 full"), "make room"),
        (theirs("552 5.3.4 too big"), "larger than"),
        (theirs("552 message is too fat", "end of DATA"), "larger than"),
        (theirs("553 5.1.8 sender domain unknown"), "sender's address"),
        (theirs("550 5.1.1 unknown"), "no such mailbox"),
        (theirs("550 User unknown"), "no such mailbox"),
        (theirs("550 5.2.1 disabled"), "switched off"),
        (theirs("550 5.7.1 because"), "a rule of theirs"),
        (theirs("421 busy"), "tried again by itself"),
        (theirs("450 4.3.2 shutting down"), "tried again by itself"),
    ],
)
def test_advice_fits_the_answer(answer: Answer, part: str) -> None:
    assert part in advice(answer)


@pytest.mark.parametrize("text", ["554 no", "550 5.0.0 sorry", ""])
def test_there_is_no_advice_where_nothing_is_known(text: str) -> None:
    assert advice(theirs(text)) == ""


def test_senders_read_only_what_they_can_act_on() -> None:
    assert "slip of the pen" in advice_for_sender(theirs("550 5.1.1 unknown"))
    assert advice_for_sender(theirs("554 5.7.1 blocked using zen.spamhaus.org")) == ""
    assert advice_for_sender(own("connect", "4.4.1", "connection refused")) == ""
