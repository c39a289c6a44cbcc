"""What the kernel says of a tree of processes (proc(5))."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
DAEMONS = ("authd", "limitd", "smtpd", "imapd", "queued", "courier")


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the tree."""

    pid: int
    daemon: str

    def pss(self) -> int:
        """Octets in memory, shared pages divided by those who share them."""
        return self._kibibytes("smaps_rollup", "Pss:") * 1024

    def resident(self) -> int:
        """Octets in memory now."""
        return self._kibibytes("status", "VmRSS:") * 1024

    def peak(self) -> int:
        """The most octets in memory since `forget_peak`."""
        return self._kibibytes("status", "VmHWM:") * 1024

    def forget_peak(self) -> None:
        (PROC / str(self.pid) / "clear_refs").write_text("5")

    def _kibibytes(self, file: str, key: str) -> int:
        for line in (PROC / str(self.pid) / file).read_text().splitlines():
            if line.startswith(key):
                return int(line.split()[1])
        return 0


def tree(root: int) -> list[Process]:
    """The process `root` and all below it."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(Process(pid, _daemon(pid)))
        todo += children.get(pid, [])
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for folder in PROC.glob("[0-9]*"):
        try:
            facts = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended since
            continue
        yield int(folder.name), int(facts[1])


def _daemon(pid: int) -> str:
    """The name that a daemon gives itself; the supervisor's is the interpreter's."""
    name = (PROC / str(pid) / "comm").read_text().strip()
    return name if name in DAEMONS else "run"
