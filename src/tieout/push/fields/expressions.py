"""Expressions of the [fields] table, carried out row by row. They are data; no code is run.

Every expression becomes a function of one row's values -> a value, or None for blank. What it cannot do it refuses with
Misfit, naming the cell; it raises nothing else, whatever a row holds. Knows no file and no company.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Context, Decimal, Inexact, InvalidOperation
from typing import Any, TypeAlias

from tieout.catalogue.model import Field
from tieout.push.fields.columns import (
    BooleanFormat,
    Column,
    Equals,
    NumberFormat,
    Plain,
    When,
    as_column,
    columns_of,
    inner,
    pieces,
)
from tieout.push.fields.lookups import Lookup, Wanted
from tieout.push.fields.values import Misfit, convert, date_of, near, number_of, numeric, text_of

Step: TypeAlias = Callable[[Mapping[str, Any]], object]
"""One row's values -> what an expression makes of them; None is blank. Raises Misfit only."""

_AS_IS = Column()
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ROUNDING = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "down": ROUND_DOWN}
_EXACT = Context(prec=700, traps=[Inexact, InvalidOperation])
"""Products of cells (100 digits and as many decimals each) are exact; should one ever not be, it is refused."""


LookupOf: TypeAlias = Callable[[Column], Lookup]
"""The resolved look-up of an entry that has one."""


def compiled(column: Column, field: Field, trims: bool, lookup_of: LookupOf) -> Step:
    """An entry -> its function. What `problems` names must have been refused before.

    With `trims`, cells are text around which white space means nothing. The outermost entry's `default` and the formats
    of its cells are left to the caller, who converts what comes out for the field."""
    return _Compiler(trims, lookup_of).step(column, field, outer=True)


def cell(values: Mapping[str, Any], column: str) -> object:
    """A column's value; in a JSON record `column` may be a dotted path."""
    if column in values:
        return values[column]
    here: object = values
    for part in column.split("."):
        if not isinstance(here, Mapping) or part not in here:
            return None
        here = here[part]
    return here


def is_blank(raw: object) -> bool:
    return raw is None or (isinstance(raw, str) and not raw.strip())


def label(column: Column) -> str:
    """What messages call the place that an entry reads: the columns that give its value, not those that are tested."""
    return " + ".join(dict.fromkeys(_giving(column)) or dict.fromkeys(name for name, _ in columns_of(column)))


def _giving(column: Column) -> Iterator[str]:
    if column.when is None:
        yield from (name for name, _ in columns_of(column))
        return
    for _, part in inner(column):
        yield from _giving(part)


