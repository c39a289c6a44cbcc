"""What is offered when (RFC 3501 §7.2.1)."""

from mailraven.imap.capabilities import capabilities
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
