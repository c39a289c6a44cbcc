"""What the unique part of a file name tells of a message (RFC 8474, RFC 8514)."""

import pytest

from mailraven.mail.identity import copied, email_id, mailbox_id, save_date

OURS = "1795395851.M718692P14730Ree5c6dc3Q8.mx,S=14,W=14"


@pytest.mark.parametrize(
    ("base", "date"),
    [
        (OURS, 1795395851),
        ("1204680122.27c448190a5a0e39b5a3b2c4_0.host", 1204680122),
        ("message-from-elsewhere", None),
        ("", None),
        ("99999999999999.x", None),  # no second of ours
    ],
)
def test_the_name_begins_with_the_time_of_saving(base: str, date: int | None) -> None:
    assert save_date(base) == date


def test_copies_and_their_copies_have_the_id_of_the_first() -> None:
    once = copied("1800000000.a.mx,S=14,W=14", OURS)
    twice = copied("1900000000.b.mx,S=14,W=14", once)
    assert email_id(OURS) == email_id(once) == email_id(twice)
    assert email_id("1800000000.a.mx,S=14,W=14") != email_id(OURS)
    assert save_date(once) == 1800000000  # RFC 8514 §3: a copy was saved when it was made


def test_notes_of_other_programs_do_not_change_the_id() -> None:
    assert email_id(OURS) == email_id(OURS.partition(",")[0] + ",U=7")
    assert email_id(copied("1.a.mx", OURS) + ",U=7") == email_id(OURS)


@pytest.mark.parametrize("base", ["x", "\udcff", ",E=xyz", ""])
def test_an_id_is_an_objectid_whatever_the_name(base: str) -> None:
    """RFC 8474 §7: letters, digits, "-" and "_"."""
    assert email_id(base).isalnum()
    assert mailbox_id(4294967295) == "M4294967295"
