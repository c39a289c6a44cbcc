"""Answers of SEARCH (RFC 4731 §3.1, RFC 5182 §2.4)."""

import pytest

from mailraven.imap.search_results import (
    Returned,
    chosen,
    esearch_line,
    search_line,
    tag_correlator,
)


def returned(options: bytes, partial: tuple[int, int] = (0, 0)) -> Returned:
    return Returned(frozenset(options.split()), partial)


def test_a_search_without_return_lists_numbers() -> None:
    assert search_line([2, 7]) == b"* SEARCH 2 7\r\n"
    assert search_line([]) == b"* SEARCH\r\n"


@pytest.mark.parametrize(
    ("options", "numbers", "items"),
    [
        (b"ALL", [1, 2, 3, 7], b" ALL 1:3,7"),
        (b"MIN MAX COUNT", [4, 6, 9], b" MIN 4 MAX 9 COUNT 3"),
        (b"MIN MAX ALL", [], b""),
        (b"MIN COUNT", [], b" COUNT 0"),
        (b"SAVE COUNT", [5], b" COUNT 1"),
        (b"SAVE MIN", [], b""),
    ],
)
def test_esearch_gives_what_was_asked_for(options: bytes, numbers: list[int], items: bytes) -> None:
    line = esearch_line(tag_correlator(b"a1"), returned(options), numbers, by_uid=False)
    assert line == b'* ESEARCH (TAG "a1")' + items + b"\r\n"


def test_esearch_says_when_numbers_are_uids() -> None:
    line = esearch_line(tag_correlator(b"a"), returned(b"ALL"), [9], by_uid=True)
    assert line == b'* ESEARCH (TAG "a") UID ALL 9\r\n'


def test_save_alone_says_nothing() -> None:
    assert esearch_line(tag_correlator(b"a"), returned(b"SAVE"), [9], by_uid=True) == b""


@pytest.mark.parametrize(
    ("options", "saved"),
    [
        (b"SAVE", [1, 4, 8]),
        (b"SAVE MIN", [1]),
        (b"SAVE MAX", [8]),
        (b"SAVE MIN MAX", [1, 8]),
        (b"SAVE MIN COUNT", [1, 4, 8]),
        (b"SAVE MAX ALL", [1, 4, 8]),
    ],
)
def test_min_and_max_alone_save_only_these(options: bytes, saved: list[int]) -> None:
    assert chosen(returned(options), [1, 4, 8]) == saved
    assert chosen(returned(options), []) == []
    assert chosen(returned(options), [3]) == [3]


def test_the_highest_modseq_comes_last() -> None:
    """RFC 7162 §3.1.6, RFC 4731 §3.2"""
    assert search_line([2, 7], 99) == b"* SEARCH 2 7 (MODSEQ 99)\r\n"
    line = esearch_line(tag_correlator(b"a"), returned(b"ALL"), [9], by_uid=False, modseq=99)
    assert line == b'* ESEARCH (TAG "a") ALL 9 MODSEQ 99\r\n'


@pytest.mark.parametrize(
    ("partial", "payload"),
    [
        ((1, 2), b"1:2 11:12"),
        ((2, 1), b"2:1 11:12"),
        ((3, 9), b"3:9 13"),
        ((4, 9), b"4:9 NIL"),
        ((-1, -2), b"-1:-2 12:13"),
        ((-3, -9), b"-3:-9 11"),
        ((-4, -9), b"-4:-9 NIL"),
    ],
)
def test_partial_counts_from_either_end(partial: tuple[int, int], payload: bytes) -> None:
    """RFC 9394 §3.1"""
    line = esearch_line(b"", returned(b"PARTIAL", partial), [11, 12, 13], by_uid=False)
    assert line == b"* ESEARCH () PARTIAL (" + payload + b")\r\n"


@pytest.mark.parametrize(
    ("options", "meant"),
    [
        (b"SAVE PARTIAL", [12]),
        (b"SAVE PARTIAL MIN", [11, 12]),
        (b"SAVE PARTIAL MAX", [12, 13]),
        (b"SAVE PARTIAL MIN MAX", [11, 12, 13]),
        (b"SAVE PARTIAL COUNT MIN", [11, 12, 13]),
    ],
)
def test_what_partial_saves(options: bytes, meant: list[int]) -> None:
    """RFC 9394 §3.2, table 1"""
    assert list(chosen(returned(options, (2, 2)), [11, 12, 13])) == meant
