"""Cells as they mostly are, converted by what was decided once for a column instead of anew for every cell.

A straight way takes a text that needs no judgement, such as `12.50` for money, and gives what `values.convert` gives;
of every other text it says that it does not know, and `convert` decides. So there is one set of rules, and messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import TypeAlias, cast

from tieout.catalogue.model import Field
from tieout.push.fields.columns import Column
from tieout.push.fields.values import NO, YES, Wire

Straight: TypeAlias = Callable[[str], Wire]
"""A text without white space around it, not empty -> its value; None where `convert` must be asked."""

_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,14})")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]{0,14})\.[0-9]{1,12}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def straight(field: Field, column: Column) -> Straight | None:
    """The straight way for cells of this column into this field, or None where there is none."""
    if field.type in ("array", "object"):
        return None
    if field.type == "boolean":
        return _boolean(field, column)
    measured = field.type in ("integer", "number") or field.scale is not None
    if measured:
        if field.enum is not None or field.max_length is not None or column.number is not None:
            return None
        if field.type == "integer":
            return lambda text: int(text) if _WHOLE.fullmatch(text) else None
        return _number if field.type == "number" else _Scaled(field.scale or 0)
    if (field.format or "").startswith("percent-precision") or field.format == "date-time":
        return None
    if field.format == "date":
        return _date if field.enum is None and field.max_length is None and not column.date_formats else None
    return _text(field)


def all_straight(way: Straight, texts: list[str]) -> list[Wire]:
    """`way` of each text; "" gives anything. A column that is as it should be is seen at a glance."""
    if isinstance(way, _Text | _Scaled) and way.takes_all(texts):
        return cast("list[Wire]", texts)
    return list(map(way, texts))


class _Text:
    """Texts up to a length go as they are."""

    def __init__(self, most: int | None) -> None:
        self._most = most

    def __call__(self, text: str) -> Wire:
        return text if self._most is None or len(text) <= self._most else None

    def takes_all(self, texts: list[str]) -> bool:
        return self._most is None or max(map(len, texts), default=0) <= self._most


def _text(field: Field) -> Straight:
    most, words = field.max_length, field.enum
    if words is not None:
        allowed = {word: word for word in words if word is not None and (most is None or len(word) <= most)}
        return allowed.get
    return _Text(most)


def _boolean(field: Field, column: Column) -> Straight | None:
    if field.enum is not None or column.boolean is not None:
        return None
    return {**dict.fromkeys(YES, True), **dict.fromkeys(NO, False)}.get


def _number(text: str) -> Wire:
    if _WHOLE.fullmatch(text):
        return int(text)
    if not _DECIMAL.fullmatch(text):
        return None
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else number


class _Scaled:
    """Decimals with as many places as the field has go as they are, whole numbers with noughts."""

    def __init__(self, scale: int) -> None:
        self._fits = re.compile(r"-?(?:0|[1-9][0-9]{0,14})" + (rf"\.[0-9]{{{scale}}}" if scale else "")).fullmatch
        self._zeros = "." + "0" * scale if scale else ""

    def __call__(self, text: str) -> Wire:
        if self._fits(text):
            return text
        return text + self._zeros if _WHOLE.fullmatch(text) else None

    def takes_all(self, texts: list[str]) -> bool:
        return all(map(self._fits, texts))


@lru_cache(maxsize=4096)  # a file has few days
def _date(text: str) -> Wire:
    if not _DATE.fullmatch(text):
        return None
    try:
        date.fromisoformat(text)
    except ValueError:
        return None
    return text
