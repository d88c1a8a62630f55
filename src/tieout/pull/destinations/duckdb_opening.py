"""A DuckDB file in this program: one instance for all threads, open while one of them uses it or waits for it.

DuckDB takes the longer to open a file the more tables are in it, and opens it in one mode a program: to read or to
write. Knows files and threads; knows no table.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from tieout.pull.destinations.turns import Turns

if TYPE_CHECKING:
    import duckdb

MEMORY_LIMIT = "160MB"
THREADS = 2
"""Each takes memory for every column of a step."""
LOCK_WAIT = 10.0
"""Seconds to wait for another program to let go of the file."""
LOOK = 0.1
"""Seconds between two looks whether it has."""
LONGEST = 5.0
"""Seconds after which the file is let go of though threads wait for it, until other programs have looked: these do not
wait longer than `LOCK_WAIT`."""
MOST_HELD = 4 * 2**20
"""Bytes of rows written but not yet in the file proper, after which it is let go of as well: that brings them there,
and the next commit may need the memory."""

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": MEMORY_LIMIT,
    "threads": THREADS,
    "preserve_insertion_order": False,
    "autoinstall_known_extensions": False,
}


class OpenFile:
    """One file. Raises what DuckDB and the system raise."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turns = Turns()
        self._lock = threading.Lock()
        self._db: duckdb.DuckDBPyConnection | None = None
        self._writable = self._failed = False
        self._users, self._since = 0, 0.0

    @contextmanager
    def using(self, *, writing: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of one's own. Who writes is alone; what is not committed is not kept."""
        with self._turns.writing() if writing else self._turns.reading():
            db = self._connected(writing)
            try:
                db.execute("SET TimeZone = 'UTC'")
                yield db
            except Exception:
                self._failed = True  # after some errors DuckDB wants a file to be opened anew
                raise
            finally:
                db.close()
                self._let_go()

    def _connected(self, writing: bool) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._db is not None and writing and not self._writable:
                self._close()
            if self._db is None:
                self._db, self._writable, self._failed = self._open(writing), writing, False
                self._since = time.monotonic()
            self._users += 1
            return self._db.cursor()

    def _let_go(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users:
                return
            wanted = self._turns.wanted and not self._failed
            long = time.monotonic() - self._since >= LONGEST
            if wanted and not long and not self._is_full():
                return
            self._close()
            if wanted and long:
                time.sleep(LOOK * 1.5)

    def _is_full(self) -> bool:
        assert self._db is not None
        # BASE_TABLE is what was read of the file, which makes room when that is needed.
        sql = "SELECT coalesce(sum(memory_usage_bytes), 0) FROM duckdb_memory() WHERE tag <> 'BASE_TABLE'"
        ((held,),) = self._db.execute(sql).fetchall()
        return bool(held >= MOST_HELD)

    def _close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            try:
                db.close()
            finally:
                with suppress(OSError):  # in use by another reader, or DuckDB has removed it
                    self._spill_folder.rmdir()

    # Rows are the customer's books: for this user only, in the file, in its write-ahead log and where a large step is
    # swapped out. DuckDB makes all three by the process's umask, which is not ours to change: other threads use it.

    @property
    def _spill_folder(self) -> Path:
        return Path(f"{self._path}.tmp")

    def _open(self, writing: bool) -> duckdb.DuckDBPyConnection:
        import duckdb

        give_up = time.monotonic() + LOCK_WAIT
        self._refuse_other_formats()
        with suppress(FileExistsError):
            self._spill_folder.mkdir(mode=0o700)
        try:
            while True:
                try:
                    made = not self._path.exists()
                    db = duckdb.connect(str(self._path), read_only=not writing, config=_SETTINGS)
                    if made:  # no rows in it yet
                        self._path.chmod(0o600)
                    return db
                except duckdb.IOException as error:
                    if "lock" not in str(error) or time.monotonic() >= give_up:
                        raise
                    time.sleep(LOOK)
        except BaseException:
            with suppress(OSError):
                self._spill_folder.rmdir()
            raise

    def _refuse_other_formats(self) -> None:
        """DuckDB would try to download a reader for some of them. Only while nobody here has the file open: whoever
        closes a file gives up the locks that this program has on it, DuckDB's too."""
        import duckdb

        if not self._path.is_file():
            return
        with self._path.open("rb") as file:
            head = file.read(12)
        if head[8:] != b"DUCK":
            raise duckdb.IOException(f"{self._path} is not a valid DuckDB file")

    def reserve_log(self) -> None:
        """DuckDB appends to a log that is there already, and so keeps its mode."""
        os.close(os.open(f"{self._path}.wal", os.O_CREAT | os.O_WRONLY, 0o600))


_known: WeakValueDictionary[str, OpenFile] = WeakValueDictionary()
_lock = threading.Lock()


def opened(path: Path) -> OpenFile:
    """The file at a path: the same for all threads, for as long as one of them holds it."""
    with _lock:
        return _known.setdefault(str(path.resolve()), OpenFile(path))
