"""The full-text index of a mailbox: which messages may hold a string. For SEARCH TEXT and BODY.

`mailraven.search/` in the mailbox folder, a folder of its own so that inotify on the mailbox does
not hear of every write, is disposable: delete it at any time. In it

    lock      held (flock) by the one process that writes
    text.db   SQLite: table `message` (id, base, whole), a row for each indexed file; FTS5 table
              `text` of three-character pieces, whose rowid is that id; table `fact` (see `_facts`)

Rows are keyed by BASE, the unique part of the file name, which flags, RENAME and other processes
leave alone. A row is never changed or removed; when most are of messages that are gone, the file is
made anew. Not `whole` is a message whose text is too large for the index: it has to be read.

Nothing needs the index to be right or there: it narrows where to look, every message that it names
and every one that it does not know is looked at. A file that was copied from elsewhere (a backup,
taken while it was written) is known by its inode number and discarded, and so is one of another
version of this format, of Python or of Unicode, whose case folding may differ.
"""

import os
import secrets
import sqlite3
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER = "mailraven.search"
NAME = "text.db"
LOCK = "lock"
VERSION = 1  # of this format, and of imap.search_text.indexed_text
BUSY_SECONDS = 2.0  # SQLite's own locks are held for moments only
_WAL_PAGES = 500  # octets / 4096 of the write-ahead log until it goes into the file

_TABLES = (
    "CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
    "CREATE TABLE message (id INTEGER PRIMARY KEY, base BLOB NOT NULL, whole INTEGER NOT NULL)",
    """CREATE VIRTUAL TABLE text USING fts5(
        characters, content='', columnsize=0, detail=none, tokenize='trigram case_sensitive 1'
    )""",
)


class IndexUnusable(Exception):
    """It is not there, of another version, a copy, or corrupt: do without it."""


def index_path(folder: str | Path) -> Path:
    """The index of the mailbox `folder`."""
    return Path(folder) / FOLDER / NAME


def is_possible() -> bool:
    """Whether this SQLite has FTS5 with trigrams (3.34); else messages are read one by one."""
    with suppress(sqlite3.Error):
        db = sqlite3.connect(":memory:")
        try:
            for table in _TABLES:
                db.execute(table)
        finally:
            db.close()
        return True
    return False


def remove_index(folder: str | Path) -> None:
    """Delete the index; who has it open goes on with the old one. Raises no error."""
    path = index_path(folder)
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with suppress(OSError):
            name.unlink()


def _facts(path: Path) -> dict[str, str]:
    """What must hold of an index that may be used."""
    return {
        "version": str(VERSION),
        "inode": str(path.stat().st_ino),
        "python": ".".join(map(str, sys.version_info[:2])),
        "unicode": unicodedata.unidata_version,
    }


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", BUSY_SECONDS, isolation_level=None, uri=True
    )


@contextmanager
def open_index(folder: str | Path) -> Iterator[sqlite3.Connection]:
    """The index, checked, in one read transaction. Raises IndexUnusable, and it may be removed."""
    path = index_path(folder)
    if not path.exists():
        raise IndexUnusable("there is none")
    try:
        db = _connect(path)
        try:
            db.execute("BEGIN")
            _check(db, path)
            yield db
        finally:
            db.close()
    except (OSError, sqlite3.Error) as error:
        if not isinstance(error, sqlite3.OperationalError | OSError):
            remove_index(folder)  # corrupt; a lock or a full disk is an OperationalError
        raise IndexUnusable(str(error)) from error


def _check(db: sqlite3.Connection, path: Path) -> None:
    found = dict(db.execute("SELECT name, value FROM fact"))
    if "id" not in found or not _facts(path).items() <= found.items():
        raise sqlite3.DatabaseError("of another version, or a copy")


class IndexWriter:
    """The one writer of an index; the caller holds its lock. Methods raise OSError, sqlite3.Error.

    Rows are seen by readers after `commit`; a process that is killed loses what was added since.
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = index_path(folder)
        try:
            self._db = self._opened()
        except (OSError, sqlite3.Error):
            remove_index(folder)
            self._db = self._made()
        self._db.execute(f"PRAGMA wal_autocheckpoint={_WAL_PAGES}")
        self._db.execute("PRAGMA synchronous=NORMAL")  # no fsync per commit, whole after any crash
        self._next = self._db.execute("SELECT coalesce(max(id), 0) + 1 FROM message").fetchone()[0]
        self._db.execute("BEGIN IMMEDIATE")

    def _opened(self) -> sqlite3.Connection:
        db = _connect(self.path)
        try:
            _check(db, self.path)
        except BaseException:
            db.close()
            raise
        return db

    def _made(self) -> sqlite3.Connection:
        """An empty index; readers find it with all its tables or with none."""
        os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o660))
        db = _connect(self.path)
        try:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("BEGIN")
            for table in _TABLES:
                db.execute(table)
            facts = _facts(self.path) | {"id": secrets.token_hex(16)}
            db.executemany("INSERT INTO fact VALUES (?, ?)", facts.items())
            db.execute("COMMIT")
        except BaseException:
            db.close()
            raise
        return db

    def bases(self) -> set[bytes]:
        """The unique parts of all that is indexed."""
        return {base for (base,) in self._db.execute("SELECT base FROM message")}

    def add(self, base: bytes, text: str | None) -> None:
        """Index a message; without `text`, note that it has to be read."""
        row = (self._next, base, text is not None)
        self._db.execute("INSERT INTO message VALUES (?, ?, ?)", row)
        if text:
            self._db.execute(
                "INSERT INTO text (rowid, characters) VALUES (?, ?)", (self._next, text)
            )
        self._next += 1

    def commit(self) -> None:
        """Show readers what was added."""
        self._db.execute("COMMIT")
        self._db.execute("BEGIN IMMEDIATE")

    @property
    def size(self) -> int:
        """Octets on disk."""
        return sum(path.stat().st_size for path in self.path.parent.iterdir())

    def close(self) -> None:
        """Close it; what was not committed is lost."""
        self._db.close()


def index_id(db: sqlite3.Connection) -> str:
    """What no other index is called; inode numbers are given again."""
    (found,) = db.execute("SELECT value FROM fact WHERE name = 'id'").fetchone()
    return str(found)


def rows_after(db: sqlite3.Connection, last: int) -> Iterable[tuple[int, bytes, int]]:
    """(id, base, whole) of the rows after number `last`, ascending."""
    return db.execute("SELECT id, base, whole FROM message WHERE id > ? ORDER BY id", (last,))


def rows_holding(db: sqlite3.Connection, query: str) -> list[int]:
    """The ids of the messages whose text satisfies an FTS5 expression."""
    return [row for (row,) in db.execute("SELECT rowid FROM text WHERE text MATCH ?", (query,))]
