"""Marks the rows of one table that are gone, with their lines: after a full read, by audit history, by all keys. What
the tie-out's closer look finds, `proof.repair` marks.

A row is gone when Intacct does not show it by its key either, asked for once more; and where too many would go at once,
none does. Knows which keys a table has and Intacct shows; which tables a run has is `run`'s business.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from tieout import catalogue
from tieout.errors import BudgetError, IntacctError, StoreError, TieoutError
from tieout.pull.deletes import audit
from tieout.pull.destinations.base import Child, Commit, Gone, Seen, Window
from tieout.pull.destinations.batch import Batch
from tieout.pull.destinations.state import Backfill, TableState
from tieout.pull.failures import is_connection_wide
from tieout.pull.filling import A_QUERY
from tieout.pull.plan.rules import Rules
from tieout.pull.reading.clock import STAMP
from tieout.pull.reading.decode import Decoder
from tieout.pull.reading.ordered import Place
from tieout.pull.reading.reader import Spent, Step, read
from tieout.pull.schema.types import Column, Kind
from tieout.pull.settings import MAX_PAGE
from tieout.store.crashpoints import reached

if TYPE_CHECKING:
    from tieout.project.report import TieOutLine
    from tieout.pull.proof.subject import Subject
    from tieout.pull.table import TablePull
    from tieout.rest import Query

KEY: Final = Column(path="key", name="key", kind=Kind.TEXT)
A_COMMIT: Final = 100_000
"""Keys of a sweep that an interruption may lose."""
GUARDED: Final = "rows that Intacct does not show were too many to be marked deleted at once: see the note"
MOST_IDS: Final = 500
"""Deleted ids of an audit history beyond which looking through all keys is cheaper."""


class Deletes:
    """The deletions of one table. After `TablePull.run`."""

    def __init__(self, pull: TablePull, lines: Sequence[tuple[TablePull, str]], rules: Rules) -> None:
        """`lines`: the pulls of its line tables, and the path of the reference to their document."""
        self.pull, self.lines, self.rules = pull, lines, rules
        self.spent = Spent()
        self._clock = ""
        self._guarded = False

    @property
    def pending(self) -> bool:
        """Whether all keys, or some, are known, and what is gone was not concluded from them: after a full read, or
        where a sweep stopped."""
        begun = self.pull.state.backfill
        return begun is not None and begun.kind == "sweep"

    def conclude(self) -> None:
        """Mark what a full read did not bring. Nothing else; it costs one transaction for 500 such rows."""
        if self.pending and self.pull.report.strategy == "full":
            self._paid(self._conclude)

    def prove(self) -> None:
        """Compare the table with Intacct. Where it has too many rows, the audit history is asked before a closer look;
        what is gone takes its lines along; and where too many would go, nothing is looked for."""
        most = 1.0 if self.rules.allow else self.rules.most
        after = self.pull.prove(first=self._first, hard=self.rules.hard, most=most, children=self._children())
        self._follow({child.state.table: child.state for child in after})
        report = self.pull.report
        if self._guarded:
            report.tie_out = [
                msgspec.structs.replace(one, note=GUARDED) if one.ties is False else one for one in report.tie_out
            ]

    def _first(self, subject: Subject, lines: Sequence[TieOutLine]) -> Literal["", "changed", "enough"]:
        """As `conclude` takes it."""
        surplus, rows, before = _surplus(lines), self.pull.state.rows, self.pull.report.missing
        if surplus <= 0:
            return ""
        if self.rules.too_many(surplus, rows):
            self._guard(surplus, rows)
            return "enough"
        self._paid(lambda: self._by_history(surplus))
        if self.pull.report.missing == before:
            return ""
        subject.state, subject.children = self.pull.state, self._children()
        return "changed"

    def look(self) -> bool:
        """Look through all keys where the tie-out still finds too many rows, where a sweep had stopped, or where its
        time has come -> whether rows were marked. After `prove`."""
        surplus, rows = _surplus(self.pull.report.tie_out), self.pull.state.rows
        scheduled = self.rules.due(self.pull.state.swept_at, self.pull.report.watermark_after)
        wanted = self.pending or scheduled or (surplus > 0 and self.rules.sweep != "never")
        reading = self.pull.state.backfill is not None and not self.pending  # another read has its place there
        if not wanted or reading or self.pull.report.strategy == "full":
            return False
        if self.rules.too_many(surplus, rows):
            self._guard(surplus, rows)
            return False
        before = self.pull.report.missing
        self._paid(self._sweep)
        return self.pull.report.missing > before

    def _paid(self, step: Callable[[], None]) -> None:
        """Take a step. What stops it is said; what it has done stays."""
        report = self.pull.report
        try:
            step()
        except BudgetError as error:
            self._note(f"looking for deleted rows is postponed: {error.message}")
        except IntacctError as error:
            if is_connection_wide(error):
                raise
            self._note(f"looking for deleted rows is postponed: {error}")
        finally:
            report.transactions += self.spent.transactions
            report.pages += self.spent.pages
            self.spent.transactions = self.spent.pages = 0

    # The three means -----------------------------------------------------------------------------------------------

    def _by_history(self, surplus: int) -> None:
        """What the audit history names, confirmed."""
        job, state = self.pull.job, self.pull.state
        since = state.swept_at or self.pull.report.watermark_before
        if not since or not audit.readable(job.client):
            return
        ids = audit.deleted(job.client, job.model.name, since)
        if ids is None:
            return
        self.spent.add(1)
        if len(ids) <= MOST_IDS:
            gone = self._confirmed(self._keys_of(ids))
            if gone and not self.rules.too_many(len(gone), state.rows):
                self._mark(gone, self._now(), swept=False)

    def _sweep(self) -> None:
        """Look through all keys, from where an earlier sweep stopped."""
        from tieout.rest.plans import pages_of

        job, state = self.pull.job, self.pull.state
        begun = state.backfill if self.pending else None
        if begun is not None and begun.position and not begun.last_key:
            self._conclude()  # a full read was complete, but what it did not bring was never marked
            return
        left = job.client.budget.left["transactions"] if job.client.budget is not None else None
        wanted = pages_of(max(state.rows - (begun.position if begun else 0), 0), MAX_PAGE) + 1
        if left is not None and left < wanted:
            self._note(
                f"looking for deleted rows is postponed: it takes {wanted:,} transactions, and the budget has {left:,}"
            )
            return
        after = Place(begun.position, begun.last_key) if begun and begun.position else None
        keys: list[str] = []
        last: Step | None = None
        first = begun is None
        try:
            query, decoder = self._query(), Decoder([KEY])
            steps = read(job.client, query, decoder, size=MAX_PAGE, after=after, spent=self.spent, share=job.share)
            with closing(steps):
                for step in steps:
                    keys, last = keys + step.page.batch.keys, step
                    if step.asked_at is not None:
                        self._clock = step.asked_at.strftime(STAMP)
                    self.pull.tell_rows(step.place.position, step.total, "sweeping")
                    reached("pull.keys_taken")
                    if len(keys) >= A_COMMIT:
                        self._keep(keys, first, step)
                        keys, first = [], False
        except (TieoutError, KeyboardInterrupt):
            if keys and last is not None:
                self._keep(keys, first, last)
            raise
        if keys and last is not None:
            self._keep(keys, first, last)
        elif first:
            self._keep([], first, None)
        self._conclude()

    def _conclude(self) -> None:
        """All keys are known: what the table has besides is gone, once that is confirmed."""
        state = self.pull.state
        limit = self.rules.limit(state.rows)
        unseen: list[str] = []
        with closing(_each(self.pull.job.destination.unseen(state.table))) as found:
            for key in found:
                unseen.append(key)
                if len(unseen) > limit:
                    break
        if len(unseen) > limit:
            count = sum(len(lot) for lot in self.pull.job.destination.unseen(state.table))
            self._guard(count, state.rows)
            gone: list[str] = []
        else:
            gone = self._confirmed(unseen)
        reached("pull.gone_confirmed")
        self._mark(gone, self._now(), swept=True)

    # Keys ----------------------------------------------------------------------------------------------------------

    def _keys_of(self, ids: Sequence[str]) -> list[str]:
        """Keys of live rows with these ids, or with these keys: what an audit history calls a record is not known."""
        to, state = self.pull.job.destination, self.pull.state
        found = dict.fromkeys(to.rows(state.table, ids, []))
        column = next((c for c in state.columns if c.path == "id" and c.kind is Kind.TEXT), None)
        for id in ids if column is not None else ():
            assert column is not None
            within = Window(column=column, low=id, high=id + "\x01")
            found |= dict.fromkeys(_each(to.keys(state.table, within=within)))
        return list(found)

    def _confirmed(self, keys: Sequence[str]) -> list[str]:
        """Those of the keys that Intacct does not show when it is asked for them. One transaction for 500."""
        from tieout.rest import F

        gone: list[str] = []
        job, spent = self.pull.job, Spent()
        try:
            for at in range(0, len(keys), A_QUERY):
                asked = keys[at : at + A_QUERY]
                query, these = self._query(), F("key").in_(asked)
                query = msgspec.structs.replace(query, where=these if query.where is None else query.where & these)
                there: set[str] = set()
                for step in read(job.client, query, Decoder([KEY]), size=MAX_PAGE, spent=spent, share=job.share):
                    there.update(step.page.batch.keys)
                gone += [key for key in asked if key not in there]
        finally:
            self.spent.add(spent.transactions)  # pages are those of rows
        return gone

    def _query(self) -> Query:
        from tieout.rest import Query

        job = self.pull.job
        return Query(
            object=job.model.name, fields=("key",), where=job.where, order_by=(("key", "asc"),), private=job.private
        )

    # Commits -------------------------------------------------------------------------------------------------------

    def _keep(self, keys: Sequence[str], first: bool, step: Step | None) -> None:
        """Keep the keys of a sweep so far, with the place: an interrupted one goes on from there."""
        state = self.pull.state
        place = step.place if step is not None else Place(0, "")
        now = self._now()
        begun = state.backfill
        backfill = Backfill(
            kind="sweep",
            since=begun.since if begun is not None else now,
            position=place.position,
            last_key=place.last_key,
            marking=True,
            rows_at_start=step.total if step is not None else 0,
        )
        after = msgspec.structs.replace(state, backfill=backfill)
        self._commit(after, now, seen=Seen(first=first, last=False, keys=keys))

    def _mark(self, gone: Sequence[str], now: str, *, swept: bool) -> None:
        """Mark rows and their lines. `swept`: with that all keys have been looked through."""
        state = self.pull.state
        if swept:
            state = msgspec.structs.replace(state, backfill=None, swept_at=now)
        seen = Seen(first=True, last=False) if swept else None
        self._commit(state, now, seen=seen, gone=Gone(keys=gone, hard=self.rules.hard))

    def _commit(self, after: TableState, now: str, *, seen: Seen | None, gone: Gone | None = None) -> None:
        pull = self.pull
        done = pull.job.destination.commit(
            Commit(
                before=pull.state,
                after=after,
                batch=Batch.empty([KEY]),
                synced=now,
                seen=seen,
                gone=gone,
                children=self._children() if gone is not None else (),
            )
        )
        pull.state = done.state
        pull.report.missing += done.gone
        self._follow(done.children)

    def _children(self) -> list[Child]:
        owned = [(line, c.name) for line, owner in self.lines for c in line.state.columns if c.path == f"{owner}.key"]
        return [*(Child(state=line.state, owner=name) for line, name in owned), *self._left()]

    def _left(self) -> Iterator[Child]:
        """Tables of lines that are not pulled any more: what they have goes with its documents all the same."""
        for table in self.pull.state.left:
            with suppress(StoreError):  # people may have dropped what nobody fills
                state = self.pull.job.destination.state(table)
                if state is None or state.parent != self.pull.state.table:
                    continue
                known = catalogue.owner(state.object)
                yield from (
                    Child(state=state, owner=c.name) for c in state.columns if known and c.path == f"{known[2]}.key"
                )

    def _follow(self, states: Mapping[str, TableState]) -> None:
        """Lines went with their documents: their tables are as these states say."""
        for line, _ in self.lines:
            after = states.get(line.state.table, line.state)
            line.report.missing += line.state.rows - after.rows
            line.state = after

    def _now(self) -> str:
        """Intacct's clock, as near as reading told it."""
        return self._clock or self.pull.moment

    def _guard(self, gone: int, rows: int) -> None:
        """Too many would go: none does."""
        self._guarded = True
        self.pull.report.guarded = gone
        self._note(self.rules.refusal(gone, rows))

    def _note(self, text: str) -> None:
        if text not in self.pull.report.notes:
            self.pull.report.notes.append(text)


def _surplus(lines: Sequence[TieOutLine]) -> int:
    """Rows that the table has more than Intacct counts; less than 0 where some lack."""
    line = next((line for line in lines if line.what == "rows"), None)
    return line.difference if line is not None and isinstance(line.difference, int) else 0


def _each(lots: Iterator[list[str]]) -> Generator[str, None, None]:
    """The keys of all lots; to be read to its end or closed."""
    try:
        for lot in lots:
            yield from lot
    finally:
        if isinstance(lots, Generator):
            lots.close()
