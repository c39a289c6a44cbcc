"""What other rules would have done to the mail that is there."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from mailraven.config.directory import Account
from mailraven.config.schema import Config
from mailraven.ops.accounts import find_account
from mailraven.ops.errors import OperationError
from mailraven.ops.names import directory_of
from mailraven.ops.spam import READ_LIMIT
from mailraven.policy.decision import thresholds_of
from mailraven.policy.score import Knowledge, score
from mailraven.policy.stored import as_it_came
from mailraven.policy.verdict import Verdict
from mailraven.spam.knowledge import rules_in_force
from mailraven.spam.learned_file import LearnedCache
from mailraven.store.account import list_mailboxes
from mailraven.store.names import find
from mailraven.store.quarantine import messages_in
from mailraven.store.roles import role_of


@dataclass(frozen=True, slots=True)
class Change:
    """A stored message whose verdict would be another one."""

    account: str
    path: Path
    before: Verdict
    after: Verdict

    def reasons(self) -> dict[str, tuple[float, float]]:
        """By rule, the points that would change, before and after; the greatest change first."""
        before, after = (
            {one.rule: one.points for one in verdict.reasons}
            for verdict in (self.before, self.after)
        )
        pairs = {rule: (before.get(rule, 0.0), after.get(rule, 0.0)) for rule in before | after}
        changed = {rule: pair for rule, pair in pairs.items() if pair[0] != pair[1]}
        return dict(sorted(changed.items(), key=lambda one: -abs(one[1][1] - one[1][0])))


def simulate(
    config: Config, knowledge: Knowledge, rules: Path, count: int, address: str = ""
) -> Iterator[Change | None]:
    """What `rules`, a folder, would change if it were etc/spam.d: for each message a Change, or
    None for none. Of each mailbox of the account `address`, "" for all, the newest `count` messages
    count; not of Sent, Drafts and Trash.

    Content, path, and what the account taught and has as thresholds count; block lists, reputation
    and the rest of what was known when a message came do not. Raises ConfigErrors, OperationError.
    """
    if not rules.is_dir():
        raise OperationError(f"{rules} is no folder")
    other = rules_in_force(config.paths.data, rules)
    directory, cache = directory_of(config), LearnedCache()
    for account in _accounts(config, address):
        own = replace(
            knowledge,
            learned=cache.learned_for(account.maildir.parent),
            thresholds=thresholds_of(directory.scores(account.address), knowledge.thresholds),
        )
        for path in _archived(account.maildir, config.spam.quarantine, count):
            try:
                data = _beginning(path)
            except FileNotFoundError:
                continue  # moved or deleted meanwhile
            facts, message = as_it_came(data)
            before, after = (score(message, facts, one) for one in (own, replace(own, rules=other)))
            is_same = before.action == after.action
            yield None if is_same else Change(account.address, path, before, after)


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(READ_LIMIT)


def _accounts(config: Config, address: str) -> Iterable[Account]:
    if address:
        return [find_account(config, address)]
    directory = directory_of(config)
    named = (
        f"{one}@{domain}" for domain in directory.domains() for one in directory.accounts(domain)
    )
    return filter(None, map(directory.account, named))


def _archived(maildir: Path, quarantine: str, count: int) -> Iterator[Path]:
    if not maildir.is_dir():
        return
    for info in list_mailboxes(maildir):
        if info.selectable and role_of(maildir, info.name, quarantine) not in ("own", "trash"):
            there = messages_in(find(maildir, info.name))
            newest = sorted(there, key=lambda path: path.name, reverse=True)
            yield from islice(newest, count)
