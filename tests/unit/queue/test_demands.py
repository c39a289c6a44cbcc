"""What a message demands of a server, as a table."""

from dataclasses import replace

import pytest

from mailraven.mail.envelope import Envelope, Recipient
from mailraven.mail.types import QueueId, TraceId
from mailraven.queue.demands import Abilities, ascii_path, needs_conversion, objection
from mailraven.queue.entry import QueueEntry, new_entry
from mailraven.smtp.client_replies import Extensions

ENVELOPE = Envelope("alice@example.org", (Recipient("bob@example.net"),), TraceId("t"))
PLAIN = new_entry(QueueId("x" * 13), ENVELOPE, 1000, "7bit")
UTF8 = replace(PLAIN, smtputf8=True)


def to(address: str) -> QueueEntry:
    return replace(UTF8, recipients=(replace(PLAIN.recipients[0], address=address),))


@pytest.mark.parametrize(
    ("entry", "offers", "verified", "status"),
    [
        (PLAIN, {}, False, None),
        (PLAIN, {"SIZE": "1000"}, False, None),
        (PLAIN, {"SIZE": "999"}, False, "5.3.4"),
        (PLAIN, {"SIZE": "0"}, False, None),  # RFC 1870 §4: no limit known
        (UTF8, {}, False, None),  # asked to be safe, but all is ASCII
        (to("jörg@example.net"), {}, False, "5.6.7"),
        (replace(to("jörg@example.net"), smtputf8=False), {}, False, "5.6.7"),  # by an alias
        (to("jörg@example.net"), {"SMTPUTF8": ""}, False, None),
        (to("bob@bücher.example"), {}, False, None),  # the domain becomes A-labels
        (to("bob@\u2615.example"), {}, False, "5.6.7"),  # where it can
        (replace(UTF8, reverse_path="jö@example.org"), {}, False, "5.6.7"),
        (replace(UTF8, reverse_path="bob@\u2615.example"), {}, False, "5.6.7"),
        (replace(UTF8, content="utf8-header"), {}, False, "5.6.7"),
        (replace(PLAIN, require_tls=True), {"REQUIRETLS": ""}, True, None),
        (replace(PLAIN, require_tls=True), {"REQUIRETLS": ""}, False, "5.7.30"),
        (replace(PLAIN, require_tls=True), {}, True, "5.7.30"),  # RFC 8689 §4.2.1
        (replace(PLAIN, require_tls=True, reverse_path=""), {}, False, None),  # RFC 8689 §5
    ],
)
def test_a_server_that_cannot_do_it_is_not_asked(
    entry: QueueEntry, offers: dict[str, str], verified: bool, status: str | None
) -> None:
    found = objection(entry, entry.recipients[0], Abilities(Extensions(offers), verified))
    assert (found.enhanced_status if found else None) == status


def test_one_who_needs_smtputf8_does_not_keep_others_from_their_mail() -> None:
    both = replace(UTF8, recipients=(*PLAIN.recipients, *to("jörg@example.net").recipients))
    found = [objection(both, one, Abilities(Extensions())) for one in both.recipients]
    assert found[0] is None
    assert found[1] is not None and found[1].text.startswith("the address of the recipient needs")


def test_requiretls_is_kept_by_a_socket_of_this_machine() -> None:
    entry = replace(PLAIN, require_tls=True)
    assert objection(entry, entry.recipients[0], Abilities(Extensions(), is_local=True)) is None


def test_only_eight_bit_content_without_8bitmime_is_converted() -> None:
    eight = replace(PLAIN, content="8bit")
    assert needs_conversion(eight, Extensions())
    assert not needs_conversion(eight, Extensions({"8BITMIME": ""}))
    assert not needs_conversion(PLAIN, Extensions())


@pytest.mark.parametrize(
    ("address", "spelled"),
    [
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("ä@bücher.example", "ä@xn--bcher-kva.example"),
        ("a@example.org", "a@example.org"),
        ("", ""),
        ("postmaster", "postmaster"),
    ],
)
def test_domains_are_spelled_in_ascii(address: str, spelled: str) -> None:
    assert ascii_path(address) == spelled
