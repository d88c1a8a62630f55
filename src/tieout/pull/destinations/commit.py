"""Collects pages and commits them in large steps, each with the state that is true once its rows are in.

Knows when to commit and what the state then says; the destination knows how, the reader what comes. One commit is
written while the next pages are read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Self

import msgspec

from tieout.pull.destinations.duckdb import Commit, Committed, DuckFile, OwnedLines, Seen
from tieout.pull.destinations.state import TableState, Unfinished
from tieout.pull.reading.decode import Misfit, Table
from tieout.pull.reading.reader import Place
from tieout.pull.report import PullReport
from tieout.pull.schema.columns import Column

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_A_COMMIT = 100_000
BYTES_A_COMMIT = 96 * 2**20
SECONDS_A_COMMIT = 5.0
"""A commit follows whichever is reached first: a crash loses no more than that, and memory stays bounded."""


class Loader:
    """Takes the pages of one read into one table. `state` is what the destination held at the last look; inside a
    `with` block it follows, after it it is final."""

    def __init__(
        self,
        file: DuckFile,
        state: TableState,
        columns: Sequence[Column],
        report: PullReport,
        run: str,
        *,
        marking: bool = False,
        resumed: bool = False,
    ) -> None:
        """`marking`: what this read does not bring is marked deleted at its end; `resumed`: it began in another run."""
        self.file, self.state, self.columns, self.report, self.run = file, state, tuple(columns), report, run
        self._paths = tuple(column.path for column in self.columns)
        self._pages: list[pa.Table] = []
        self._misfits: list[Misfit] = []
        self._rows = self._bytes = 0
        self._last = time.monotonic()
        self._marking, self._first = marking, not resumed
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tieout-commit")
        self._pending: Future[Committed] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Also after Ctrl-C: a commit under way is finished, so the file is never left open.
        self._writer.shutdown(wait=True)
        if kind is None:
            self._settle()

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

        def change(before: TableState) -> TableState:
            after = msgspec.structs.replace(before, columns=self._all_columns(before), run=self.run)
            if not full:
                return after
            unfinished = Unfinished(since, place.position, place.last_key, self._marking)
            return msgspec.structs.replace(
                after, selection=selection, fields=self._paths, watermark="", unfinished=unfinished
            )

        self._commit(change)

    def finish(self, *, selection: str, watermark: str, stamp: str | None, lines: OwnedLines | None = None) -> None:
        """Commit the rest: the read is complete up to `watermark`. `stamp` names the column of modified stamps."""

        def change(before: TableState) -> TableState:
            return msgspec.structs.replace(
                before,
                columns=self._all_columns(before),
                run=self.run,
                selection=selection,
                fields=self._paths,
                watermark=watermark,
                unfinished=None,
                whole=stamp is None,
            )

        self._commit(change, stamp=stamp, lines=lines, last=True)

    def replace_lines(self, lines: OwnedLines) -> None:
        """Commit what is there, and delete the lines that these documents no longer have."""
        self._commit(lambda before: msgspec.structs.replace(before, run=self.run), lines=lines)

    def _commit(
        self,
        change: Callable[[TableState], TableState],
        *,
        stamp: str | None = None,
        lines: OwnedLines | None = None,
        last: bool = False,
    ) -> None:
        self._settle()
        pages, misfits, before = self._pages, self._misfits, self.state
        seen = Seen(self._first, last) if self._marking else None
        self._first = False

        def write() -> Committed:
            return self.file.commit(
                Commit(
                    before=before,
                    after=change(before),
                    columns=self.columns,
                    rows=self._batch(pages),
                    misfits=misfits,
                    stamp=stamp,
                    lines=lines,
                    seen=seen,
                )
            )

        self._pending = self._writer.submit(write)
        self._pages, self._misfits, self._rows, self._bytes = [], [], 0, 0
        self._last = time.monotonic()

    def _settle(self) -> None:
        """Wait for the commit under way, if there is one."""
        if self._pending is None:
            return
        pending, self._pending = self._pending, None
        done = pending.result()
        self.state = done.state
        self.report.new += done.new
        self.report.changed += done.changed
        self.report.deleted += done.deleted
        self.report.missing += done.marked

    def _batch(self, pages: Sequence[pa.Table]) -> pa.Table:
        """Each key once, its last appearance."""
        import pyarrow as pa

        from tieout.pull.reading.decode import arrow_type

        if not pages:
            return pa.table({c.name: pa.array([], arrow_type(c)) for c in self.columns})
        table = pa.concat_tables(pages)
        keys: list[str] = table.column("key").to_pylist()
        if len(set(keys)) == len(keys):
            return table
        last = {key: index for index, key in enumerate(keys)}
        return table.take(pa.array(sorted(last.values())))

    def _all_columns(self, before: TableState) -> tuple[Column, ...]:
        had = set(before.names())
        return (*before.columns, *(column for column in self.columns if column.path not in had))
