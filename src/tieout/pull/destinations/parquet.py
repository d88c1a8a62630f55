"""A folder of Parquet files as a destination: immutable change files, and a manifest that says which of them count.

Readers take of each key the row of the latest file; `compact` rewrites a table as it is. Knows columns and states;
knows nothing of Intacct.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tieout.catalogue import nearest
from tieout.errors import StoreError, UnknownNameError
from tieout.pull.destinations.base import Commit, Committed, Found, Takes
from tieout.pull.destinations.duckdb_reading import DuckReading
from tieout.pull.destinations.duckdb_system import quote
from tieout.pull.destinations.load_script import Dialect, Loaded, load_script, script_name
from tieout.pull.destinations.parquet_commit import misfits, write
from tieout.pull.destinations.parquet_compact import Compacted, compact
from tieout.pull.destinations.parquet_manifest import Folder, TableFiles
from tieout.pull.destinations.parquet_reading import check, engine, relation, scan_paths
from tieout.pull.destinations.parquet_signing import ParquetSignOffs
from tieout.pull.destinations.state import TableState, read_state

if TYPE_CHECKING:
    import duckdb

_PATTERNS = "*?["


class ParquetFolder(DuckReading, ParquetSignOffs):
    """One folder, with a folder in it for each table. Raises StoreError, BusyError."""

    takes = Takes(commit_rows=100_000)

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder = Folder(path)

    def __str__(self) -> str:
        return f"parquet:///{self.path}"

    @property
    def place(self) -> str:
        """The path."""
        return str(self.path)

    def identity(self) -> str:
        """The same folder on the same machine, the same text."""
        return f"parquet:{socket.gethostname()}:{self.path.resolve()}"

    def check(self) -> None:
        """What would only be found out when the first rows are written, found before any are read."""
        if any(sign in str(self.path) for sign in _PATTERNS):
            raise StoreError(
                f"The path {self.path} has one of {' '.join(_PATTERNS)} in it, which readers of Parquet take for a "
                "pattern.",
                advice="Name another folder.",
            )
        if not self.path.parent.is_dir():
            raise StoreError(
                f"The folder {self.path.parent} of the destination does not exist.",
                advice="Create it, or name another destination.",
            )
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(
                f"The destination {self.path} is a file, not a folder.",
                advice="Name a folder, such as parquet:///company.",
            )
        if not os.access(self.path if self.path.exists() else self.path.parent, os.W_OK):
            raise StoreError(
                f"The destination {self.path} may not be written by this user.", advice="Make the folder writable."
            )

    def tables(self) -> list[Found]:
        """Every table tieout has written, by name."""
        manifest = self._folder.read()
        return [
            Found(read_state(name, found.state), self._damage(name, found))
            for name, found in sorted(manifest.tables.items())
        ]

    def state(self, table: str, *, to_write: bool = False) -> TableState | None:
        """The state of a table, None where tieout has not written it."""
        self.check()
        manifest = self._folder.read()
        found = manifest.find(table)
        if found is None:
            return None
        state = read_state(table, found.state)
        check(self.path, state.table, found)
        return state

    def commit(self, commit: Commit) -> Committed:
        """Write it all or nothing."""
        self.check()
        with self._explained(), self._folder.locked() as manifest:
            done = write(self._folder, manifest, commit)
            self._folder.write(manifest)
        return done

    def misfits(self, table: str) -> dict[str, int]:
        """How many values of each field are kept raw because they fit no column."""
        found = self._folder.read().find(table)
        counts: dict[str, int] = {}
        for row in misfits(self.path, found) if found is not None else ():
            counts[row[1]] = counts.get(row[1], 0) + 1
        return counts

    def drop(self, table: str) -> None:
        """The table and all that is kept of it."""
        self.check()
        if not self.path.exists():
            return
        with self._explained(), self._folder.locked() as manifest:
            for name in [name for name in manifest.tables if name.lower() == table.lower()]:
                del manifest.tables[name]
                self._folder.write(manifest)
                self._folder.sweep_table(name, manifest.live())

    def compact(self, table: str) -> Compacted:
        """Rewrite a table as it is, in as few files as it needs. Raises UnknownNameError where there is none."""
        self.check()
        with self._explained(), self._folder.locked() as manifest:
            done = compact(self._folder, manifest, table)
            self._folder.write(manifest)
        return done

    def write_script(self, dialect: Dialect, tables: Sequence[str] | None = None) -> Path:
        """Write the script that loads these tables, none named means all, into a warehouse, beside them -> its path.
        Raises UnknownNameError, and ConfigurationError where a table has too many files."""
        with self._explained(), self._folder.locked() as manifest:
            names = list(tables or sorted(manifest.tables))
            found = [(name, manifest.find(name)) for name in names]
            loaded = []
            for name, table in found:
                if table is None:
                    raise UnknownNameError("table", name, nearest=nearest(name, list(manifest.tables), 3))
                state = read_state(name, table.state)
                loaded.append(Loaded(table=state.table, columns=state.columns, files=table.files))
            target = self.path / script_name(dialect)
            self._folder.store(target, load_script(dialect, loaded, self.path.name).encode())
        return target

    @contextmanager
    def _reading(self, table: str) -> Iterator[duckdb.DuckDBPyConnection]:
        found = self._folder.read().find(table)
        with self._explained(), engine() as db:
            if found is not None:
                state = read_state(table, found.state)
                source = relation(self.path, found, state.columns)
                db.execute(f"CREATE VIEW {quote(table)} AS {source}")
                db.execute("CREATE TABLE _tieout_seen (table_name VARCHAR, key VARCHAR)")
                if found.seen:
                    kept = f"SELECT ?, key FROM {scan_paths(self.path, found.seen)}"  # noqa: S608 - our own names
                    db.execute(f"INSERT INTO _tieout_seen {kept}", [table])
            yield db

    def _damage(self, name: str, table: TableFiles) -> str:
        try:
            check(self.path, name, table)
        except StoreError as error:
            return error.message
        return ""

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """One sentence for what the disk or DuckDB said."""
        import duckdb

        try:
            yield
        except (OSError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
            reason = str(error).strip().partition("\n")[0]
            for words, sentence, advice in _REASONS:
                if words in reason:
                    raise StoreError(f"The destination {self.path} {sentence}.", advice=advice) from None
            raise StoreError(
                f"The destination {self.path} could not be used: {reason}.", advice="Nothing of this step was written."
            ) from None


_REASONS = (
    ("No space left", "cannot grow: the disk is full", "Free some space, then run the command again: nothing is lost."),
    ("File too large", "cannot grow: a file may not be that large here", "Raise the limit, then run it again."),
    ("Permission denied", "may not be written by this user", "Make the folder and what is in it writable."),
    ("Read-only file system", "lies on a read-only disk", "Name another destination."),
    ("Out of Memory", "needs more memory than this step may use", "Run `tieout compact`, or pull fewer fields."),
)
