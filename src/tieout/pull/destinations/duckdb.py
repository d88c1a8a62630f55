"""A DuckDB file as a destination: merge by key from Arrow, state and rows in one transaction.

The file is open only while writing, since DuckDB shuts out every reader of a file that is open for writing; and for no
longer than some seconds where threads take turns at it. Knows columns and states; knows nothing of Intacct.
"""

# ruff: noqa: S608 - statements are built from quoted identifiers only; values are bound

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tieout.errors import BusyError, StoreError
from tieout.pull.destinations import duckdb_views
from tieout.pull.destinations.base import Commit, Committed, Found, Takes, View, refused_by_rule, refused_value
from tieout.pull.destinations.duckdb_commit import write
from tieout.pull.destinations.duckdb_opening import opened
from tieout.pull.destinations.duckdb_reading import DuckReading
from tieout.pull.destinations.duckdb_signing import DuckSignOffs
from tieout.pull.destinations.duckdb_system import check, damage, every, has_table, quote, stored
from tieout.pull.destinations.file import LocalFile
from tieout.pull.destinations.state import TableState
from tieout.store.crashpoints import reached

if TYPE_CHECKING:
    import duckdb


class DuckFile(LocalFile, DuckReading, DuckSignOffs):
    """One DuckDB file. Every method has it opened, works, and lets go of it. Raises StoreError, BusyError."""

    kind = "duckdb"
    dialect: Literal["duckdb"] = "duckdb"
    takes = Takes(commit_rows=50_000)

    def check(self) -> None:
        """What would only be found out when the first rows are written, found before any are read: also that another
        program has the file open, if only to read."""
        self._check_file()
        if self.path.exists():
            with self._open():
                pass

    def _check_file(self) -> None:
        self.check_place()
        if not os.access(self.path if self.path.exists() else self.path.parent, os.W_OK):
            raise explain(self.path, "Permission denied")

    def tables(self) -> list[Found]:
        """Every table tieout has written. Empty where there is no file."""
        if not self.path.exists():
            return []
        self._check_file()
        with self._open(read_only=True) as db:
            return [Found(state, damage(db, state, self.place)) for state in every(db)]

    def state(self, table: str, *, to_write: bool = False) -> TableState | None:
        """The state of a table, None where tieout has not written it."""
        self._check_file()
        if not self.path.exists():
            return None
        with self._open(read_only=not to_write) as db:  # opened once: with many tables that takes long
            found = stored(db, table)
            if found is not None:
                check(db, found, self.place)
            return found

    def commit(self, commit: Commit) -> Committed:
        """Write it all or nothing."""
        with self._open() as db:
            db.execute("BEGIN")
            done = write(db, commit, self.place)
            self._reserve_log()
            reached("pull.before_commit")
            db.execute("COMMIT")
            reached("pull.after_commit")
        return done

    def misfits(self, table: str) -> dict[str, int]:
        """How many values of each field are kept raw because they fit no column."""
        with self._open(read_only=True) as db:
            sql = "SELECT field, count(*) FROM _tieout_misfits WHERE lower(table_name) = lower(?) GROUP BY field"
            return {str(field): int(count) for field, count in db.execute(sql, [table]).fetchall()}

    def drop(self, table: str) -> None:
        """The table and all that is kept of it."""
        self._check_file()
        if not self.path.exists():
            return
        with self._open() as db:
            db.execute("BEGIN")
            found = stored(db, table)
            if found is not None:
                duckdb_views.make_way(db)
                db.execute(f"DROP TABLE IF EXISTS {quote(found.table)}")
                for name in ("_tieout_state", "_tieout_misfits", "_tieout_seen", "_tieout_columns"):
                    if has_table(db, name):
                        db.execute(f"DELETE FROM {name} WHERE lower(table_name) = lower(?)", [table])
            self._reserve_log()
            db.execute("COMMIT")

    def named(self, table: str) -> str:
        """A table as a view names it."""
        return quote(table)

    def layouts(self) -> list[str]:
        """The layouts whose views are here."""
        if not self.path.exists():
            return []
        with self._open(read_only=True) as db:
            return sorted({layout for layout, _ in duckdb_views.kept(db).values()})

    def views(self, layout: str, views: Sequence[View]) -> None:
        """Make or replace these views."""
        with self._open(read_only=True) as db:
            if not duckdb_views.stale(db, views, self.place):
                return
        with self._open() as db:
            db.execute("BEGIN")
            duckdb_views.put(db, layout, views, self.place)
            self._reserve_log()
            db.execute("COMMIT")

    def _reading(self, table: str) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return self._open(read_only=True)

    @contextmanager
    def _open(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._explained(), opened(self.path).using(writing=not read_only) as db:
            yield db

    def _reserve_log(self) -> None:
        opened(self.path).reserve_log()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        import duckdb

        try:
            yield
        except (  # what is left are mistakes in a statement (ours)
            duckdb.IOException,
            duckdb.OutOfMemoryException,
            duckdb.TransactionException,
            duckdb.FatalException,
            duckdb.SerializationException,
            OSError,
        ) as error:
            raise explain(self.path, str(error)) from None
        except duckdb.ConstraintException as error:
            raise refused_by_rule(self.place, _without_values(error)) from None
        except (duckdb.OutOfRangeException, duckdb.ConversionException) as error:
            raise refused_value(self.place, type(error).__name__) from None


def _without_values(error: Exception) -> str:
    """The first sentence of what DuckDB says, which may hold what is in a row."""
    first = str(error).partition("\n")[0].removeprefix("Constraint Error: ")
    return re.sub(r'(?i)duplicate key "([^":]*).*" ', r"the same \1 twice ", first).partition(". ")[0].rstrip(".")


def explain(path: Path, reason: str) -> StoreError | BusyError:
    """One sentence for what DuckDB said."""
    if "Could not set lock" in reason:
        return BusyError(
            f"The destination {path} is open in another program.",
            advice="Close it there (a notebook, the duckdb shell, another pull), then run the command again.",
        )
    for words, sentence, advice in _REASONS:
        if words in reason:
            return StoreError(f"The destination {path} {sentence}.", advice=advice)
    first = reason.strip().partition("\n")[0]
    return StoreError(f"DuckDB could not use {path}: {first}", advice="Nothing of this step was written.")


_REASONS = (
    ("No space left", "cannot grow: the disk is full", "Free some space, then run the command again: nothing is lost."),
    ("File too large", "cannot grow: a file may not be that large here", "Raise the limit, then run it again."),
    ("Permission denied", "may not be written by this user", "Make the file and its folder writable."),
    ("Read-only file system", "lies on a read-only disk", "Name another destination."),
    ("not a valid DuckDB", "is not a DuckDB file", "Name another destination, or move the file away."),
    ("Is a directory", "is a folder, not a file", "Name a file, such as duckdb:///company.duckdb."),
    ("No such file", "is in a folder that does not exist", "Create the folder, or name another destination."),
    ("newer version of DuckDB", "was written by a newer DuckDB", "Upgrade duckdb in this environment."),
    ("Out of Memory", "needs more memory than this step may use", "Pull fewer fields, or report this as a bug."),
)
