"""Octets of any claimed charset to text, whatever they are: never an exception, always linear."""

from encodings.aliases import aliases

# Codecs that transform octets rather than name a charset, or only exist on Windows.
_NOT_TEXT = frozenset(
    {"base64_codec", "bz2_codec", "hex_codec", "mbcs", "quopri_codec", "rot_13", "tactis"}
    | {"uu_codec", "zlib_codec"}
)
# Labels that mail carries and the wider charset that its senders really used.
_MEANT = {
    "us_ascii": "utf_8",
    "ascii": "utf_8",
    "iso_8859_1": "cp1252",
    "latin_1": "cp1252",
    "latin1": "cp1252",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x_gbk": "gb18030",
    "ks_c_5601_1987": "cp949",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "x_sjis": "cp932",
    "windows_31j": "cp932",
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_6_i": "iso8859_6",
    "iso_8859_9": "cp1254",
    "windows_874": "cp874",
    "utf8mb4": "utf_8",
    "cp_850": "cp850",
    "unicode_1_1_utf_7": "utf_7",
    "x_mac_roman": "mac_roman",
    "macintosh": "mac_roman",
}
# Only these are looked up: Python remembers every unknown name for ever, and would try to import
# it; "idna" and "punycode", which take quadratic time, are not among them.
_KNOWN = (frozenset(aliases) | frozenset(aliases.values())) - _NOT_TEXT


def codec_of(charset: bytes | str) -> str | None:
    """The name of the Python codec for a MIME charset, None for one that nobody knows."""
    name = charset.decode("latin-1") if isinstance(charset, bytes) else charset
    name = name.strip(" \t\"'").lower().replace("-", "_").replace(".", "_")
    name = _MEANT.get(name, name)
    if name in _KNOWN and aliases.get(name, name) not in _NOT_TEXT:
        return name
    return None


def decode_text(data: bytes, charset: bytes | str = b"utf-8") -> str:
    """`data` as text. Where the charset is unknown or wrong: UTF-8 if it fits, else Windows-1252.

    Octets that fit nowhere become U+FFFD.
    """
    if data.isascii() and charset in (b"utf-8", b"us-ascii"):
        return data.decode("ascii")
    codec = codec_of(charset)
    for candidate in (codec, "utf_8"):
        try:
            if candidate:
                return data.decode(candidate)
        except (UnicodeError, LookupError):
            continue
    # A label that is right but for an octet or two keeps its say; wrong UTF-8 is mostly Latin.
    return data.decode(codec if codec and codec != "utf_8" else "cp1252", "replace")
