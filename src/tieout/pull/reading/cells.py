"""One value from the wire -> one value for a typed column, or a misfit. The slow, forgiving path of rule 9.

Knows JSON values and column kinds; knows neither pages nor databases.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias

import msgspec

from tieout.pull.schema.types import DIGITS, Column, Kind

Cell: TypeAlias = str | int | Decimal | bool | date | datetime | None

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\Z", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,19}\Z", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)?\Z", re.ASCII)
_WHOLE_DIGITS = 19
_encoder = msgspec.json.Encoder(decimal_format="number")


class Misfit(ValueError):
    """A value that no rule turns into the column's type."""


def raw_text(value: Any) -> str:
    """The value as JSON text, as near to what arrived as can be told."""
    try:
        return _encoder.encode(value).decode()
    except UnicodeEncodeError:  # a lone surrogate
        return json.dumps(value, default=str)


def convert(value: Any, column: Column) -> Cell:
    """The value as the column's type without losing anything, None for null. Raises Misfit."""
    if value is None:
        return None
    return _CONVERTERS[column.kind](value, column)


def is_text(value: str) -> bool:
    """Whether every destination can keep it. A lone surrogate is valid JSON and no text, and U+0000 PostgreSQL does not
    take: copies are to be alike everywhere."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _text(value: Any, column: Column) -> str:
    match value:
        case str():
            if not is_text(value):
                raise Misfit
            return value
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return str(value)
        case _:
            raise Misfit


def _integer(value: Any, column: Column) -> int:
    match value:
        case bool():
            raise Misfit
        case int():
            number = value
        case Decimal() if value.is_finite() and value.adjusted() < _WHOLE_DIGITS and value == value.to_integral_value():
            number = int(value)
        case str() if _WHOLE.match(value):
            number = int(value)
        case _:
            raise Misfit
    if not -(2**63) <= number < 2**63:
        raise Misfit
    return number


def _decimal(value: Any, column: Column) -> Decimal:
    match value:
        case bool():
            raise Misfit
        case int() | Decimal():
            number = Decimal(value)
        case str() if _NUMBER.match(value):
            try:
                number = Decimal(value)
            except InvalidOperation:
                raise Misfit from None
        case _:
            raise Misfit
    if not number.is_finite():
        raise Misfit
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    while digits and digits[-1] == 0 and exponent < -column.scale:
        digits, exponent = digits[:-1], exponent + 1
    if number and (exponent < -column.scale or len(digits) + max(exponent, -column.scale) + column.scale > DIGITS):
        raise Misfit
    return Decimal((sign, digits, exponent)) if number else Decimal(0)


def _boolean(value: Any, column: Column) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise Misfit


def _date(value: Any, column: Column) -> date:
    if isinstance(value, str) and _DATE.match(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise Misfit from None
    raise Misfit


def _timestamp(value: Any, column: Column) -> datetime:
    if isinstance(value, str) and _STAMP.match(value):
        try:
            stamp = datetime.fromisoformat(value)
            # Sage's stamps are UTC (REST reference 10.1), also where a zone is missing.
            return stamp.astimezone(UTC) if stamp.tzinfo else stamp.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            raise Misfit from None
    raise Misfit


def _json(value: Any, column: Column) -> str:
    return raw_text(value)


_CONVERTERS: Final[Mapping[Kind, Callable[[Any, Column], Cell]]] = {
    Kind.TEXT: _text,
    Kind.INTEGER: _integer,
    Kind.DECIMAL: _decimal,
    Kind.BOOLEAN: _boolean,
    Kind.DATE: _date,
    Kind.TIMESTAMP: _timestamp,
    Kind.JSON: _json,
}
