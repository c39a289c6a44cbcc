"""Letters that are not what they seem: other alphabets, no width, other shapes."""

import re

_WORD = re.compile(r"\w{3,}")
_LATIN = re.compile(r"[a-zA-Z]")
# Cyrillic and Greek letters that look like Latin ones; in a word with Latin ones they deceive.
_LOOK_ALIKE = re.compile(r"[авеикмнорстухѕіјԁһАВЕКМНОРСТУХІЈЅαβεικνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ]")
_STYLED = re.compile(
    r"[\U0001d400-\U0001d7ff\uff01-\uff5e\u2100-\u214f\u24b6-\u24e9\U0001f130-\U0001f189]"
)
_FULL_WIDTH = re.compile(r"[\uff21-\uff3a\uff41-\uff5a]")
_EAST = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_UNSEEN = re.compile(
    r"[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060-\u206f\ufeff\u202a-\u202e]"
)
_THIN = re.compile(r"[\u00ad\u200b\u200c\u2060-\u206f\ufeff]")
_JOINERS = re.compile(r"[a-zA-Z][\u200c\u200d]+[a-zA-Z]")
_PICTURE = re.compile(r"[\U0001f300-\U0001faff\u2600-\u27bf]")
SAMPLE = 4000  # letters that are looked at


def has_mixed_scripts(text: str) -> bool:
    """Whether a word mixes Latin letters with others that look like Latin ones."""
    if text.isascii() or _LOOK_ALIKE.search(text) is None:
        return False
    return any(
        _LATIN.search(word[0]) and _LOOK_ALIKE.search(word[0])
        for word in _WORD.finditer(text[:SAMPLE])
    )


def has_styled_letters(text: str) -> bool:
    """Whether Latin letters are written with signs of mathematics, in circles or at full width.

    Full width is common where letters are East Asian, so there it does not count.
    """
    if text.isascii() or _STYLED.search(text) is None:
        return False
    text = text[:SAMPLE]
    if _EAST.search(text):
        text = _FULL_WIDTH.sub("", text)
        return len(re.findall(r"[\U0001d400-\U0001d7ff]", text)) > 2
    return len(_STYLED.findall(text.replace("\u2122", "").replace("\u2116", ""))) > 2


def has_unseen_letters(text: str) -> bool:
    """Whether something without width stands in the text."""
    return not text.isascii() and bool(_UNSEEN.search(text) or _JOINERS.search(text))


def has_pictures(text: str) -> bool:
    """Whether emoji stand in the text."""
    return not text.isascii() and _PICTURE.search(text) is not None


def unseen_letters(text: str) -> int:
    """How many letters without width stand between others, as they do to break up words."""
    if text.isascii() or _THIN.search(text) is None:
        return 0
    return len(re.findall(r"\w[\u00ad\u200b\u200c\u2060-\u206f\ufeff]+\w", text[: 4 * SAMPLE]))


def is_shouted(text: str) -> bool:
    """Whether a line of two words or more is in capitals; alphabets without them never are."""
    letters = [
        letter for letter in text[:200] if letter.isalpha() and letter.lower() != letter.upper()
    ]
    if len(letters) < 9 or " " not in text.strip():
        return False
    return sum(letter.isupper() for letter in letters) > 0.8 * len(letters)
