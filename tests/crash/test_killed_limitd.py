"""kill -9 of limitd: what it had written down a minute ago at most is there again, and whole."""

from pathlib import Path

from mailraven.daemons import limitd
from mailraven.daemons.control import ask
from unit.daemon_process import Tree, make_tree, running


def spend(tree: Tree, key: str) -> None:
    ask(tree.socket("limitd"), {"op": "take", "spent": [[key, 7, [[10, 3600]]]]})


def test_a_killed_limitd_forgets_no_more_than_a_minute(tmp_path: Path) -> None:
    assert limitd.SAVE_INTERVAL <= 60
    tree = make_tree(tmp_path)
    with running(tree, "limitd"):
        spend(tree, "saved")
    with running(tree, "limitd") as process:
        spend(tree, "later")
        process.kill()
        process.wait()
    with running(tree, "limitd"):
        found = ask(tree.socket("limitd"), {"op": "uses", "part": ""})["uses"]
        assert found == [{"key": "saved", "window": 3600, "used": 7}]
