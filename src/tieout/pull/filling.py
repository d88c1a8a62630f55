"""Fills a table: runs the queries of a read one after the other into its writer, and leaves a place where it stops.

Knows how a read goes on, and is cut, where Intacct fails; what is to be read is `table`'s business.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from itertools import combinations
from typing import TYPE_CHECKING, Final

import msgspec

from tieout.errors import (
    BudgetError,
    NotAuthorisedError,
    ServerError,
    ThrottledError,
    TieoutError,
    TokenRefusedError,
    UnreachableError,
)
from tieout.pull.abreast import Share
from tieout.pull.destinations.commit import TableWriter
from tieout.pull.destinations.state import Backfill
from tieout.pull.reading.clock import watermark
from tieout.pull.reading.course import Course
from tieout.pull.reading.decode import Decoder
from tieout.pull.reading.leaving import Leaving
from tieout.pull.reading.reader import Spent, Step, read
from tieout.pull.reading.windows import AS_TEXT, by_digit, end, halves, narrowed, timed_out
from tieout.pull.schema.columns import MODIFIED

if TYPE_CHECKING:
    from collections.abc import Callable

    from tieout.rest import Intacct, Query

STOPS: Final = (
    BudgetError,
    UnreachableError,
    NotAuthorisedError,
    TokenRefusedError,
    ThrottledError,
    ServerError,
    KeyboardInterrupt,
)
"""What ends a read whose rows are good: they are committed, with the place."""
MOST_CATCH_UPS = 3
A_QUERY: Final = 500
"""Keys in one question: a filter of a size that any server takes."""
SAMPLE = 64
"""Keys of the table among which two are looked for that show how Intacct compares keys."""


class Filling(msgspec.Struct, kw_only=True):
    """One read of one table under way. The client's errors are raised as they are, after what came is committed."""

    client: Intacct
    writer: TableWriter
    decoder: Decoder
    selection: str
    size: int
    spent: Spent
    tell: Callable[[int, int], None]
    """Rows so far, rows in all."""
    share: Share

    def everything(
        self, query: Query, *, begun: Backfill | None, marking: bool, ending: Callable[[], None] | None = None
    ) -> Course:
        """All rows, or the rest of an earlier run's read. `ending` as of `read`, where it is not read in parts."""
        if begun is None:
            course = Course(kind="full", marking=marking, size=self.size)
        else:
            course = Course.resumed(begun, size=self.size, agree=self.agree(query))
        self._run(query, course, ending=ending)
        return course

    def changes(
        self,
        query: Query,
        *,
        low: str = "",
        begun: Backfill | None = None,
        kept: bool = False,
        lines: Leaving | None = None,
        place: Course | None = None,
    ) -> str:
        """The rows of a query for what changed -> Intacct's clock when it began, less the overlap. `kept`: where it
        stops the next run goes on, and finds `low` again. `lines`: told of what comes. `place`: the read beside which
        this one is made."""
        if begun is None:
            course = Course(kind="changes", size=self.size, low=low)
        else:
            course = Course.resumed(begun, size=self.size, agree=self.agree(query))
        self._run(query, course, lines=lines, place=course if kept else place)
        return course.since or ""

    def confirm(self, query: Query, lines: Leaving) -> None:
        """Ask by their keys for lines that did not come with their documents. One transaction for 500."""
        from tieout.rest import F

        keys = sorted(lines.keys)
        for at in range(0, len(keys), A_QUERY):
            self.changes(narrowed(query, F("key").in_(keys[at : at + A_QUERY])), lines=lines)

    def catch_up(self, query: Query, place: Course, since: str) -> str:
        """What changed since a long read began, until there is little of it -> the moment up to which all is read."""
        from tieout.rest import F

        for _ in range(MOST_CATCH_UPS):
            before = self.writer.report.rows_read
            since = self.changes(narrowed(query, F(MODIFIED) >= since), place=place) or since
            if self.writer.report.rows_read - before <= self.size:
                break
        return since

    def agree(self, query: Query) -> bool:
        """Whether filters by key follow the order of keys. Where nobody knows yet, two keys of the table are asked for
        and compared: two transactions, once for an object of a company."""
        from tieout.rest import F

        object, private = query.object, query.private
        known = self.client.keys_agree(object, private=private)
        table = self.writer.state.table
        self.writer.settle()
        if known is None and self.writer.state.version:
            sample = [key for key in self.writer.destination.quantiles(table, SAMPLE) if key.isdecimal()]
            pair = next(((a, b) for a, b in combinations(sample, 2) if (int(a) < int(b)) != (a < b)), None)
            if pair is not None:
                keys = self._keys(msgspec.structs.replace(query, where=F("key").in_(pair)))
                known = self.client.keys_agree(object, keys, private=private)
                self.spent.add(int(known is not None))
        return known is True

    # One read ------------------------------------------------------------------------------------------------------

    def _run(
        self,
        query: Query,
        course: Course,
        *,
        lines: Leaving | None = None,
        place: Course | None = None,
        ending: Callable[[], None] | None = None,
    ) -> None:
        """Read all windows of a course. `place` is what a stop leaves to the next run, the course itself where it is
        of everything."""
        place = course if course.kind == "full" else place
        before = self.writer.report.rows_read if not course.position else 0
        try:
            while course.windows:
                try:
                    self._window(query, course, lines, place, before, None if course.in_parts else ending)
                except TieoutError as error:
                    if not timed_out(error) or not self._cut(query, course):
                        raise
                else:
                    course.done()
        except STOPS:
            if self.writer.holds:
                self._checkpoint(place)
            raise
        finally:
            self.count()

    def _window(
        self,
        query: Query,
        course: Course,
        lines: Leaving | None,
        place: Course | None,
        before: int,
        ending: Callable[[], None] | None,
    ) -> None:
        asked = course.windows[0].of(query)
        steps = read(
            self.client,
            asked,
            self.decoder,
            size=course.size,
            after=course.after,
            spent=self.spent,
            share=self.share,
            ending=ending,
        )
        with closing(steps):
            for step in steps:
                self._take(step, course, lines, place)
                self.count()
                self.tell(before + course.position, before + max(course.total, course.base + step.total))

    def count(self) -> None:
        """What it has cost so far."""
        report = self.writer.report
        report.pages, report.transactions = self.spent.pages, self.spent.transactions

    def _take(self, step: Step, course: Course, lines: Leaving | None, place: Course | None) -> None:
        if course.since is None:
            course.since = watermark(step.asked_at)
        if lines is not None:
            lines.took(step.page.batch)
        self.writer.add(step.page.batch, step.page.misfits, step.asked_at)
        course.took(step)
        if self.writer.due:
            self._checkpoint(place)

    def _checkpoint(self, place: Course | None) -> None:
        other = self.writer.state.backfill
        kept = place is not None and (place.kind == "full" or other is None or other.kind == "changes")
        self.writer.checkpoint(selection=self.selection, backfill=place.backfill() if place and kept else None)

    def _cut(self, query: Query, course: Course) -> bool:
        """Whether the first window can be read in parts."""
        course.agree = course.agree or self.client.keys_agree(query.object, private=query.private) is True
        rest, limit = course.rest(), 0
        if not rest.upto and not course.as_text:
            limit = end(rest, lambda key: self._beyond(query, key)) or 0
            if not limit:
                return False
            course.as_text = limit == AS_TEXT
        found = by_digit(rest) if course.as_text else halves(rest, limit)
        if not found:
            return False
        course.base = course.position if rest != course.windows[0] else course.base
        course.windows[:1], course.after, course.in_parts = found, None, True
        return True

    def _beyond(self, query: Query, key: int) -> bool | None:
        from tieout.rest import F

        try:
            return bool(self._keys(narrowed(query, F("key") > str(key))))
        except TieoutError as error:
            if timed_out(error):
                return None
            raise

    def _keys(self, query: Query) -> Sequence[str]:
        """The first two keys that a query finds."""
        from tieout.rest.keyset import keys_only
        from tieout.rest.operations import query_page

        page = self.client.call(query_page(msgspec.structs.replace(query, fields=("key",)), 1, 2, keys_only))
        self.spent.add(1)
        return page.rows
