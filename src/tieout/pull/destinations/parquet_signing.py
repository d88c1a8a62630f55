"""Sign-offs in a folder of Parquet files: signed rows lie in a file of their own, which the manifest names.

Knows files and columns; how rows are compared is `signing`.
"""

# ruff: noqa: S608 - statements are built from quoted identifiers only; values are bound

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from tieout.errors import StoreError
from tieout.pull.destinations import signing
from tieout.pull.destinations.base import Difference, SignOff
from tieout.pull.destinations.duckdb_signing import before, dated, live_rows, signed_rows
from tieout.pull.destinations.duckdb_system import live, quote
from tieout.pull.destinations.parquet_manifest import Folder, Manifest, Signed
from tieout.pull.destinations.parquet_reading import check, engine, relation, scan_paths
from tieout.pull.destinations.signing import DATE, Kept
from tieout.pull.destinations.state import TableState, read_state

if TYPE_CHECKING:
    import duckdb


class ParquetSignOffs:
    """Keeps rows as they were signed. Raises StoreError."""

    path: Path
    _folder: Folder

    @abstractmethod
    def _explained(self) -> AbstractContextManager[None]:
        """One sentence for what the disk or DuckDB said."""

    def sign_off(self, table: str, sign: SignOff) -> SignOff:
        """Keep live rows dated up to `through` as they are now, in the place of those signed before."""
        if not self.path.exists():
            raise signing.not_there(table)
        with self._explained(), self._folder.locked() as manifest, engine() as db:
            state = self._shown(db, manifest, table)
            if state is None:
                raise signing.not_there(table)
            if sign.parent:
                self._shown(db, manifest, sign.parent)
            columns = signing.signed_columns(state)
            copy = signing.copy_name(state.table)
            listed = "".join(f", t.{quote(c.name)}" for c in columns)
            select = f'SELECT t."key", {dated(sign)} AS {DATE}{listed} FROM {quote(state.table)} AS t'
            where = f"{live(db, state.table)} AND {before(sign)}"
            db.execute(f"CREATE TABLE {quote(copy)} AS {select} WHERE {where}", [signing.end_of(sign)])
            sign = signing.sealed(sign, signed_rows(db, quote(copy), sign, columns), columns)
            name, target = self._folder.new_file(copy)
            _write(db, f'SELECT * FROM {quote(copy)} ORDER BY "key"', target)
            manifest.signed[state.table.lower()] = Signed(path=name, kept=Kept(sign, columns).text())
            self._folder.write(manifest)
        return sign

    def signed(self, table: str) -> SignOff | None:
        """The last one."""
        found = self._folder.read().signed.get(table.lower())
        return signing.read_kept(found.kept).sign if found is not None else None

    def differences(self, table: str, ignore: Sequence[str]) -> Iterator[Difference]:
        """Signed rows against live ones of the same dates. To be read to its end or closed."""
        with self._explained(), engine() as db:
            manifest = self._folder.read()
            found, state = manifest.signed.get(table.lower()), self._shown(db, manifest, table)
            if found is None or state is None:
                return
            kept = signing.read_kept(found.kept)
            if kept.sign.parent and self._shown(db, manifest, kept.sign.parent) is None:
                raise StoreError(
                    f"Table {kept.sign.parent}, whose dates those of {state.table} are, is not there.",
                    advice="Run `tieout pull` first.",
                )
            if not (self.path / found.path).is_file():
                raise StoreError(
                    f"The rows kept for the sign-off of {state.table} by {kept.sign.by} are gone: {found.path}.",
                    advice="Restore the file from a backup, or sign off anew.",
                )
            columns = signing.columns_now(kept, state)
            copy = quote(signing.copy_name(state.table))
            db.execute(f"CREATE VIEW {copy} AS SELECT * FROM {scan_paths(self.path, [found.path])}")
            signed = signed_rows(db.cursor(), copy, kept.sign, kept.columns)
            current = live_rows(db.cursor(), state.table, copy, kept.sign, columns)
            yield from signing.compared(state.table, kept, signed, current, columns, ignore)

    def _shown(self, db: duckdb.DuckDBPyConnection, manifest: Manifest, table: str) -> TableState | None:
        """A table under its name; None where it is not there."""
        found = manifest.find(table)
        if found is None:
            return None
        state = read_state(table, found.state)
        check(self.path, state.table, found)
        db.execute(f"CREATE VIEW {quote(state.table)} AS {relation(self.path, found, state.columns)}")
        return state


def _write(db: duckdb.DuckDBPyConnection, select: str, target: Path) -> None:
    """A file for this user only, on the disk when this returns."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    text = str(target).replace("'", "''")
    db.execute(f"COPY ({select}) TO '{text}' (FORMAT parquet, USE_TMP_FILE false)")
    with target.open("rb") as file:
        os.fsync(file.fileno())
