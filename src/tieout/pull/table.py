"""Pulls one object into one table: decides what to read, reads it in order, and leaves rows and watermark together.

Knows one query and one table; which tables a run has, and their connections, is `run`'s business.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from tieout.catalogue.model import Model, references
from tieout.errors import ConfigurationError, IntacctError
from tieout.pull.destinations.commit import Loader
from tieout.pull.destinations.duckdb import DuckFile, OwnedLines
from tieout.pull.destinations.state import TableState
from tieout.pull.reading.decode import PageReader
from tieout.pull.reading.reader import Place, read
from tieout.pull.reading.selection import Selection
from tieout.pull.report import OnProgress, Phase, Progress, PullReport
from tieout.pull.schema.columns import MODIFIED, Column, choose, name_columns

if TYPE_CHECKING:
    from tieout.rest import Filter, Intacct, Query
    from tieout.rest.query import Direction

OVERLAP = timedelta(seconds=120)
"""How far behind the server's clock the watermark stays: a posting shows up when it commits, under a stamp taken
before (REST reference 10.1)."""
STAMP = "%Y-%m-%dT%H:%M:%SZ"
OWNERS_A_QUERY = 500
MANY_OWNERS = 10_000
"""Changed documents beyond which all lines are read again: fewer pages, and filters of a size that any server takes."""


class TableJob(msgspec.Struct, kw_only=True):
    """One table to pull."""

    client: Intacct
    company: str
    model: Model
    file: DuckFile
    table: str
    fields: Sequence[str] | None
    where: Filter | None = None
    private: bool = False
    page_size: int = 2000
    full: bool = False
    progress: OnProgress | None = None
    owner: str | None = None
    """For lines: the path of the reference to their document, `bill`."""
    owner_table: tuple[str, str] | None = None
    """For lines: table of their documents and its column of modified stamps; None where stamps are not complete."""
    parent: str = ""
    """For lines: table of their documents."""
    lines: tuple[str, ...] = ()
    """For documents: tables of their lines."""


class Part(msgspec.Struct):
    """One query of a read, and the documents whose lines it brings, all of them."""

    query: Query
    lines: OwnedLines | None = None


class TablePull:
    """One pull of one table. `report` is filled as it goes; `state` is what the destination holds afterwards."""

    def __init__(self, job: TableJob) -> None:
        self.job = job
        self.report = PullReport(object=job.model.name, table=job.table, destination=str(job.file))
        self.columns: list[Column] = []
        self._run = uuid4().hex
        self._selection = Selection.of(job.where, private=job.private).text()
        self._unstamped = _unstamped(job)

    def run(self) -> PullReport:
        """Read and commit. Raises StoreError, BusyError, CheckError and whatever the client raises."""
        began = time.monotonic()
        state = self._state()
        self.report.watermark_before = state.watermark
        refused = dict(self.job.client.memory.unqueryable(self.job.model.name))
        while True:
            self._plan(state, refused)
            try:
                loader = self._read(state)
                break
            except IntacctError as error:
                field = _refused_field(error)
                if field not in {c.path for c in self.columns} or field == "key" or self._needed(field):
                    raise
                refused[field] = error.message
                self.job.client.memory.keep_unqueryable(self.job.model.name, field, error.message)
        self.state = loader.state
        self.report.watermark_after = self.state.watermark
        if self.state.whole and self.report.strategy == "full":
            self.report.reason = "read in full each time: its records carry no modified stamp"
        elif self._unstamped:
            looks_at = ", ".join(self._unstamped)
            self.report.reason = (
                f"read in full each time: its filter looks at {looks_at}, and a change there leaves no stamp here"
            )
        self.report.seconds = time.monotonic() - began
        return self.report

    @property
    def stamped(self) -> tuple[str, str] | None:
        """This table and its column of modified stamps, if every row has one. After `run`."""
        stamp = self._stamp_column()
        return (self.job.table, stamp) if stamp is not None and not self.state.whole else None

    def _state(self) -> TableState:
        job = self.job
        found = job.file.state(job.table)
        if found is None:
            return TableState(
                table=job.table,
                object=job.model.name,
                company=job.company,
                entity=job.client.entity or "",
                parent=job.parent,
                lines=job.lines,
            )
        for what, ours, theirs in (
            ("object", job.model.name, found.object),
            ("company", job.company, found.company),
            ("entity", job.client.entity or "", found.entity),
        ):
            if ours != theirs:
                raise ConfigurationError(
                    f"Table {job.table} of {job.file.path} holds {what} {theirs or '(top level)'!r}, not {ours!r}.",
                    advice="Set `table` to another name, or name another destination.",
                )
        if found.selection != self._selection and found.parent != job.parent:
            whose = f"the lines of table {found.parent}" if found.parent else "what was pulled into it by itself"
            raise ConfigurationError(
                f"Table {job.table} of {job.file.path} holds {whose}, by another filter.",
                advice="Give --table NAME, set `table` for one of them, or name another destination.",
            )
        return msgspec.structs.replace(found, parent=job.parent, lines=job.lines)

    def _plan(self, state: TableState, refused: dict[str, str]) -> None:
        """Fields, columns, and whether to read all or what changed."""
        fields, self.report.left_out = choose(self.job.model, self.job.fields, refused)
        known = {column.path: column for column in state.columns}
        self.columns = [known.get(column.path, column) for column in name_columns(fields, state.names())]
        current = state.fields or known
        added = [column.path for column in self.columns if column.path not in current] if state.version else []
        self._resume: Place | None = None
        self._changed: OwnedLines | None = None
        self.report.strategy, self.report.reason = "full", ""
        if self.job.full or not state.version:
            return
        if self._unstamped:  # not even an interrupted read goes on: what it has may have left the filter since
            return
        if added:
            self.report.reason = f"new fields: {', '.join(added[:5])}{' ...' if len(added) > 5 else ''}"
        elif state.selection != self._selection:
            self.report.reason = "the filter is another one than last time"
        elif state.unfinished is not None:
            self._resume = Place(state.unfinished.position, state.unfinished.last_key)
            self.report.resumed = True
        elif self.job.owner is not None and self.job.owner_table is None:
            self.report.reason = "its documents have no complete modified stamps"
        elif state.watermark and not state.whole and MODIFIED in fields:
            self._changed = self._changed_documents(state.watermark)
            if self._changed is not None and len(self._changed.owners) > MANY_OWNERS:
                self.report.reason = f"{len(self._changed.owners):,} documents changed"
            else:
                self.report.strategy = "incremental"

    def _changed_documents(self, watermark: str) -> OwnedLines | None:
        """For lines: their documents that changed since this table's watermark, before it moves. Whether a line's own
        stamp moves with its document's is not known, and a removed line leaves no trace (REST reference 10.1, 10.2)."""
        owner, documents = self.job.owner, self.job.owner_table
        if owner is None or documents is None:
            return None
        column = next((c.name for c in self.columns if c.path == f"{owner}.key"), None)
        if column is None:
            self.report.notes.append(f"{owner}.key is not read, so lines that were removed stay")
            return None
        changed = self.job.file.keys_since(*documents, watermark)
        return OwnedLines(column, changed, []) if changed else None

    def _read(self, state: TableState) -> Loader:
        """The main read: everything, or everything since the watermark."""
        job, report = self.job, self.report
        full = report.strategy == "full"
        reader = PageReader(self.columns)
        begun = state.unfinished if self._resume else None
        marking = full and (begun.marking if begun else state.rows > 0)
        since = begun.since if begun else None
        lines: OwnedLines | None = None
        loading = Loader(job.file, state, self.columns, report, self._run, marking=marking, resumed=begun is not None)
        with loading as loader:
            for part in [Part(self._query(), self._changed)] if full else self._changes(state.watermark):
                if lines is not None:
                    loader.replace_lines(lines)
                lines, before = part.lines, report.rows_read
                for step in read(job.client, part.query, reader, size=job.page_size, after=self._resume):
                    if since is None:
                        since = (step.asked_at - OVERLAP).strftime(STAMP) if step.asked_at else ""
                    report.pages += 1
                    report.transactions += 1
                    loader.add(step.page)
                    if lines is not None:
                        lines.present += step.page.keys
                    self._tell(before + step.place.position, before + step.page.total, "reading")
                    if loader.due:
                        loader.checkpoint(full=full, selection=self._selection, since=since, place=step.place)
            self._tell(report.rows_read, report.rows_read, "writing")
            watermark = max(since or "", state.watermark if not full else "")
            loader.finish(selection=self._selection, watermark=watermark, stamp=self._stamp_column(), lines=lines)
        return loader

    def _changes(self, watermark: str) -> list[Part]:
        """What changed, each row in one query only: lines by their documents, the others by their own stamps."""
        from tieout.rest import F

        rest = F(MODIFIED) >= watermark
        if self._changed is None:
            return [Part(self._query(rest, ((MODIFIED, "asc"),)))]
        column, owners = self._changed.column, self._changed.owners
        document = F(f"{self.job.owner}.key")
        *early, last = [owners[at : at + OWNERS_A_QUERY] for at in range(0, len(owners), OWNERS_A_QUERY)]
        for chunk in early:
            rest = rest & document.not_in(chunk)
        parts = [Part(self._query(document.in_(chunk)), OwnedLines(column, chunk, [])) for chunk in early]
        return [*parts, Part(self._query(document.in_(last) | rest), OwnedLines(column, last, []))]

    def _query(self, narrow: Filter | None = None, order: tuple[tuple[str, Direction], ...] = ()) -> Query:
        from tieout.rest import Query

        where = self.job.where
        if narrow is not None:
            where = narrow if where is None else where & narrow
        return Query(
            object=self.job.model.name,
            fields=tuple(column.path for column in self.columns),
            where=where,
            order_by=(*order, ("key", "asc")),
            private=self.job.private,
        )

    def _stamp_column(self) -> str | None:
        """The column that tells what changed, if there is one."""
        return next((column.name for column in self.columns if column.path == MODIFIED), None)

    def _needed(self, field: str) -> bool:
        return self.job.where is not None and any(c.path == field for c in self.job.where.conditions())

    def _tell(self, rows: int, total: int, phase: Phase) -> None:
        if self.job.progress is not None:
            self.job.progress(Progress(self.job.model.name, self.job.table, rows, total, phase))


def _unstamped(job: TableJob) -> tuple[str, ...]:
    """What the filter looks at in other records: a change there moves no stamp here, though it brings rows into the
    filter and takes others out. A reference's `key` is the record's own. For lines their document is not another
    record, since all lines of changed documents are read; what the document refers to is."""
    if job.where is None:
        return ()
    others = job.model.references()
    if job.owner is not None and (document := others.pop(job.owner, None)) is not None:
        others |= dict(references(document, f"{job.owner}."))
    paths = dict.fromkeys(condition.path for condition in job.where.conditions())
    return tuple(p for p in paths if any(p.startswith(f"{other}.") and p != f"{other}.key" for other in others))


def _refused_field(error: IntacctError) -> str:
    """The field that the query service names as not queryable, or nothing (REST reference 5.6, 8.4)."""
    if error.error_id == "REST-1106":
        return error.placeholders.get("FIELD", "")
    return ""
