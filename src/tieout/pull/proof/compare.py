"""Proves that a table and Intacct agree: the same count, and the same exact sum of every money and number column.

Two billable transactions a table. Compares; never repairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tieout.catalogue.model import Model
from tieout.errors import CheckError, IntacctError, ReplyError, TieoutError
from tieout.project.report import TieOutLine
from tieout.pull.failures import is_connection_wide
from tieout.pull.proof.subject import Subject
from tieout.pull.schema.columns import own_sums
from tieout.pull.schema.types import Column

if TYPE_CHECKING:
    from tieout.rest import Filter, Intacct

MAX_TRIES = 6
"""Requests for the sums of one table: each one more is a field that the company refused by name."""
NOT_QUERYABLE = "REST-1106"


class Proof(msgspec.Struct):
    """The lines of one table, and what they cost in billable transactions: refused requests are not billed."""

    lines: list[TieOutLine]
    transactions: int = 0


class _Sums(msgspec.Struct):
    """Intacct's sums by path, and why the others are not there."""

    found: dict[str, Decimal | None]
    refused: dict[str, str]
    transactions: int = 0


def tie_out(subject: Subject, *, whole: bool = False) -> Proof:
    """One line for the rows, one for each money and number column. A sum that Intacct refuses is not provable.

    `whole`: every row has just been read, so reading every row again is no advice.

    Raises StoreError, and what the client raises where the rows cannot even be counted."""
    client, model, table = subject.client, subject.model, subject.state.table
    summed = own_sums(subject.columns, model)
    (measure,) = subject.destination.measure(table, summed)
    rows, ours = measure.count, measure.sums
    name = subject.name
    proof = Proof([_rows(name, rows, subject.count(), whole)], transactions=1)
    if not summed:
        return proof
    sums = _intacct_sums(client, model, summed, subject.where, subject.private)
    proof.transactions += sums.transactions
    for column in summed:
        mine = ours[column.name]
        if column.path in sums.found:
            proof.lines.append(_compare(name, column, mine, sums.found[column.path], whole))
        else:
            note = f"Intacct would not sum it ({sums.refused[column.path]})"
            proof.lines.append(unproven(name, f"sum {column.path}", mine or Decimal(0), note))
    if any(line.ties is False for line in proof.lines[1:]):
        raw = subject.destination.misfits(table)
        proof.lines = [_explain_sum(line, raw.get(line.what.removeprefix("sum "), 0)) for line in proof.lines]
    return proof


def unproven(subject: str, what: str, source: Decimal | int | None, note: str) -> TieOutLine:
    """A comparison that could not be made, and why."""
    return TieOutLine(subject=subject, what=what, source=source, intacct=None, note=note)


def _intacct_sums(
    client: Intacct, model: Model, columns: Sequence[Column], where: Filter | None, private: bool
) -> _Sums:
    """One request for all sums; what the company refuses is left out of the next try, and remembered where it was
    named."""
    learnt = client.memory.unqueryable(model.name)
    sums = _Sums({}, {c.path: "refused before" for c in columns if f"sum:{c.path}" in learnt})
    asked = [column for column in columns if column.path not in sums.refused]
    for number in range(1, MAX_TRIES + 1):
        if not asked:
            break
        try:
            sums.found = client.totals(model.name, [column.path for column in asked], where, private=private)
        except TieoutError as error:
            if is_connection_wide(error) and not isinstance(error, ReplyError):
                raise
            culprits = _culprits(error, asked) if number < MAX_TRIES else asked
            if isinstance(error, IntacctError) and error.error_id == NOT_QUERYABLE and len(culprits) == 1:
                client.memory.keep_unqueryable(model.name, f"sum:{culprits[0].path}", error.message)
            sums.refused |= dict.fromkeys([column.path for column in culprits], _reason(error))
            asked = [column for column in asked if column not in culprits]
        else:
            sums.transactions += 1
            break
    return sums


def _culprits(error: TieoutError, asked: Sequence[Column]) -> list[Column]:
    """The columns to leave out: those the refusal names; else the plain numbers, if money remains; else all."""
    named: set[str] = set()
    if isinstance(error, IntacctError):
        named = {error.placeholders.get("FIELD", "").removeprefix("sum:")}
    elif isinstance(error, CheckError):
        named = {problem.path.removeprefix("sum:") for problem in error.problems}
    found = [column for column in asked if column.path in named]
    numbers = [column for column in asked if not column.money]
    return found or (numbers if len(numbers) < len(asked) and numbers else list(asked))


def _reason(error: TieoutError) -> str:
    return error.error_id if isinstance(error, IntacctError) and error.error_id else error.message


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
