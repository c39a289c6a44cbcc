"""`make bench`: our tree beside Postfix and Dovecot, the same loads in turn, and tables of ratios.

Servers run below DIR on a real disk, with fsync on, each on a loopback address of its own. A figure
is the median of the rounds; compare figures of one run only, the machine is never quiet.

  make bench                                 all of it, some twenty minutes
  make bench BENCH="--rounds 1 --only mail"  one part (PARTS)
"""

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

TOP = Path(__file__).parents[2]
sys.path.insert(0, str(TOP / "tests"))

from bench import fsyncs, imap, limits, loads, memory, outbound, queue  # noqa: E402  # after the path is set
from bench.rivals import running_rival  # noqa: E402
from peers.house import House, running_house  # noqa: E402

WORKERS = 2  # of smtpd and of imapd each
USERS = 100
ADDRESS = "127.5.0.%d"


@contextmanager
def ours(folder: Path) -> Iterator[House]:
    """Our server, empty, with the workers that the targets are meant for."""
    root = folder / "ours"
    with running_house(root, ADDRESS % 1, {}, users=USERS, workers=WORKERS) as house:
        yield house


def measure_mail(folder: Path, rounds: int) -> None:
    """The ratio of every load against every rival."""
    with ExitStack() as stack:
        house = stack.enter_context(ours(folder))
        peers = [house.root / "peer.json"]
        for number, delivery in enumerate(("virtual", "lmtp"), 2):
            address, rival = ADDRESS % number, folder / delivery
            peers.append(stack.enter_context(running_rival(rival, address, delivery)))
        loads.run(peers, rounds)


def measure_imap(folder: Path, rounds: int) -> None:
    """Every step of an IMAP session."""
    with beside_dovecot(folder) as peers:
        imap.report_steps(peers, rounds)


def measure_idle(folder: Path, rounds: int) -> None:
    """A thousand idle sessions."""
    with beside_dovecot(folder) as peers:
        imap.report_idle(peers, rounds)


@contextmanager
def beside_dovecot(folder: Path) -> Iterator[list[Path]]:
    """The peer.json of our server and of Dovecot, which gets its mail from Postfix by LMTP."""
    with ours(folder) as house, running_rival(folder / "dovecot", ADDRESS % 2, "lmtp") as rival:
        yield [house.root / "peer.json", rival]


def measure_memory(folder: Path, rounds: int) -> None:
    """PSS of the idle tree, and what one large message adds to smtpd."""
    with ours(folder) as house:
        memory.report(house)


def measure_fsyncs(folder: Path, rounds: int) -> None:
    """How many fsyncs a message costs, alone and under load."""
    with ours(folder) as house:
        fsyncs.report(house)


def measure_limits(folder: Path, rounds: int) -> None:
    """What a rate limit costs."""
    limits.report(folder, rounds)


def measure_queue(folder: Path, rounds: int) -> None:
    """What bad destinations and a long queue cost."""
    queue.report(folder, rounds)


def measure_outbound(folder: Path, rounds: int) -> None:
    """Submission to delivered, beside Postfix."""
    outbound.report(folder, rounds)


PARTS = {
    "outbound": measure_outbound,
    "queue": measure_queue,
    "limits": measure_limits,
    "memory": measure_memory,
    "fsync": measure_fsyncs,
    "mail": measure_mail,
    "imap": measure_imap,
    "idle": measure_idle,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="MailRaven beside Postfix and Dovecot.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", type=Path, default=TOP / ".cache" / "bench")
    parser.add_argument("--only", choices=PARTS, action="append", help="default: all parts")
    options = parser.parse_args()
    for part in options.only or PARTS:
        shutil.rmtree(options.dir, ignore_errors=True)
        options.dir.mkdir(parents=True)
        PARTS[part](options.dir, options.rounds)
    shutil.rmtree(options.dir)


if __name__ == "__main__":
    main()
