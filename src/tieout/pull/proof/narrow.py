"""Narrows a difference between a copy and Intacct to windows of modified stamps, by few aggregates, each of which costs
one billable transaction. Reads no rows of Intacct and compares none: that is `search`.

A page of rows costs what an aggregate costs, so a window that fits into a few pages is not divided further.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from tieout.errors import IntacctError
from tieout.pull.destinations.base import Window
from tieout.pull.failures import is_connection_wide
from tieout.pull.proof.subject import Subject
from tieout.pull.schema.types import EXACT, Column

PAGE = 4000
"""Rows a transaction (REST reference 5.1)."""
PROBES = 24
"""Aggregates that narrowing may cost."""
READ_AT_ONCE = 3 * PAGE
"""So few rows are read without narrowing."""
CUTS = 1024
FLOOR = "1900-01-01T00:00:00Z"
"""Before every stamp. Whether `less than` holds for null is not known, so that no window is open below."""


class Measured(msgspec.Struct, frozen=True):
    """What is compared of a part: its rows, or the sums that differ of the whole."""

    paths: tuple[str, ...]
    """Paths of the sums; none means the rows."""


class Narrowed(msgspec.Struct, kw_only=True):
    """Windows that hold the difference; None is the whole table."""

    windows: list[Window | None]
    transactions: int = 0
    complete: bool = True
    """False: windows are left that were not divided as far as they could be."""


def narrow(subject: Subject, measured: Measured) -> Narrowed:
    """The parts of the table that differ. At most `PROBES` transactions.

    Raises what the client raises for errors that any request would meet."""
    stamp = subject.stamp
    rows = subject.state.rows
    if stamp is None or rows <= READ_AT_ONCE:
        return Narrowed(windows=[None])
    try:
        return _Narrowing(subject, measured, stamp).run()
    except IntacctError as error:
        if is_connection_wide(error):
            raise
        return Narrowed(windows=[None], transactions=0)  # this filter or aggregate is refused: read what fits


class _Part(msgspec.Struct, frozen=True):
    """Windows `first` to `last`, without it, and how the two sides differ there."""

    first: int
    last: int
    ours: tuple[Decimal, ...]
    theirs: tuple[Decimal, ...]
    rows: int
    """On our side."""

    @property
    def differs(self) -> bool:
        return self.ours != self.theirs


class _Narrowing:
    def __init__(self, subject: Subject, measured: Measured, stamp: Column) -> None:
        self._subject, self._paths, self._stamp = subject, measured.paths, stamp
        self._sums = [c for c in subject.columns if c.path in measured.paths]
        self._spent = 0
        self._cuts = self._sampled()

    def run(self) -> Narrowed:
        found: list[Window | None] = []
        without = Window(column=self._stamp, null=True)
        whole, none_stamped = self._both(None), self._both(without)
        if none_stamped.differs:
            found.append(without)
        start = _Part(
            0,
            len(self._cuts) + 1,
            _less(whole.ours, none_stamped.ours),
            _less(whole.theirs, none_stamped.theirs),
            whole.rows - none_stamped.rows,
        )
        todo = [start] if start.differs else []
        while todo:
            part = todo.pop()
            if part.last - part.first == 1 or part.rows <= PAGE or self._spent >= PROBES:
                found.append(self._window(part.first, part.last))
                continue
            middle = (part.first + part.last) // 2
            left = self._both(self._window(part.first, middle))
            left = msgspec.structs.replace(left, first=part.first, last=middle)
            right = _Part(
                middle,
                part.last,
                _less(part.ours, left.ours),
                _less(part.theirs, left.theirs),
                part.rows - left.rows,
            )
            todo += [half for half in (right, left) if half.differs]
        return Narrowed(windows=found, transactions=self._spent, complete=self._spent < PROBES)

    def _both(self, window: Window | None) -> _Part:
        self._spent += 1
        (ours,) = self._subject.destination.measure(self._subject.state.table, self._sums, within=window)
        if not self._paths:
            counted = Decimal(self._subject.count(window))
            return _Part(0, 0, (Decimal(ours.count),), (counted,), ours.count)
        by_path = {column.path: ours.sums[column.name] or Decimal(0) for column in self._sums}
        theirs = self._subject.totals(self._paths, window)
        return _Part(0, 0, tuple(by_path[path] for path in self._paths), tuple(theirs), ours.count)

    def _window(self, first: int, last: int) -> Window:
        """Window number n begins at cut n - 1; the last is open."""
        low = self._cuts[first - 1] if first else FLOOR
        high = self._cuts[last - 1] if last <= len(self._cuts) else None
        return Window(column=self._stamp, low=low, high=high)

    def _sampled(self) -> list[str]:
        """Stamps that cut the rows into about equal parts: those of rows at regular places in the order of keys."""
        table, to = self._subject.state.table, self._subject.destination
        keys = to.quantiles(table, min(CUTS, 2 * self._subject.state.rows // PAGE + 2))
        found = (row[self._stamp.path] for row in to.rows(table, keys, [self._stamp]).values())
        return sorted({str(stamp) for stamp in found if stamp is not None}, key=_moment)


def _moment(stamp: str) -> str:
    """`.` comes before `Z`: without it, texts are in the order of time."""
    return stamp.rstrip("Z")


def _less(whole: Sequence[Decimal], part: Sequence[Decimal]) -> tuple[Decimal, ...]:
    return tuple(EXACT.subtract(one, other) for one, other in zip(whole, part, strict=True))
