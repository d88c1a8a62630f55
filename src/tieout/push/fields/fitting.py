"""What cannot work in an entry for a field, whatever the rows hold: found before the first row.

What an entry is in itself is `columns.shape`'s; what a row makes of it, `expressions`'.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from tieout.catalogue.model import Field
from tieout.push.fields.columns import Column, Plain
from tieout.push.fields.expressions import literal
from tieout.push.fields.values import Misfit, convert, numeric

_AS_IS = Column()
_SAMPLE = date(2026, 1, 31)


def problems(column: Column, field: Field, nested: bool = False) -> Iterator[tuple[str, str, str]]:
    """(where in the entry, reason, nearest) for all that cannot work for a field, whatever the rows hold."""
    yield from ((("", reason, "")) for reason in _mismatches(column, field))
    for pattern in column.date_formats:
        if not _reads_days(pattern):
            yield "date", f'{pattern!r} does not tell year, month and day; it is written like "%m/%d/%Y"', ""
    if column.date_out is not None and not _writes_days(column.date_out):
        yield "date_out", f"{column.date_out!r} is no way to write a date", ""
    for where, value in _literals(column, nested):
        if column.calculates or column.turns_dates or column.lookup is not None:
            continue  # it is changed before it comes to the field
        try:
            convert(literal(value, field), field, _AS_IS)
        except Misfit as misfit:
            yield where, f"{value!r} {misfit.reason}", misfit.nearest
    for number, part in enumerate(column.concat or (), 1):
        if isinstance(part, Column):
            yield from _within(f"concat {number}", part, Field())
    for number, part in enumerate(column.coalesce or (), 1):
        if isinstance(part, Column):
            yield from _within(f"coalesce {number}", part, field)
    for number, clause in enumerate(column.when or (), 1):
        if isinstance(clause.then, Column):
            yield from _within(f"when {number}, then", clause.then, field)
    if isinstance(column.otherwise, Column):
        yield from _within("else", column.otherwise, field)


def _within(where: str, part: Column, field: Field) -> Iterator[tuple[str, str, str]]:
    for inside, reason, near in problems(part, field, nested=True):
        yield f"{where}, {inside}" if inside else where, reason, near


def _mismatches(column: Column, field: Field) -> Iterator[str]:
    plain = field.type == "string" and field.enum is None
    number = numeric(field) or (field.format or "").startswith("percent-precision")
    if column.calculates and not (number or (plain and field.format is None)):
        yield f"calculates a number, which does not belong into {_kind(field)}"
    if column.turns_dates and column.date_out is None and not (plain and not number):
        yield f"gives a date, which does not belong into {_kind(field)}"
    if column.date_out is not None and not (plain and field.format is None):
        yield f"writes a date with date_out, but {_kind(field)} has a form of its own; leave date_out out"
    if column.lookup is not None and not (plain and field.format is None):
        yield f"has a lookup, which gives an id or a key and not {_kind(field)}"


def _kind(field: Field) -> str:
    """What a field holds, in words."""
    if field.enum is not None:
        return f"one of {', '.join(str(word) for word in field.enum if word)}"
    if field.type == "boolean":
        return "true or false"
    if field.format in ("date", "date-time"):
        return "a date" if field.format == "date" else "a time"
    return "a number" if numeric(field) else "a text"


def _literals(column: Column, nested: bool) -> Iterator[tuple[str, Plain]]:
    if column.constant is not None and nested:
        yield "constant", column.constant
    if column.default is not None and nested:
        yield "default", column.default
    for word, value in (column.map or {}).items():
        if value != "":
            yield f"map {word!r}", value
    for number, clause in enumerate(column.when or (), 1):
        if clause.then is not None and clause.then != "" and not isinstance(clause.then, Column):
            yield f"when {number}, then", clause.then
    if column.otherwise is not None and column.otherwise != "" and not isinstance(column.otherwise, Column):
        yield "else", column.otherwise


def _reads_days(pattern: str) -> bool:
    try:
        return datetime.strptime(_SAMPLE.strftime(pattern), pattern).date() == _SAMPLE  # noqa: DTZ007 - a calendar date
    except ValueError:
        return False


def _writes_days(pattern: str) -> bool:
    try:
        return bool(_SAMPLE.strftime(pattern))
    except ValueError:
        return False
