"""Flags: mask, Maildir letters and IMAP words agree."""

from mailraven.mail import flags


def test_letters_are_written_in_ascii_order() -> None:
    mask = flags.SEEN | flags.FLAGGED | flags.DRAFT | flags.keyword_bit(0)
    assert flags.suffix_of(mask) == ":2,DFSa"


def test_every_mask_on_disk_survives_its_file_name() -> None:
    for bit in range(32):
        assert flags.mask_of("1700.M1P2.mx" + flags.suffix_of(1 << bit)) == 1 << bit


def test_a_name_without_info_has_no_flags() -> None:
    assert flags.mask_of("1700.M1P2.mx") == 0


def test_passed_of_other_programs_is_kept_but_not_shown() -> None:
    assert flags.suffix_of(flags.mask_of("x:2,PS")) == ":2,PS"
    assert flags.FlagNames([]).wire(flags.mask_of("x:2,PS")) == b"\\Seen"


def test_recent_is_shown_but_never_written() -> None:
    assert flags.suffix_of(flags.RECENT | flags.SEEN) == ":2,S"
    assert flags.FlagNames([]).wire(flags.RECENT | flags.SEEN) == b"\\Seen \\Recent"


def test_a_keyword_added_later_is_rendered() -> None:
    keywords = ["$Forwarded"]
    names = flags.FlagNames(keywords)
    assert names.wire(flags.keyword_bit(0)) == b"$Forwarded"
    keywords.append("Work")
    assert names.wire(flags.ANSWERED | flags.keyword_bit(1)) == b"\\Answered Work"


def test_flag_names_are_case_insensitive_and_unknown_ones_count_nothing() -> None:
    mask = flags.mask_of_names([b"\\SEEN", b"$forwarded", b"other"], ["$Forwarded"])
    assert mask == flags.SEEN | flags.keyword_bit(0)
