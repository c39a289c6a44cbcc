"""IMAP URLs of messages (RFC 5092, RFC 4469)."""

import pytest

from mailraven.imap.fetch_commands import Section
from mailraven.imap.url import parse_message_url
from mailraven.mail.errors import PeerError


@pytest.mark.parametrize(
    ("url", "selected", "expected"),
    [
        (b"/Drafts;UIDVALIDITY=385759045/;UID=20", None, ("Drafts", 385759045, 20, Section(b""))),
        (b"/A%20b/%c3%a9/;UID=2", None, ("A b/é", None, 2, Section(b""))),
        (b"/inbox/;uid=1/;section=2.MIME", None, ("INBOX", None, 1, Section(b"", (2,), "MIME"))),
        (b";UID=1/;SECTION=TEXT", "Work", ("Work", None, 1, Section(b"", (), "TEXT"))),
        (b"x/;UID=1", "Work/2026", ("Work/x", None, 1, Section(b""))),
        (b"x/;UID=1", "Work", ("x", None, 1, Section(b""))),
        (
            b"/a/;UID=1/;SECTION=HEADER.FIELDS%20(To%20CC)/;PARTIAL=5.10",
            None,
            ("a", None, 1, Section(b"", (), "HEADER.FIELDS", (b"to", b"cc"), (5, 10))),
        ),
        (b"/a/;UID=1/;PARTIAL=7", None, ("a", None, 1, Section(b"", (), "", (), (7, 2**63 - 1)))),
    ],
)
def test_what_a_url_names(
    url: bytes, selected: str | None, expected: tuple[str, int | None, int, Section]
) -> None:
    found = parse_message_url(url, selected)
    section = found.section
    named = Section(b"", section.part, section.text, section.fields, section.partial)
    assert (found.mailbox, found.uid_validity, found.uid, named) == expected


@pytest.mark.parametrize(
    "url",
    [
        b"",
        b"imap://host/INBOX/;UID=1",
        b"//host/INBOX/;UID=1",
        b";UID=1",
        b"/INBOX",
        b"/INBOX/;UID=x",
        b"/INBOX/;UID=1;URLAUTH=anonymous",
        b"/INBOX/;UID=1/;SECTION=FOO",
        b"/INBOX/;UID=1/;SECTION=1]",
        b"/%ff/;UID=1",
        b"/%00/;UID=1",
        b"/;UID=1",
    ],
)
def test_what_is_no_message_of_ours(url: bytes) -> None:
    with pytest.raises(PeerError):
        parse_message_url(url, None)
