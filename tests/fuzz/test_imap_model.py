"""Random commands of several sessions in two workers, and another program, against a model.

Every session knows its mailbox by untagged responses alone; after NOOP what it knows must be what
the model says. `make test` takes some steps with one seed, `make fuzz` 100,000 with another.
"""

import os
import random
import re
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fuzz import other_program
from fuzz.mailbox_model import Client, Flags, Model, changed, numbers_of, wire_set
from mailraven.ops.demo import Demo
from transcripts.live import make_house, running

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
STEPS = 100_000 if NIGHTLY else 6_000
SEED = random.SystemRandom().randrange(1 << 32) if NIGHTLY else 20261123
SESSIONS = 6
FULL = 40  # messages from which on expunging is preferred
FLAGS = ["\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft", "$one", "$two"]
NEWS = "(UID FLAGS MODSEQ BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
OLD_NEWS = "(UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
Told = tuple[int | None, Flags | None]
TRIES = 200  # of NOOP, until inotify has told of another program's work


@pytest.fixture
def house() -> Iterator[Demo]:
    root = Path(tempfile.mkdtemp(prefix="mailraven-model."))
    high, low = divmod(os.getpid() & 0xFFFF, 256)
    demo = make_house(root / "house", f"127.11.{high}.{low}")
    with running(demo, "authd", "imapd", imap_workers="2"):
        yield demo
    assert '"event":"bug"' not in (demo.root / "log").read_text()
    shutil.rmtree(root)