class _Compiler:
    def __init__(self, trims: bool, lookup_of: LookupOf) -> None:
        self._trims = trims
        self._lookup_of = lookup_of

    def step(self, column: Column, field: Field | None, outer: bool = False) -> Step:
        source = self._source(column, field)
        changes = list(self._changes(column, field, outer))
        default = literal(column.default, field) if column.default is not None and not outer else None
        if not changes and default is None:
            return source
        name = label(column)

        def run(values: Mapping[str, Any]) -> object:
            raw = value = source(values)
            if value is None:
                return default
            try:
                for change in changes:
                    value = change(value, values)
                    if value is None:
                        return default
            except Misfit as misfit:
                if not misfit.column:
                    misfit.column, misfit.raw = name, raw
                raise
            return value

        return run

    # Where a value comes from --------------------------------------------------------------------------------------

    def _source(self, column: Column, field: Field | None) -> Step:
        if column.column is not None:
            return self._cell(column.column, column.trim)
        if column.constant is not None:
            return _always(literal(column.constant, field))
        if column.text is not None:
            return self._concat(pieces(column.text), column.trim)
        if column.concat is not None:
            return self._concat(column.concat, column.trim)
        if column.coalesce is not None:
            return self._coalesce(column.coalesce, field, column.trim)
        if column.when is not None:
            return self._when(column.when, column.otherwise, column, field)
        return _always("")  # a look-up by several columns reads them itself

    def _cell(self, name: str, trim: bool) -> Step:
        strips = self._trims and trim

        def read(values: Mapping[str, Any]) -> object:
            raw = cell(values, name)
            if isinstance(raw, str):
                bare = raw.strip()
                if not bare:
                    return None
                return bare if strips else raw
            return raw

        return read

    def _part(self, part: str | Column, field: Field | None, trim: bool) -> Step:
        return self._cell(part, trim) if isinstance(part, str) else self.step(part, field)

    def _concat(self, parts: tuple[str | Column, ...], trim: bool) -> Step:
        steps = [(self._part(part, None, trim), label(as_column(part))) for part in parts]

        def join(values: Mapping[str, Any]) -> object:
            words = []
            for step, name in steps:
                value = step(values)
                if value is None:
                    return None
                words.append(_single(value, name, text_of))
            return "".join(words)

        return join

    def _coalesce(self, parts: tuple[str | Column, ...], field: Field | None, trim: bool) -> Step:
        steps = [self._part(part, field, trim) for part in parts]
        return lambda values: next((value for step in steps if (value := step(values)) is not None), None)

    def _when(
        self, clauses: tuple[When, ...], otherwise: Plain | Column | None, column: Column, field: Field | None
    ) -> Step:
        table = [(self._tests(clause, column), self._outcome(clause.then, field), clause) for clause in clauses]
        last = self._outcome(otherwise, field)

        def choose(values: Mapping[str, Any]) -> object:
            for test, outcome, clause in table:
                if test(values):
                    if clause.refuse is not None:
                        names = list(clause.tests)
                        raise Misfit(clause.refuse, column=" + ".join(names), raw=cell(values, names[0]))
                    return outcome(values)
            return last(values)

        return choose

    def _outcome(self, then: Plain | Column | None, field: Field | None) -> Step:
        if isinstance(then, Column):
            return self.step(then, field)
        return _always(None if then is None or then == "" else literal(then, field))

    def _tests(self, clause: When, column: Column) -> Callable[[Mapping[str, Any]], bool]:
        tests = [(self._cell(name, column.trim), name, test) for name, test in clause.tests.items()]
        style = column.number

        def hold(values: Mapping[str, Any]) -> bool:
            for read, name, test in tests:
                raw = read(values)
                if not _single(raw, name, lambda value, test=test: _holds(test, value, style)):  # type: ignore[misc]
                    return False
            return True

        return hold

    # What becomes of it --------------------------------------------------------------------------------------------

    def _changes(
        self, column: Column, field: Field | None, outer: bool
    ) -> Iterator[Callable[[object, Mapping[str, Any]], object]]:
        if column.map is not None:
            yield self._map(column, field)
        if column.turns_dates or (column.date is not None and not outer):
            yield _dates(column)
        if column.calculates or (column.number is not None and not outer and column.when is None):
            yield self._arithmetic(column)
        if column.boolean is not None and not outer:
            yield _booleans(column.boolean)
        if column.lookup is not None:
            yield self._asks(column, self._lookup_of(column))

    def _map(self, column: Column, field: Field | None) -> Callable[[object, Mapping[str, Any]], object]:
        assert column.map is not None
        table = {word: None if value == "" else literal(value, field) for word, value in column.map.items()}
        words = tuple(table)
        otherwise = self._outcome(column.otherwise, field) if column.otherwise is not None else None

        def translate(raw: object, values: Mapping[str, Any]) -> object:
            word = text_of(_scalar(raw))
            if word in table:
                return table[word]
            if otherwise is not None:
                return otherwise(values)
            raise Misfit("is not in the map of this field", near(word, words))

        return translate

    def _arithmetic(self, column: Column) -> Callable[[object, Mapping[str, Any]], object]:
        style = column.number
        multiply, divide = self._factor(column.multiply, column), self._factor(column.divide, column)

        def work(raw: object, values: Mapping[str, Any]) -> object:
            number = number_of(_scalar(raw), style)
            if multiply is not None:
                factor = multiply(values)
                if factor is None:
                    return None
                number = _EXACT.multiply(number, factor)
            divisor = Decimal(1)
            if divide is not None:
                factor = divide(values)
                if factor is None:
                    return None
                divisor = factor
                if not divisor:
                    raise Misfit("divides by zero", column=str(column.divide), raw=cell(values, str(column.divide)))
            if column.negate:
                number = -number
            if column.absolute:
                number, divisor = abs(number), abs(divisor)
            if column.round is not None:
                number = quotient(number, divisor, column.round, column.rounding)
            return number if number else Decimal(0).scaleb(-(column.round or 0))

        return work

    def _factor(
        self, factor: int | float | str | None, column: Column
    ) -> Callable[[Mapping[str, Any]], Decimal | None] | None:
        if factor is None:
            return None
        if not isinstance(factor, str):
            fixed = number_of(factor)
            return lambda values: fixed
        read, style = self._cell(factor, column.trim), column.number

        def number(values: Mapping[str, Any]) -> Decimal | None:
            raw = read(values)
            return None if raw is None else _single(raw, factor, lambda value: number_of(_scalar(value), style))

        return number

    def _asks(self, column: Column, lookup: Lookup) -> Callable[[object, Mapping[str, Any]], object]:
        name = label(column)
        if not lookup.columns:
            return lambda raw, values: Wanted(lookup, (text_of(_scalar(raw)),), name)
        reads = [(self._cell(part, column.trim), part) for part in lookup.columns]

        def ask(raw: object, values: Mapping[str, Any]) -> object:
            texts = []
            for read, part in reads:
                value = read(values)
                if value is None:
                    return None
                texts.append(_single(value, part, lambda found: text_of(_scalar(found))))
            return Wanted(lookup, tuple(texts), name)

        return ask


