"""Collects pages and commits them in large steps, each with the state that is true once its rows are in.

Knows when to commit and what the state then says; the destination knows how, the reader what comes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from tieout.pull.columns import Column
from tieout.pull.duckdb_file import Commit, DuckFile
from tieout.pull.pages import Misfit, Table
from tieout.pull.reading import Place
from tieout.pull.report import PullReport
from tieout.pull.state import TableState, Unfinished

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_A_COMMIT = 100_000
BYTES_A_COMMIT = 96 * 2**20
SECONDS_A_COMMIT = 5.0
"""A commit follows whichever is reached first: a crash loses no more than that, and memory stays bounded."""


class Loader:
    """Takes the pages of one read into one table. `state` is always what the destination holds."""

    def __init__(
        self, file: DuckFile, state: TableState, columns: Sequence[Column], report: PullReport, run: str
    ) -> None:
        self.file, self.state, self.columns, self.report, self.run = file, state, tuple(columns), report, run
        self._pages: list[pa.Table] = []
        self._misfits: list[Misfit] = []
        self._rows = self._bytes = 0
        self._last = time.monotonic()

    def add(self, page: Table) -> None:
        """Keep a page until the next commit."""
        if page.data.num_rows:
            self._pages.append(page.data)
        self._misfits += page.misfits
        self._rows += page.data.num_rows
        self._bytes += page.data.nbytes
        self.report.rows_read += page.data.num_rows
        self.report.misfits += len(page.misfits)

    @property
    def due(self) -> bool:
        return (
            self._rows >= ROWS_A_COMMIT
            or self._bytes >= BYTES_A_COMMIT
            or time.monotonic() - self._last >= SECONDS_A_COMMIT
        )

    def checkpoint(self, *, full: bool, selection: str, since: str, place: Place) -> None:
        """Commit what is there, in the middle of a read. An interrupted full read goes on from `place`; an
        interrupted incremental one starts again from its old watermark."""
        after = msgspec.structs.replace(self.state, columns=self._all_columns(), run=self.run)
        if full:
            after = msgspec.structs.replace(
                after, selection=selection, watermark="", unfinished=Unfinished(since, place.position, place.last_key)
            )
        self._commit(after)

    def finish(self, *, selection: str, watermark: str, stamp: str | None) -> None:
        """Commit the rest: the read is complete up to `watermark`. `stamp` names the column of modified stamps."""
        after = msgspec.structs.replace(
            self.state,
            columns=self._all_columns(),
            run=self.run,
            selection=selection,
            watermark=watermark,
            unfinished=None,
            whole=stamp is None,
        )
        self._commit(after, stamp=stamp)

    def replace_lines(self, owner_column: str, owners: Sequence[str]) -> None:
        """Commit what is there as all lines of these owners: other lines of theirs are gone."""
        self._commit(msgspec.structs.replace(self.state, run=self.run), owners=(owner_column, owners))

    def _commit(
        self, after: TableState, *, stamp: str | None = None, owners: tuple[str, Sequence[str]] | None = None
    ) -> None:
        done = self.file.commit(
            Commit(
                before=self.state,
                after=after,
                columns=self.columns,
                rows=self._batch(),
                misfits=self._misfits,
                stamp=stamp,
                owners=owners,
            )
        )
        self.state = done.state
        self.report.new += done.new
        self.report.changed += done.changed
        self.report.deleted += done.deleted
        self._pages, self._misfits, self._rows, self._bytes = [], [], 0, 0
        self._last = time.monotonic()

    def _batch(self) -> pa.Table:
        """Each key once, its last appearance."""
        import pyarrow as pa

        from tieout.pull.pages import arrow_type

        if not self._pages:
            return pa.table({c.name: pa.array([], arrow_type(c)) for c in self.columns})
        table = pa.concat_tables(self._pages)
        keys: list[str] = table.column("key").to_pylist()
        if len(set(keys)) == len(keys):
            return table
        last = {key: index for index, key in enumerate(keys)}
        return table.take(pa.array(sorted(last.values())))

    def _all_columns(self) -> tuple[Column, ...]:
        had = set(self.state.names())
        return (*self.state.columns, *(column for column in self.columns if column.path not in had))
