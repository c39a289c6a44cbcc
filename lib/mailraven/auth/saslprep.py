"""SASLprep: the same password typed on two keyboards gives the same octets. RFC 4013.

Departure: code points that Unicode 3.2 did not know (emoji, newer scripts) pass unchanged in stored
passwords too; RFC 4013 §2.5 allows them in queries only, and people do use them.
"""

import stringprep
import unicodedata

PROHIBITED = (  # RFC 4013 §2.3
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def saslprep(text: str) -> str:
    """`text` prepared by RFC 4013; raises ValueError when it holds a prohibited character."""
    if text.isascii():
        if not text.isprintable():
            raise ValueError("control characters are prohibited")
        return text
    prepared = unicodedata.normalize("NFKC", _mapped(text))
    if any(prohibits(character) for character in prepared for prohibits in PROHIBITED):
        raise ValueError("a prohibited character")
    _check_direction(prepared)
    return prepared


def _mapped(text: str) -> str:
    """Other blanks become a space, invisible joiners vanish. RFC 4013 §2.1"""
    return "".join(
        " " if stringprep.in_table_c12(character) else character
        for character in text
        if not stringprep.in_table_b1(character)
    )


def _check_direction(text: str) -> None:
    """Right-to-left text stands alone and at both ends. RFC 3454 §6"""
    if not any(map(stringprep.in_table_d1, text)):
        return
    ends_fit = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    if not ends_fit or any(map(stringprep.in_table_d2, text)):
        raise ValueError("left-to-right and right-to-left characters are mixed")
