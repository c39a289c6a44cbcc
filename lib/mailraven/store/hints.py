"""What inotify said of cur/ and nobody has looked at yet."""

import os

from mailraven.store.folder import MailboxFolder
from mailraven.store.maildir import split_name

TOUCHED_LIMIT = 1000  # names that inotify reported; above it one listing is cheaper


class Hints:
    """The names to look at; above TOUCHED_LIMIT, and after lost events, all of the folder."""

    __slots__ = ("_names", "all")

    def __init__(self) -> None:
        self._names: set[str] = set()
        self.all = False  # only a listing can tell

    def __bool__(self) -> bool:
        """Whether there is something to look at."""
        return self.all or bool(self._names)

    def note(self, name: str) -> None:
        """The file `name` has come or left."""
        if self.all:
            return  # that will find it
        if len(self._names) < TOUCHED_LIMIT:
            self._names.add(name)
        else:
            self._names.clear()
            self.all = True

    def take(self) -> set[str]:
        """The names, which are forgotten with that."""
        names, self._names = self._names, set()
        return names


def is_news(folder: MailboxFolder, name: str, *, left: bool) -> bool:
    """Whether nobody has journalled that the file `name` has left cur/, or come into it.

    To be asked only while the state is what the journal tells.
    """
    state = folder.state
    base, suffix = split_name(name)
    uid = state.by_base.get(base)
    is_expected = uid is not None and state.suffix(state.place(uid)) == suffix
    return is_expected is left and os.path.lexists(f"{folder.cur}/{name}") is not left