class World:
    """The sessions, the model, and what may happen. Each `do_` is one kind of step."""

    def __init__(self, demo: Demo, seed: int) -> None:
        self.dice = random.Random(seed)
        self.maildir = demo.root / "mail" / "example.org" / "alice" / "Maildir"
        self.models = {"INBOX": Model(), "Archive": Model()}
        self.folders = {"INBOX": self.maildir, "Archive": self.maildir / ".Archive"}
        self.count = 0
        self.story: deque[str] = deque(maxlen=20)
        self.clients = [self.client(demo, number) for number in range(SESSIONS)]
        self.keep, self.thin, self.foreign = self.steps()

    def steps(self) -> tuple[list[Callable[[Client], None]], ...]:
        keep = [self.do_append, self.do_store, self.do_store, self.do_store, self.do_fetch]
        keep += [self.do_read, self.do_search, self.do_copy, self.do_noop, self.do_noop]
        keep += [self.do_idle, self.do_push, self.do_at_once, self.do_select, self.do_unchanged]
        thin = [self.do_expunge, self.do_uid_expunge, self.do_move, self.do_close]
        foreign = [self.do_deliver, self.do_deliver, self.do_rename, self.do_unlink]
        return keep, thin, [*foreign, self.do_compact]

    def client(self, demo: Demo, number: int) -> Client:
        client = Client(demo.address, demo.ports["imap"])
        client.demand("LOGIN alice@example.org secret")
        if number % 2:
            client.demand("ENABLE CONDSTORE")
            client.condstore = True
        self.select(client)
        return client

    def step(self) -> None:
        client = self.dice.choice(self.clients)
        if client.idling:
            self.end_idle(client)
        if not client.box:
            self.select(client)
        full = len(self.model(client).messages) > FULL
        kinds = [self.keep, self.thin, self.foreign]
        [kind] = self.dice.choices(kinds, [80, 200 if full else 6, 6])
        step = self.dice.choice(kind)
        self.story.append(f"{step.__name__} by {self.clients.index(client)} in {client.box}")
        step(client)

    # What is sent, chosen, and known

    def text(self) -> tuple[int, bytes]:
        self.count += 1
        return self.count, b"From: a@b\r\nSubject: %d\r\n\r\nbody\r\n" % self.count

    def flags(self) -> Flags:
        return frozenset(self.dice.sample(FLAGS, self.dice.choice([0, 1, 1, 2, 3])))

    def some(self, client: Client) -> list[int]:
        known = client.known()
        return sorted(self.dice.sample(known, min(len(known), self.dice.choice([1, 1, 2, 5, 30]))))

    def named(self, client: Client, uids: list[int]) -> tuple[str, str]:
        """ "UID " and a set of UIDs, or nothing and a set of numbers, that mean `uids`."""
        if self.dice.random() < 0.5:
            return "UID ", wire_set(uids)
        return "", wire_set([client.number_of(uid) for uid in uids])

    def model(self, client: Client) -> Model:
        return self.models[client.box]

    def select(self, client: Client) -> None:
        client.leave()
        client.read_only = self.dice.random() < 0.1
        name = self.dice.choice(list(self.models))
        client.demand(f"{'EXAMINE' if client.read_only else 'SELECT'} {name}")
        client.box, model = name, self.models[name]
        facts = b"\n".join(client.told)
        validity, next_uid, highest = (
            int(re.search(rb"\[%b (\d+)\]" % word, facts)[1])  # type: ignore[index]
            for word in (b"UIDVALIDITY", b"UIDNEXT", b"HIGHESTMODSEQ")
        )
        assert model.validity in (0, validity)
        assert next_uid > max(model.subject_of, default=0)
        assert highest >= model.highest, "HIGHESTMODSEQ went down"
        model.validity, model.highest = validity, highest
        client.must_settle = bool(model.unsettled)
        self.settle(client)

    def learn(self, client: Client) -> None:
        """Ask for what is new: its UIDs, flags and subjects."""
        unknown = [n for n, entry in enumerate(client.entries, 1) if entry.uid is None]
        if unknown:
            client.ask(f"FETCH {unknown[0]}:* {NEWS if client.condstore else OLD_NEWS}")
        model = self.model(client)
        for uid, subject in client.subjects():
            model.learn(uid, subject)
        model.highest = max([model.highest, *(entry.modseq for entry in client.entries)])

    def settle(self, client: Client) -> None:
        """NOOP; after it the client knows the mailbox as it is."""
        model = self.model(client)
        for left in reversed(range(TRIES)):
            client.demand("NOOP")
            self.learn(client)
            told = [(entry.uid, entry.flags) for entry in client.entries]
            truth = [(uid, model.messages[uid].flags) for uid in model.uids]
            if told == truth and not model.pending:
                break
            assert left and client.must_settle, self.difference(client, told, truth)
        client.must_settle = False
        model.unsettled.clear()

    def difference(self, client: Client, told: list[Told], truth: list[Told]) -> str:
        """What a client was told wrongly, what others know, and what the folder says."""
        model, folder = self.model(client), self.folders[client.box]
        wrong = [pair for pair in told if pair not in truth]
        right = [pair for pair in truth if pair not in told]
        lines = [f"{client.box}: told {wrong}, true is {right}; pending {model.pending}"]
        lines.append(f"unsettled {model.unsettled}, session {self.clients.index(client)}")
        for number, one in enumerate(self.clients):
            if one.box == client.box:
                lines.append(f"session {number}: {one.must_settle=} {one.known()}")
        lines.append(f"new/: {os.listdir(folder / 'new')}")
        lines.append(f"cur/: {sorted(os.listdir(folder / 'cur'))}")
        lines += (folder / "mailraven.journal").read_text().splitlines()[-20:]
        return "\n".join([*lines, "the last steps:", *self.story])

    # Steps that change nothing

    def do_noop(self, client: Client) -> None:
        self.settle(client)
        if client.condstore and self.dice.random() < 0.5:
            client.demand(f"STATUS {client.box} (HIGHESTMODSEQ MESSAGES)")
            facts = re.search(rb"HIGHESTMODSEQ (\d+) MESSAGES (\d+)", client.told[0])
            assert facts, client.told
            model = self.model(client)
            assert int(facts[1]) >= model.highest
            assert int(facts[2]) == len(model.messages)
            client.mark = (int(facts[1]), model.clock)

    def do_fetch(self, client: Client) -> None:
        if uids := self.some(client):
            by_uid, numbers = self.named(client, uids)
            answer = client.ask(f"{by_uid}FETCH {numbers} (UID FLAGS)")
            told = {int(n) for n in re.findall(rb"UID (\d+)", b"\n".join(client.told))}
            assert told >= set(uids) or answer.startswith(b"NO [EXPUNGEISSUED]")
            assert set(uids) - told <= set(uids) - self.model(client).messages.keys()

    def do_search(self, client: Client) -> None:
        self.settle(client)
        word = self.dice.choice(FLAGS)
        key = word[1:].upper() if word.startswith("\\") else f"KEYWORD {word}"
        model = self.model(client)
        truth = [uid for uid in model.uids if word in model.messages[uid].flags]
        client.demand(f"SEARCH {key}")
        assert [int(n) for n in client.told[0].split()[2:]] == list(map(client.number_of, truth))
        client.demand(f"UID SEARCH {key}")
        assert [int(n) for n in client.told[0].split()[2:]] == truth

    def do_select(self, client: Client) -> None:
        client.demand("UNSELECT")
        self.select(client)

    def do_idle(self, client: Client) -> None:
        client.send("IDLE")
        client.await_push(b"+", b"idling")
        client.idling = True

    def end_idle(self, client: Client) -> None:
        client.socket.sendall(b"DONE\r\n")
        client.idling = False
        assert client.finish().startswith(b"OK")

    def do_push(self, client: Client) -> None:
        """Who idles is told of an arrival and of a removal without asking."""
        other = self.dice.choice(self.clients)
        if other is client or other.idling or other.box != client.box:
            return
        self.settle(client)
        self.do_idle(client)
        self.append(other, client.box)
        client.await_push(b"*", b"EXISTS")
        self.end_idle(client)
        self.settle(client)

    # Steps that change messages

    def append(self, client: Client, name: str) -> None:
        texts = [(*self.text(), self.flags()) for _ in range(self.dice.choice([1, 1, 3]))]
        parts = [
            b" (%b) {%d+}\r\n%b" % (" ".join(flags).encode(), len(text), text)
            for _, text, flags in texts
        ]
        answer = client.ask(f"APPEND {name}", b"".join(parts))
        code = re.match(rb"OK \[APPENDUID (\d+) ([\d:]+)\]", answer)
        assert code, answer
        model = self.models[name]
        for uid, (subject, _, flags) in zip(numbers_of(code[2].decode()), texts, strict=True):
            model.arrive(uid, subject, flags)

    def do_append(self, client: Client) -> None:
        self.append(client, self.dice.choice(list(self.models)))

    def ready(self, client: Client) -> list[int]:
        """Some UIDs to change, unless the mailbox may not be changed."""
        if client.must_settle:
            self.settle(client)
        return [] if client.read_only else self.some(client)

    def do_store(self, client: Client) -> None:
        if uids := self.ready(client):
            command, gone = self.store(client, uids)
            self.stored(client, client.ask(command), gone)

    def store(self, client: Client, uids: list[int]) -> tuple[str, bool]:
        """A STORE of some flags, done in the model; and whether a message of it is gone."""
        by_uid, numbers = self.named(client, uids)
        mode, flags = self.dice.choice("+-="), self.flags()
        silent = self.dice.choice(["", ".SILENT"])
        self.apply(client, uids, mode, flags)
        command = f"{by_uid}STORE {numbers} {mode.strip('=')}FLAGS{silent} ({' '.join(flags)})"
        if silent:
            for entry in client.entries:
                if entry.uid in uids and entry.flags is not None:
                    entry.flags, entry.guessed = changed(entry.flags, mode, flags), True
        return command, not set(uids) <= self.model(client).messages.keys()

    def apply(self, client: Client, uids: list[int], mode: str, flags: Flags) -> None:
        model = self.model(client)
        for uid in set(uids) & model.messages.keys():
            model.change(uid, changed(model.messages[uid].flags, mode, flags))

    def stored(self, client: Client, answer: bytes, gone: bool) -> None:
        assert answer.startswith(b"NO [EXPUNGEISSUED]" if gone else b"OK"), answer

    def do_unchanged(self, client: Client) -> None:
        """STORE UNCHANGEDSINCE: what changed after the mark fails, and only that."""
        if client.mark is None or client.read_only:
            return
        self.settle(client)
        uids, model = self.some(client), self.model(client)
        if not uids:
            return
        since, time = client.mark
        failing = [uid for uid in uids if model.messages[uid].changed > time]
        self.apply(client, [uid for uid in uids if uid not in failing], "+", flags := self.flags())
        words = f"(UNCHANGEDSINCE {since}) +FLAGS ({' '.join(flags)})"
        answer = client.demand(f"UID STORE {wire_set(uids)} {words}")
        code = re.search(rb"\[MODIFIED ([\d:,]+)\]", answer)
        assert (numbers_of(code[1].decode()) if code else []) == failing, (answer, failing)
        client.mark = None
        self.settle(client)

    def do_read(self, client: Client) -> None:
        r"""BODY[TEXT] sets \Seen."""
        if uids := self.ready(client):
            self.apply(client, uids, "+", frozenset({"\\Seen"}))
            client.ask(f"UID FETCH {wire_set(uids)} BODY[TEXT]")

    def transfer(self, client: Client, verb: str) -> None:
        uids = self.ready(client)
        if not uids:
            return
        by_uid, numbers = self.named(client, uids)
        source = self.model(client)
        name = min(self.models, key=lambda name: len(self.models[name].messages))
        there = [uid for uid in uids if uid in source.messages]
        answer = client.ask(f"{by_uid}{verb} {numbers} {name}")
        said = b"\n".join([*client.told, answer])
        code = re.search(rb"\[COPYUID (\d+) ([\d:,]+) ([\d:,]+)\]", said)
        old = numbers_of(code[2].decode()) if code else []
        assert sorted(old) == there, (said, there)
        new = numbers_of(code[3].decode()) if code else []
        for uid, message in zip(new, [source.messages[uid] for uid in old], strict=True):
            self.models[name].arrive(uid, message.subject, message.flags)
        if verb == "MOVE":
            source.remove(there)

    def do_copy(self, client: Client) -> None:
        self.transfer(client, "COPY")

    def do_move(self, client: Client) -> None:
        self.transfer(client, "MOVE")

    def do_expunge(self, client: Client, verb: str = "EXPUNGE") -> None:
        self.settle(client)
        if not client.read_only:
            client.demand(verb)
            self.model(client).remove(self.deleted(client))
            if verb == "EXPUNGE":
                self.settle(client)

    def deleted(self, client: Client) -> list[int]:
        messages = self.model(client).messages
        return [uid for uid, message in messages.items() if "\\Deleted" in message.flags]

    def do_uid_expunge(self, client: Client) -> None:
        self.settle(client)
        if uids := self.ready(client):
            client.demand(f"UID EXPUNGE {wire_set(uids)}")
            self.model(client).remove(set(uids) & set(self.deleted(client)))

    def do_close(self, client: Client) -> None:
        self.do_expunge(client, "CLOSE")
        if not client.read_only:
            self.select(client)

    def do_at_once(self, client: Client) -> None:
        """Commands that are under way together, of which the order does not matter."""
        others = [one for one in self.clients if not one.idling and one.box and one is not client]
        under_way = []
        chosen = [(one, self.ready(one)) for one in (client, *others)]
        for (one, uids), flag in zip(chosen, FLAGS, strict=False):
            if uids:
                gone = not set(uids) <= self.model(one).messages.keys()
                self.apply(one, uids, "+", frozenset({flag}))
                under_way.append((one, f"UID STORE {wire_set(uids)} +FLAGS ({flag})", gone))
        for one, command, _ in under_way:
            one.send(command)
        for one, _, gone in under_way:
            self.stored(one, one.finish(), gone)

    # Steps of another program

    def disturbed(self, name: str, uid: int = 0) -> None:
        self.models[name].unsettled |= {uid} if uid else set()
        for client in self.clients:
            client.must_settle |= client.box == name

    def do_deliver(self, client: Client) -> None:
        subject, text = self.text()
        sized = self.dice.random() < 0.5
        other_program.deliver(self.folders[client.box], subject, text, sized=sized)
        self.model(client).pending[subject] = frozenset()

    def file(self, client: Client) -> tuple[int, Path] | None:
        """A message that another program finds; it meddles with it once until that is known."""
        model = self.model(client)
        free = [uid for uid in model.uids if uid not in model.unsettled]
        if not free:
            return None
        uid = self.dice.choice(free)
        path = other_program.find(self.folders[client.box], model.messages[uid].subject)
        return (uid, path) if path else None

    def do_rename(self, client: Client) -> None:
        if found := self.file(client):
            uid, path = found
            flags = self.flags() & other_program.LETTERS.keys()
            other_program.set_flags(path, flags)
            if self.model(client).change(uid, flags):
                self.disturbed(client.box, uid)

    def do_unlink(self, client: Client) -> None:
        if found := self.file(client):
            uid, path = found
            path.unlink()
            self.model(client).remove([uid])
            self.disturbed(client.box)

    def do_compact(self, client: Client) -> None:
        other_program.compact(self.folders[client.box])


@pytest.mark.req("FR-036", "FR-041", "SC-006")
def test_sessions_know_their_mailbox_as_it_is(house: Demo) -> None:
    world = World(house, SEED)
    for number in range(STEPS):
        try:
            world.step()
        except AssertionError as error:
            raise AssertionError(f"seed {SEED}, step {number}") from error
    for client in world.clients:
        if client.idling:
            world.end_idle(client)
        if client.box:
            client.must_settle = True
            world.settle(client)
        client.octets.close()
        client.socket.close()
