"""Proves that a table and Intacct agree: the same count, and the same exact sum of every money and number column.

One billable transaction a table, two where the company does not count and add up in one. Compares; never repairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from tieout.project.report import TieOutLine
from tieout.pull.destinations.base import Measure
from tieout.pull.proof.subject import Subject
from tieout.pull.proof.totals import Told, totals
from tieout.pull.reading.clock import DAILY, passed
from tieout.pull.schema.columns import own_sums
from tieout.pull.schema.types import Column


class Proof(msgspec.Struct):
    """The lines of one table, and what they cost in billable transactions."""

    lines: list[TieOutLine]
    transactions: int = 0

    @property
    def ties(self) -> bool:
        """Whether no line says otherwise."""
        return all(line.ties is not False for line in self.lines)


def tie_out(subject: Subject, *, whole: bool = False, told: Told | None = None, trust: bool = False) -> Proof:
    """One line for the rows, one for each money and number column. A sum that Intacct refuses is not provable.

    `whole`: every row has just been read, so reading every row again is no advice. `told`: what Intacct has said
    already, and was paid for. `trust`: what `trusted` knows is not measured again.

    Raises StoreError, and what the client raises where the rows cannot even be counted."""
    summed = own_sums(subject.columns, subject.model)
    ours = (trusted(subject, summed) if trust else None) or measured(subject, summed)
    if told is None:
        told = totals(subject, summed)
        return Proof(compared(subject, summed, ours, told, whole=whole), told.transactions)
    return Proof(compared(subject, summed, ours, told, whole=whole))


def trusted(subject: Subject, summed: Sequence[Column]) -> Measure | None:
    """What the table itself was found to hold when it was last proven, where tieout has written nothing since: for a
    day, since adding up many rows takes longer than all else of a pull that finds nothing.

    What people change in the table by hand is found when that day is over, or by `verify`, which measures always."""
    state, known = subject.state, subject.state.proven
    if known is None or known.version != state.version or passed(known.measured, DAILY):
        return None
    if any(column.path not in known.sums for column in summed):
        return None
    sums = {column.name: known.sums[column.path] for column in summed}
    return Measure(group=None, count=known.count, sums=sums, newest=known.newest or None)


def measured(subject: Subject, summed: Sequence[Column], *, newest: bool = False) -> Measure:
    """Count and sums of the table itself, and its latest stamp where `newest` wants it."""
    stamp = subject.stamp if newest else None
    (found,) = subject.destination.measure(subject.state.table, summed, stamp=stamp)
    return found


def compared(
    subject: Subject, summed: Sequence[Column], ours: Measure, told: Told, *, whole: bool = False
) -> list[TieOutLine]:
    """The lines."""
    name = subject.name
    lines = [_rows(name, ours.count, told.count, whole)]
    for column in summed:
        mine = ours.sums[column.name]
        if column.path in told.sums:
            lines.append(_compare(name, column, mine, told.sums[column.path], whole))
        else:
            note = f"Intacct would not sum it ({told.refused.get(column.path, 'refused')})"
            lines.append(unproven(name, f"sum {column.path}", mine or Decimal(0), note))
    if any(line.ties is False for line in lines):
        raw = subject.destination.misfits(subject.state.table)
        sums = [_explain_sum(line, raw.get(line.what.removeprefix("sum "), 0)) for line in lines[1:]]
        lines = [_explain_rows(lines[0], ours.count - told.count, raw.get("key", 0)), *sums]
    return lines


def unproven(subject: str, what: str, source: Decimal | int | None, note: str) -> TieOutLine:
    """A comparison that could not be made, and why."""
    return TieOutLine(subject=subject, what=what, source=source, intacct=None, note=note)


def _rows(subject: str, rows: int, intacct_rows: int, whole: bool) -> TieOutLine:
    difference = rows - intacct_rows
    note = ""
    if difference and whole:
        note = "rows came or went while they were read: pull again"
    elif difference > 0:
        note = "more here than in Intacct: run `tieout pull --full`, it marks rows that are gone"
    elif difference < 0:
        note = "fewer here than in Intacct: pull again; if that does not help, run `tieout pull --full`"
    return TieOutLine(
        subject=subject,
        what="rows",
        source=rows,
        intacct=intacct_rows,
        difference=difference,
        ties=difference == 0,
        note=note,
    )


def _explain_rows(line: TieOutLine, difference: int, keyless: int) -> TieOutLine:
    if difference >= 0 or not keyless:
        return line
    came = "1 row came without a key and lies" if keyless == 1 else f"{keyless:,} rows came without a key and lie"
    other = f"; {line.note}" if keyless < -difference else ""
    return msgspec.structs.replace(line, note=f"{came} raw in _tieout_misfits{other}")


def _compare(subject: str, column: Column, ours: Decimal | None, theirs: Decimal | None, whole: bool) -> TieOutLine:
    # The sum of no values is null on either side and means nothing is owed.
    source, intacct = _plain(ours), _plain(theirs)
    if not column.money:  # ten digits after the point are the column's, not the value's
        source, intacct = _short(source), _short(intacct)
    difference = source - intacct
    advice = "run `tieout pull --full`: rows are gone, or Intacct computes this field"
    if whole:
        advice = "changed while it was read, or Intacct sums other values than it shows"
    return TieOutLine(
        subject=subject,
        what=f"sum {column.path}",
        source=source,
        intacct=intacct,
        difference=difference,
        ties=difference == 0,
        note="" if difference == 0 else advice,
    )


def _plain(value: Decimal | None) -> Decimal:
    return Decimal(0) if value is None else value


def _short(value: Decimal) -> Decimal:
    """Without the zeros at the end, digit by digit: no context rounds it."""
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return value
    while exponent < 0 and len(digits) > 1 and digits[-1] == 0:
        digits, exponent = digits[:-1], exponent + 1
    return Decimal(0) if digits == (0,) else Decimal((sign, digits, exponent))


def _explain_sum(line: TieOutLine, raw: int) -> TieOutLine:
    if line.ties is not False or not raw:
        return line
    values = "1 value fits" if raw == 1 else f"{raw:,} values fit"
    return msgspec.structs.replace(line, note=f"{values} no column and lie raw in _tieout_misfits")