def _always(value: object) -> Step:
    return lambda values: value


def _single(value: Any, name: str, change: Callable[[Any], Any]) -> Any:
    """`change(value)`, a misfit of which names its column."""
    try:
        return change(value)
    except Misfit as misfit:
        if not misfit.column:
            misfit.column, misfit.raw = name, value
        raise


def _scalar(raw: object) -> object:
    if isinstance(raw, list | dict | tuple):
        raise Misfit("a single value belongs here")
    return raw


def _holds(test: str | Equals, raw: object, style: NumberFormat | None) -> bool:
    if isinstance(test, Equals):
        word = "" if raw is None else text_of(_scalar(raw))
        return any(word == text_of(one) for one in test.words)
    if test in ("blank", "not blank"):
        return (raw is None) == (test == "blank")
    number = Decimal(0) if raw is None else number_of(_scalar(raw), style)
    if test in ("zero", "not zero"):
        return (number == 0) == (test == "zero")
    return number > 0 if test == "positive" else number < 0


def quotient(number: Decimal, divisor: Decimal, places: int, rounding: str) -> Decimal:
    """number / divisor, rounded once from the exact value to `places` decimals."""
    if divisor == 1:
        return number.quantize(Decimal(1).scaleb(-places), _ROUNDING[rounding], _ROUNDER)
    top, bottom = number.as_integer_ratio()
    under, over = divisor.as_integer_ratio()
    top, bottom = top * over * 10**places, bottom * under
    sign = -1 if (top < 0) != (bottom < 0) else 1
    whole, left = divmod(abs(top), abs(bottom))
    twice = 2 * left
    if rounding == "half_up":
        up = twice >= abs(bottom)
    elif rounding == "half_even":
        up = twice > abs(bottom) or (twice == abs(bottom) and whole % 2 == 1)
    else:
        up = False
    return _EXACT.scaleb(Decimal(sign * (whole + up)), -places)


_ROUNDER = Context(prec=700)


def _dates(column: Column) -> Callable[[object, Mapping[str, Any]], object]:
    formats = column.date_formats

    def work(raw: object, values: Mapping[str, Any]) -> object:
        day = date_of(_scalar(raw), formats)
        if column.week_start is not None:
            back = (day.weekday() - _DAYS.index(column.week_start)) % 7
            if day.toordinal() <= back:
                raise Misfit("is too early a date")
            day -= timedelta(days=back)
        if column.month is not None:
            last = calendar.monthrange(day.year, day.month)[1]
            day = day.replace(day=1 if column.month == "first" else last)
        return day if column.date_out is None else day.strftime(column.date_out)

    return work


def _booleans(style: BooleanFormat) -> Callable[[object, Mapping[str, Any]], object]:
    column = Column(boolean=style)
    return lambda raw, values: convert(_scalar(raw), Field(type="boolean"), column)


def literal(value: Plain, field: Field | None) -> object:
    """A value written in the project file -> as Intacct wants it, so that the formats of cells do not apply to it.

    What does not fit the field stays as it is: `problems` names it before the first row."""
    if isinstance(value, bool):
        return value
    with suppress(Misfit):
        if isinstance(value, int | float):
            return number_of(value)
        if field is None:
            return value
        if field.format == "date":
            return date_of(value)
        if numeric(field):
            return number_of(value)
        if field.type == "boolean":
            return convert(value, field, _AS_IS)
    return value
