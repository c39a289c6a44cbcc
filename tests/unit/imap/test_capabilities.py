"""What is offered when (RFC 3501 §7.2.1)."""

import re
from pathlib import Path

from mailraven.imap.capabilities import ENABLABLE, capabilities
from mailraven.imap.states import State


def words(state: State, *, tls: bool = True, append_limit: int = 1000) -> list[bytes]:
    return capabilities(
        state,
        can_start_tls=not tls,
        may_log_in=tls,
        mechanisms=("PLAIN",) if tls else (),
        append_limit=append_limit,
    ).split()


def test_before_tls_nobody_may_log_in() -> None:
    offered = words(State.NOT_AUTHENTICATED, tls=False)
    assert b"LOGINDISABLED" in offered
    assert b"STARTTLS" in offered
    assert b"AUTH=PLAIN" not in offered


def test_the_append_limit_comes_with_its_value() -> None:
    """RFC 7889 §2"""
    assert b"APPENDLIMIT=4711" in words(State.SELECTED, append_limit=4711)


def test_no_capability_is_named_twice() -> None:
    for state in (State.NOT_AUTHENTICATED, State.AUTHENTICATED):
        offered = words(state)
        assert len(offered) == len(set(offered))


PAGE = Path(__file__).parents[3] / "man" / "mailraven-standards.7"
RFCS = {
    2177: "IDLE", 2342: "NAMESPACE", 2971: "ID", 3348: "CHILDREN", 3501: "IMAP4rev1",
    3502: "MULTIAPPEND", 3516: "BINARY", 3691: "UNSELECT", 4315: "UIDPLUS", 4469: "CATENATE",
    4731: "ESEARCH", 4959: "SASL-IR", 4978: "COMPRESS=DEFLATE", 5032: "WITHIN", 5161: "ENABLE",
    5182: "SEARCHRES", 5256: "SORT THREAD=ORDEREDSUBJECT THREAD=REFERENCES",
    5258: "LIST-EXTENDED", 5267: "ESORT CONTEXT=SEARCH CONTEXT=SORT", 5464: "METADATA",
    5465: "NOTIFY", 5819: "LIST-STATUS", 5957: "SORT=DISPLAY",
    6154: "SPECIAL-USE CREATE-SPECIAL-USE", 6851: "MOVE", 6855: "UTF8=ACCEPT",
    7162: "CONDSTORE QRESYNC", 7377: "MULTISEARCH", 7888: "LITERAL+", 7889: "APPENDLIMIT=1000",
    8438: "STATUS=SIZE", 8474: "OBJECTID", 8508: "REPLACE", 8514: "SAVEDATE", 8970: "PREVIEW",
    9051: "IMAP4rev2", 9208: "QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE", 9394: "PARTIAL",
    9585: "INPROGRESS", 9586: "UIDONLY", 9590: "LIST-METADATA",
}  # fmt: skip
WITHOUT_WORD = {2087, 2088, 2180, 2683, 4551}  # followed, but named by another RFC's word or none


def test_what_is_offered_is_what_the_standards_page_says() -> None:
    section = PAGE.read_text().partition(".Ss Reading mail")[2].partition(".Ss ")[0]
    rows = dict(re.findall(r"^\.It (\d+) Ta (\w+)", section, re.MULTILINE))
    offered = {word.decode() for word in words(State.SELECTED)}
    assert offered == {word for listed in RFCS.values() for word in listed.split()}
    assert {rows[str(number)] for number in RFCS} <= {"yes", "partly"}
    followed = {int(number) for number, how in rows.items() if how == "yes"}
    assert followed - RFCS.keys() == WITHOUT_WORD


def test_what_can_be_enabled_is_offered() -> None:
    """RFC 5161 §3.1"""
    assert {word.upper() for word in words(State.AUTHENTICATED)} >= ENABLABLE


def test_the_manual_of_imapd_names_all_that_is_offered() -> None:
    page = (PAGE.parent / "mailraven-imapd.8").read_text()
    named = re.search(r"\.Ss Extensions\n(.*?)\nand AUTHENTICATE", page, re.DOTALL)
    assert named
    told = set(re.findall(r"[\w+=-]+", named[1])) - {"and", "with"}
    offered = {word.decode().partition("=1000")[0] for word in words(State.AUTHENTICATED)}
    assert told == offered - {"QUOTA"}
