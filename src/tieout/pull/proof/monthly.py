"""Counts and sums of a table month by month of a date field, beside Intacct's own.

A query that groups by the date gives a row a day: usually two billable transactions. Knows one table.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from tieout.errors import IntacctError
from tieout.project.report import TieOutLine
from tieout.pull.failures import is_connection_wide
from tieout.pull.proof.compare import Proof, unproven
from tieout.pull.proof.subject import Subject
from tieout.pull.schema.columns import own_sums
from tieout.pull.schema.types import EXACT, Column, Kind


class _Month(msgspec.Struct):
    """What one side holds of a month."""

    rows: int = 0
    sums: list[Decimal] = msgspec.field(default_factory=list)

    def add(self, rows: int, sums: Iterable[Decimal]) -> None:
        self.rows += rows
        self.sums = [EXACT.add(one, more) for one, more in zip(self.sums, sums, strict=True)]


def by_month(subject: Subject, field: str) -> Proof:
    """A line for the rows of each month, and for each money column whose sum differs in it; nothing for a table
    without that date field.

    Raises StoreError, and what the client raises where no request would do better."""
    column = next((c for c in subject.columns if c.path == field and c.kind in (Kind.DATE, Kind.TIMESTAMP)), None)
    if column is None:
        return Proof([])
    money = [c for c in own_sums(subject.columns, subject.model) if c.money]
    try:
        theirs, transactions = _theirs(subject, column, money)
    except IntacctError as error:
        if is_connection_wide(error):
            raise
        note = f"Intacct would not count by {field} ({error.error_id or error.message})"
        return Proof([unproven(subject.name, f"months of {field}", None, note)])
    ours = _ours(subject, column, money)
    return Proof(
        [line for month in sorted({*ours, *theirs}) for line in _lines(subject, month, money, ours, theirs)],
        transactions,
    )


def _ours(subject: Subject, column: Column, money: Sequence[Column]) -> dict[str, _Month]:
    found = _months(money)
    for measure in subject.destination.measure(subject.state.table, money, by=column):
        sums = [measure.sums[c.name] or Decimal(0) for c in money]
        found[_month(measure.group)].add(measure.count, sums)
    return found


def _theirs(subject: Subject, column: Column, money: Sequence[Column]) -> tuple[dict[str, _Month], int]:
    what = ["count:key", *(f"sum:{c.path}" for c in money)]
    rows = subject.client.aggregate(subject.model.name, what, subject.where, by=[column.path], private=subject.private)
    found = _months(money)
    count = 0
    for row in rows:
        count += 1
        sums = [_number(row[name]) for name in what[1:]]
        found[_month(row[column.path])].add(int(_number(row["count:key"])), sums)
    return found, 1 + count // 4000


def _months(money: Sequence[Column]) -> dict[str, _Month]:
    return defaultdict(lambda: _Month(sums=[Decimal(0)] * len(money)))


def _month(day: object) -> str:
    return "without" if day is None else str(day)[:7]


def _number(value: object) -> Decimal:
    return Decimal(0) if value is None else Decimal(str(value))


def _lines(
    subject: Subject, month: str, money: Sequence[Column], ours: dict[str, _Month], theirs: dict[str, _Month]
) -> list[TieOutLine]:
    here, there = ours[month], theirs[month]
    lines = [_line(subject, f"rows {month}", here.rows, there.rows)]
    for column, mine, other in zip(money, here.sums, there.sums, strict=True):
        if mine != other:
            lines.append(_line(subject, f"sum {column.path} {month}", mine, other))
    return lines


def _line(subject: Subject, what: str, ours: Decimal | int, theirs: Decimal | int) -> TieOutLine:
    difference = EXACT.subtract(Decimal(ours), Decimal(theirs)) if isinstance(ours, Decimal) else ours - int(theirs)
    return TieOutLine(
        subject=subject.name, what=what, source=ours, intacct=theirs, difference=difference, ties=ours == theirs
    )
