"""Collects batches and commits them in large steps, each with the state that is true once its rows are in.

Knows when to commit and what the state then says; the destination knows how, the reader what comes. One commit is
written while the next pages are read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import msgspec

from tieout.pull.abreast import Share
from tieout.pull.destinations.base import Commit, Committed, Destination, Gone, Seen
from tieout.pull.destinations.batch import Batch, Misfit
from tieout.pull.destinations.plain_batch import joined
from tieout.pull.destinations.state import Backfill, TableState
from tieout.pull.report import PullReport
from tieout.pull.schema.columns import MODIFIED
from tieout.pull.schema.drift import merged
from tieout.pull.schema.types import Column
from tieout.store.crashpoints import reached


class TableWriter:
    """Takes the rows of one read into one table. `state` is what the destination held at the last look; inside a
    `with` block it follows, after it it is final."""

    def __init__(
        self,
        destination: Destination,
        state: TableState,
        columns: Sequence[Column],
        report: PullReport,
        run: str,
        *,
        gone: tuple[str, ...] = (),
        marking: bool = False,
        resumed: bool = False,
        share: Share | None = None,
    ) -> None:
        """`gone`: paths that the model no longer has. `marking`: the keys of this read are kept, to tell afterwards
        which rows it did not bring; `resumed`: it began in another run. `share`: what it may have of the memory for
        rows that wait."""
        self.destination, self.state, self.columns = destination, state, tuple(columns)
        self.report, self.run, self.gone = report, run, gone
        self._paths = tuple(column.path for column in self.columns)
        self._stamp = next((column.name for column in self.columns if column.path == MODIFIED), "")
        self._batches: list[Batch] = []
        self._misfits: list[Misfit] = []
        self._rows = self._bytes = self._cells = 0
        self._synced: datetime | None = None
        self._last = time.monotonic()
        self._marking, self._first = marking, not resumed
        self._share = share or Share()
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
            self.settle()

    def add(self, batch: Batch, misfits: Sequence[Misfit] = (), asked_at: datetime | None = None) -> None:
        """Keep rows until the next commit. `asked_at`: Intacct's clock when they were asked for."""
        if batch.rows:
            self._batches.append(batch)
        self._misfits += misfits
        self._rows += batch.rows
        self._bytes += batch.nbytes
        self._cells += batch.rows * len(batch.of)
        self._synced = asked_at or self._synced
        self.report.rows_read += batch.rows
        self.report.misfits += len(misfits)
        reached("pull.page_taken")

    def asked(self, at: datetime | None) -> None:
        """Intacct's clock when it was asked, and no rows came."""
        self._synced = at or self._synced

    @property
    def holds(self) -> bool:
        """Whether there are rows that are not committed."""
        return bool(self._rows or self._misfits)

    @property
    def moment(self) -> str:
        """Intacct's clock when rows were last asked for."""
        return (self._synced or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def due(self) -> bool:
        """Whether it is time to commit."""
        takes = self.destination.takes
        return (
            self._rows >= self._share.of(takes.commit_rows)
            or self._idles(takes.idle_rows)
            or self._cells >= self._share.of(takes.commit_cells)
            or self._bytes >= self._share.of(takes.commit_bytes)
            or time.monotonic() - self._last >= takes.commit_seconds
        )

    def _idles(self, rows: int) -> bool:
        alone = self._share.under_way == 1
        return alone and 0 < rows <= self._rows and (self._pending is None or self._pending.done())

    def checkpoint(self, *, selection: str, backfill: Backfill | None = None, tail: str = "") -> None:
        """Commit what is there, in the middle of a read. `backfill`: where the next run goes on; nothing where it has
        to start again. `tail`: changes before this moment were read beside it."""

        def change(before: TableState) -> TableState:
            after = self._in(before)
            if backfill is None:
                return after
            if backfill.kind == "changes":
                return msgspec.structs.replace(after, backfill=backfill)
            return msgspec.structs.replace(
                after,
                selection=selection,
                fields=self._paths,
                watermark="",
                backfill=backfill,
                tail=tail or (before.tail if before.backfill is not None else ""),
            )

        self._commit(change)

    def finish(self, *, selection: str, watermark: str, full: bool, gone: Gone | None = None, **then: Any) -> None:
        """Commit the rest: the read is complete up to `watermark`. `gone`: lines that left their documents. `then`:
        what else is true of the state. Which rows a marking read did not bring is left to be concluded, also by another
        run."""
        rows = max(self.report.rows_read, 1)
        pending = Backfill(kind="sweep", since=watermark, position=rows, last_key="", marking=True)
        if full:
            then["swept_at"] = self.moment

        def change(before: TableState) -> TableState:
            other = before.backfill is not None and before.backfill.kind in ("fill", "sweep") and not full
            return msgspec.structs.replace(
                self._in(before),
                selection=selection,
                fields=self._paths,
                watermark=watermark,
                backfill=before.backfill if other else pending if self._marking else None,
                tail="",
                **then,
            )

        self._commit(change, gone=gone)

    def _in(self, before: TableState) -> TableState:
        """The state once rows are in, whatever else is true then."""
        columns = merged(before.columns, self.columns)
        fields = tuple(path for path in before.fields or before.names() if path in self._paths)
        return msgspec.structs.replace(
            before, columns=columns, fields=fields, gone=self.gone, run=self.run, stamp=self._stamp
        )

    def _commit(self, change: Callable[[TableState], TableState], *, gone: Gone | None = None) -> None:
        self.settle()
        batches, misfits, before = self._batches, self._misfits, self.state
        seen = Seen(first=self._first, last=False) if self._marking else None
        synced = self.moment
        self._first = False

        def write() -> Committed:
            return self.destination.commit(
                Commit(
                    before=before,
                    after=change(before),
                    batch=joined(self.columns, batches).unique(),
                    synced=synced,
                    misfits=misfits,
                    seen=seen,
                    gone=gone,
                )
            )

        self._pending = self._writer.submit(write)
        self._batches, self._misfits, self._rows, self._bytes, self._cells = [], [], 0, 0, 0
        self._last = time.monotonic()

    def settle(self) -> None:
        """Wait for the commit under way, if there is one."""
        if self._pending is None:
            return
        done = self._pending.result()
        self._pending = None  # not before: whoever leaves here with Ctrl-C commits once more
        self.state = done.state
        self.report.new += done.new
        self.report.changed += done.changed
        self.report.deleted += done.gone
