"""The published test suite of SPF: every case, held against the result alone.

Nothing is left out. Explanations (exp=) are not compared: we never fetch or tell them, since they
are a stranger's words in our reply (RFC 7208 §6.2 leaves that to the receiver).
"""

from mailraven.senderauth.results import SpfResult
from mailraven.senderauth.spf import Session, evaluate
from peers.spf_suite import cases


def test_every_case_of_the_suite_has_its_result() -> None:
    wrong = []
    count = 0
    for case in cases():
        session = Session(case.client, case.helo, case.reverse_path)
        identity = "mailfrom" if "@" in case.reverse_path else "helo"
        result = evaluate(session, identity, case.look_up)
        assert isinstance(result, SpfResult)
        count += 1
        if result.word not in case.results:
            wrong.append((case.scenario, case.name, case.results, result))
    assert not wrong, "\n".join(map(str, wrong))
    assert count > 200
