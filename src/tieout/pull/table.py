"""Pulls one object into one table: decides what to read, reads it in order, and leaves rows and watermark together.

Knows one query and one table; which tables a run has, and their connections, is `run`'s business.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from tieout.errors import IntacctError, InvalidRequestError, RefusedError
from tieout.pull.abreast import Aside
from tieout.pull.destinations.base import Child, Gone
from tieout.pull.destinations.commit import TableWriter
from tieout.pull.destinations.state import Backfill, TableState
from tieout.pull.failures import refused_field
from tieout.pull.filling import Filling
from tieout.pull.job import TableJob
from tieout.pull.plan.claims import claim, drop
from tieout.pull.plan.strategy import choose_strategy, explained, looks_elsewhere
from tieout.pull.proof.conclude import First, conclude
from tieout.pull.proof.inquiry import Inquiry
from tieout.pull.proof.subject import Subject
from tieout.pull.reading import owned
from tieout.pull.reading.clock import DAILY, DEEP, STALE, earlier, passed, watermark, went_back
from tieout.pull.reading.course import Left
from tieout.pull.reading.decode import Decoder
from tieout.pull.reading.leaving import Leaving
from tieout.pull.reading.reader import Spent
from tieout.pull.reading.selection import Selection
from tieout.pull.report import Phase, Progress, PullReport
from tieout.pull.schema.columns import MODIFIED, choose
from tieout.pull.schema.drift import Drift, compare, sparse
from tieout.pull.schema.types import Column

if TYPE_CHECKING:
    from tieout.rest import Filter, Query


A_MOMENT: Final = 10.0
"""Seconds that the last pages of a read may take after the totals were asked for beside them: else these are asked for
again."""


class TablePull:
    """One pull of one table. `report` is filled as it goes; `state` is what the destination holds afterwards."""

    def __init__(self, job: TableJob) -> None:
        self.job = job
        self.report = PullReport(object=job.model.name, table=job.table, destination=str(job.destination))
        self.columns: list[Column] = []
        self.drift: Drift | None = None
        self.moment = ""
        """Intacct's clock when rows were last asked for."""
        self._rest_of: Backfill | None = None
        self._changed: Sequence[str] = ()
        self._unstamped, self._null_filter = False, True
        self._fill: tuple[str, ...] = ()
        self.low = ""
        """Changes from this moment on are read; "" where everything is. After `run`."""
        self._distrust = ""
        """Why the watermark is not believed."""
        self._run = uuid4().hex
        self._inquiry = Inquiry(report=self.report)
        self._selection = Selection.of(job.where, private=job.private).text()
        self._elsewhere = looks_elsewhere(job.model, job.where, job.owner)

    def run(self) -> PullReport:
        """Read and commit. Raises StoreError, BusyError, CheckError and whatever the client raises."""
        began = time.monotonic()
        if self.job.reset:
            self.report.notes += drop(self.job.destination, self._new)
        before = state = self._state(to_write=True)
        self.report.watermark_before = state.watermark
        refused = dict(self.job.client.memory.unqueryable(self.job.model.name))
        while True:
            self._plan(state, refused)
            try:
                self.state = self._read(state)
                break
            except _NoNullFilter:
                self._null_filter = False
            except IntacctError as error:
                field = refused_field(error)
                if field not in {c.path for c in self.columns} or field == "key" or self._needed(field):
                    raise
                refused[field] = error.message
                self.job.client.memory.keep_unqueryable(self.job.model.name, field, error.message)
        self._read_what_lay_idle(refused)
        self._read_past_a_wrong_clock(before.watermark, refused)
        self.report.watermark_after = self.state.watermark
        if self.drift is not None:
            self.report.notes += self.drift.notes(before.gone, before.fields)
            self.report.added, self.report.widened = self.drift.added, tuple(self.drift.widened)
        self.report.reason = explained(self.report, self.state, self._elsewhere)
        self.report.seconds = time.monotonic() - began
        return self.report

    def _read_what_lay_idle(self, refused: dict[str, str]) -> None:
        """The end of a read that began in another run is of another moment than its beginning: where it has not caught
        up itself, what changed before its place meanwhile is read now, not by the next run."""
        report, low = self.report, self.low
        if not report.resumed or (report.strategy == "full" and self.catches_up(1)):
            return
        told = report.strategy, report.reason
        self._inquiry = Inquiry(report=report)
        self._plan(self.state, refused)
        if report.strategy == "incremental":
            self.state = self._read(self.state)
        (report.strategy, report.reason), report.resumed = told, True
        self.low = min(low, self.low)

    def _read_past_a_wrong_clock(self, read_up_to: str, refused: dict[str, str]) -> None:
        """A watermark from a wrong clock hides what changed before it: then everything is read, up to a moment of the
        clock as it is now."""
        if self.report.strategy == "incremental" and went_back(self.moment, read_up_to):
            said = f"Intacct's clock says {self.moment} and said {read_up_to} before"
            self._distrust = f"{said}: one of the two was wrong"
            self._inquiry = Inquiry(report=self.report)
            self._plan(self.state, refused)
            self.state = self._read(self.state)

    def decide(self) -> TableState:
        """What `run` would read now, told in `report`, without reading -> what the destination holds."""
        state = self._state()
        self._plan(state, dict(self.job.client.memory.unqueryable(self.job.model.name)))
        self.report.reason = explained(self.report, state, self._elsewhere)
        self.state = state
        return state

    def reads(self, state: TableState) -> Filter | None:
        """Which rows that is; of lines without those that are read because their document changed. After `decide`."""
        from tieout.rest import F

        if self.report.strategy == "full":
            return self.job.where
        changed = F(MODIFIED) >= (self.low or state.watermark)
        return self._query(changed | self._filled() if self._fill else changed).where

    def catches_up(self, pages: int) -> bool:
        """Whether a full read of so many pages ends with what changed meanwhile. One page is one moment. Lines are
        brought by their documents, whose table is of an earlier moment by then: the next run reads them."""
        long = self.report.resumed or pages > 1
        return long and self.job.owner is None and any(column.path == MODIFIED for column in self.columns)

    @property
    def stamped(self) -> tuple[str, str] | None:
        """This table and its column of modified stamps, if every row has one. After `run`."""
        return (self.job.table, self.state.stamp) if self.state.stamped else None

    def prove(
        self, *, first: First | None = None, hard: bool = False, most: float = 0.2, children: Sequence[Child] = ()
    ) -> Sequence[Child]:
        """Compare the table with Intacct, and repair it where it differs -> the children as they are then. After `run`.

        `first` as of `conclude`, the rest as of its subject."""
        if not self.job.tie_out:
            self.tell("done")
            return children
        report, subject = self.report, self._subject(self.state)
        subject.hard, subject.most, subject.children = hard, most, list(children)
        began = time.monotonic()
        self.tell("proving")
        whole = report.strategy == "full" and not report.resumed
        found = conclude(subject, whole=whole, first=first, said=self._inquiry)
        self.state, report.tie_out, report.findings = found.state, found.lines, found.findings
        report.transactions += found.transactions
        report.missing += sum(one.gone for one in found.findings)
        report.seconds += time.monotonic() - began
        self.tell("done")
        return subject.children

    def _subject(self, state: TableState) -> Subject:
        job = self.job
        return Subject(
            client=job.client,
            model=job.model,
            destination=job.destination,
            state=state,
            columns=self.columns,
            where=job.where,
            private=job.private,
            share=job.share,
        )

    def tell(self, phase: Phase) -> None:
        """Progress: as many rows as there are came."""
        self.tell_rows(self.report.rows_read, self.report.rows_read, phase)

    def _state(self, *, to_write: bool = False) -> TableState:
        return claim(self.job.destination, self._new, self._selection, self.report.notes, to_write=to_write)

    @property
    def _new(self) -> TableState:
        """What the table would be if there were none."""
        job = self.job
        return TableState(
            table=job.table,
            object=job.model.name,
            company=job.company,
            environment=job.environment,
            entity=job.client.entity or "",
            parent=job.parent,
            lines=job.lines,
        )

    def _plan(self, state: TableState, refused: dict[str, str]) -> None:
        """Fields, columns, and whether to read all or what changed."""
        fields, self.report.left_out = choose(self.job.model, self.job.fields, refused)
        self.drift = compare(self.job.model, fields, state.columns, self.job.types)
        self.columns = self.drift.columns
        decision = choose_strategy(
            state,
            self.columns,
            selection=self._selection,
            full=self.job.full or self.job.reset or bool(self._distrust),
            retyped=self.drift.widened,
            sparse=[c.path for c in self.columns if sparse(fields[c.path], c)],
            elsewhere=self._elsewhere,
            documents_stamped=self.job.owner is None or self.job.owner_table is not None,
            wanted=self.job.strategy,
            null_filter=self._null_filter,
        )
        self.report.strategy, self.report.reason = decision.strategy, decision.reason or self._distrust
        self._rest_of, self._changed, self._unstamped = decision.rest_of, (), decision.unstamped
        self._fill = decision.fill
        self.low = ""
        if decision.strategy == "incremental":
            self.low = self._look_back(state)
            self._changed = self._changed_documents(self.low)
            if self._many_changed() and not self.job.since:  # of an ordinary day, or only of the long look-back
                self._changed = self._changed_documents(earlier(state.watermark, self.job.lookback))
            if self._many_changed():
                self.report.strategy, self._rest_of, self.low = "full", None, ""
                self.report.reason = f"{len(self._changed):,} documents changed"
        elif self.job.since:
            self.report.notes.append("read in full, so that everything since then is in it")
        self.report.resumed = self._rest_of is not None

    def _many_changed(self) -> bool:
        return len(self._changed) > owned.MANY_OWNERS

    def _look_back(self, state: TableState) -> str:
        """The moment from which on changes are read: records that were committed late lie behind the watermark."""
        job = self.job
        if job.since:
            self._rest_of = None
            return job.since
        back = job.lookback
        if back and passed(state.deep_at, DAILY):
            back = max(back, DEEP)
        low = earlier(state.watermark, back)
        return min(low, job.documents_low) if job.documents_low else low

    def _changed_documents(self, watermark: str) -> Sequence[str]:
        """For lines: their documents that changed since this table's watermark, before it moves."""
        owner, documents = self.job.owner, self.job.owner_table
        if owner is None or documents is None:
            return ()
        if self._owner_column is None:
            self.report.notes.append(f"{owner}.key is not read, so lines that were removed stay")
            return ()
        return self.job.destination.keys_since(*documents, watermark)

    @property
    def _owner_column(self) -> Column | None:
        return next((column for column in self.columns if column.path == f"{self.job.owner}.key"), None)

    def _read(self, state: TableState) -> TableState:
        """The main read: everything, or everything since the watermark."""
        job, report, begun = self.job, self.report, self._rest_of
        full = report.strategy == "full"
        marking = full and (begun.marking if begun else state.rows > 0)
        writer = TableWriter(
            job.destination,
            state,
            self.columns,
            report,
            self._run,
            gone=self.drift.gone if self.drift is not None else (),
            marking=marking,
            resumed=full and begun is not None,
            share=job.share,
        )
        with writer:
            filling = Filling(
                client=job.client,
                writer=writer,
                decoder=Decoder(self.columns, plain=job.destination.takes.plain),
                selection=self._selection,
                size=job.page_size,
                spent=Spent(report.pages, report.transactions),
                tell=lambda rows, total: self.tell_rows(rows, total, "reading"),
                share=job.share,
            )
            if full:
                reached, gone = self._everything(filling, state, marking=marking), None
                then = {"deep_at": reached, "unstamped_at": reached}
            else:
                reached, gone, then = self._changes(filling, state)
            self.tell_rows(report.rows_read, report.rows_read, "writing")
            writer.finish(selection=self._selection, watermark=reached, full=full, gone=gone, **then)
        self.moment = writer.moment
        return writer.state

    def _everything(self, filling: Filling, state: TableState, *, marking: bool) -> str:
        """All rows, then what changed meanwhile -> the moment up to which all is read."""
        from tieout.rest import F

        begun, query = self._rest_of, self._query()
        caught = tail = state.tail or begun.since if begun is not None else ""
        if begun is not None and tail and self.catches_up(2) and passed(tail, STALE):
            caught = filling.changes(self._query(F(MODIFIED) >= tail)) or tail
            filling.writer.checkpoint(selection=self._selection, backfill=begun, tail=caught)
        early = Aside(partial(self._ask, filling, state, early=True), self.job.share)
        ending = early.begin if self.catches_up(2) else None
        course = filling.everything(query, begun=begun, marking=marking, ending=ending)
        if early.begun:
            much_later = course.in_parts or early.seconds > A_MOMENT
            early.answer()
            filling.count()
            if much_later:
                self._inquiry = Inquiry(report=self.report)
        since = course.since or ""
        if since and self.catches_up(self.report.pages):
            since = max(since, caught)
            self._inquire(filling, state)
            if not self._inquiry.quiet_since(since):
                since = filling.catch_up(query, course, since)
        return since

    def _inquire(self, filling: Filling, state: TableState) -> None:
        """Ask Intacct for the totals of all rows: what the tie-out needs anyway says whether there is more to read."""
        self._ask(filling, state)
        filling.count()

    def _ask(self, filling: Filling, state: TableState, *, early: bool = False) -> None:
        if self.job.tie_out:
            stamp = next((column for column in self.columns if column.path == MODIFIED), None)
            self._inquiry.ask(self._subject(state), stamp, filling.spent, early=early)

    @property
    def asks_first(self) -> bool:
        """Whether Intacct is asked for totals before rows: where what changed since the last read is all there is to
        read. After `decide`."""
        besides = self._rest_of, self._changed, self._unstamped, self._fill, self.job.since
        return self.report.strategy == "incremental" and self.job.tie_out and not any(besides)

    def _changes(self, filling: Filling, state: TableState) -> tuple[str, Gone | None, dict[str, Any]]:
        """What changed -> the moment up to which all is read, lines that are gone, and what is true of the state
        besides."""
        from tieout.rest import F

        low, begun, nothing = self.low, self._rest_of, False
        then: dict[str, Any] = {}
        leaving, gone = self._leaving(state), None
        if self.asks_first:
            self._inquire(filling, state)
            nothing = self._inquiry.finds_nothing(self._subject(state), low)
            if self._inquiry.behind:
                low = self.low = min(self._inquiry.behind, low)
                self.report.notes.append(f"records were committed late: what changed since {low} is read")
        queries = self._queries(low)
        kept = leaving is None  # other documents may have changed next time
        if not kept:
            begun = None
        elif begun is not None:
            low = Left.read(begun.filter).low
            queries = self._queries(low)
        if self._fill:
            self._besides(filling, self._filled())
        if self._unstamped:
            then["unstamped_at"] = self._read_unstamped(filling)
        since = self._nothing(filling, then) if nothing else ""
        for query in queries if not nothing else ():
            began = filling.changes(query, low=low, begun=begun, kept=kept, lines=leaving)
            since = since or began
        if leaving is not None:
            gone = self._left(filling, leaving, state)
        if low > state.watermark or (leaving is not None and gone is None):  # not all that lies between is read
            return state.watermark, gone, {}
        deep = earlier(state.watermark, DEEP)
        if low > deep and self.job.lookback and since and passed(state.deep_at, DAILY, since):
            # This machine's clock is behind Intacct's.
            if not self._inquiry.quiet_since(deep):
                filling.changes(self._query((F(MODIFIED) >= deep) & (F(MODIFIED) < low)))
            low = deep
        if low <= deep and since:
            then["deep_at"] = since
        return max(since, state.watermark), gone, then

    def _leaving(self, state: TableState) -> Leaving | None:
        """For lines: those that the table has of documents that changed."""
        column = self._owner_column if self._changed else None
        return Leaving(self.job.destination, state.table, column, self._changed) if column is not None else None

    def _left(self, filling: Filling, leaving: Leaving, state: TableState) -> Gone | None:
        """The lines that did not come with their documents and do not come by their keys either; None where they are
        too many to go, so that they are looked for again next time."""
        rules = self.job.rules
        if rules.too_many(leaving.lost, state.rows):
            self.report.notes.append(rules.refusal(len(leaving.keys), state.rows))
            return None
        filling.confirm(self._query(), leaving)
        return Gone(keys=sorted(leaving.keys), hard=rules.hard)

    def _nothing(self, filling: Filling, then: dict[str, Any]) -> str:
        """There is nothing to read -> the moment up to which that is so."""
        told = self._inquiry.told
        filling.writer.asked(told.asked_at if told is not None else None)
        then["proven"] = self._inquiry.proven
        return watermark(told.asked_at if told is not None else None)

    def _read_unstamped(self, filling: Filling) -> str:
        """Rows whose stamp is null, which no other filter by stamp finds -> the moment it began."""
        from tieout.rest import F

        return self._besides(filling, F(MODIFIED) == None)  # noqa: E711 - a filter

    def _besides(self, filling: Filling, where: Filter) -> str:
        """Rows by a filter for null, or for what is not -> the moment it began."""
        try:
            return filling.changes(self._query(where))
        except (InvalidRequestError, RefusedError):
            raise _NoNullFilter from None

    def _filled(self) -> Filter:
        """Rows that have something in a new field."""
        from tieout.rest import F

        first, *others = (F(path) != None for path in self._fill)  # noqa: E711 - a filter
        for other in others:
            first = first | other
        return first

    def _queries(self, watermark: str) -> list[Query]:
        """The queries for what changed, each row in one of them; lines by their documents, the others by their own
        stamps."""
        from tieout.rest import F

        if self.job.owner is None or not self._changed:
            return [self._query(F(MODIFIED) >= watermark)]
        return [self._query(where) for where in owned.parts(self.job.owner, self._changed, watermark)]

    def _query(self, narrow: Filter | None = None) -> Query:
        """In the order of keys, also where it asks for what changed: a row that changes meanwhile stays in its place,
        so that pages can be read in any number at a time."""
        from tieout.rest import Query

        where = self.job.where
        if narrow is not None:
            where = narrow if where is None else where & narrow
        return Query(
            object=self.job.model.name,
            fields=tuple(column.path for column in self.columns),
            where=where,
            order_by=(("key", "asc"),),
            private=self.job.private,
        )

    def _needed(self, field: str) -> bool:
        return self.job.where is not None and any(c.path == field for c in self.job.where.conditions())

    def tell_rows(self, rows: int, total: int, phase: Phase) -> None:
        """Progress: so many of all."""
        if self.job.progress is not None:
            so_far = (self.report.pages, self.report.transactions, str(self.job.destination))
            self.job.progress(Progress(self.job.model.name, self.job.table, rows, total, phase, *so_far))


class _NoNullFilter(Exception):
    """Intacct takes no filter for what is null."""
