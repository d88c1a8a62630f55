"""One value of a workbook, a database or a table in memory -> the plain Python value that a mapping understands.

Knows types, not fields. No float comes out: a sum of money must not show how binary fractions end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

_AS_THEY_ARE = frozenset({str, int, bool, type(None), Decimal, date, datetime})
_EXACT_WHOLE = 2**53
"""Up to here a float holds every whole number."""


class Unusable(Exception):
    """A value that nothing can be made of; the text says what it is."""


def plain(value: Any) -> Any:
    """A value as text, int, bool, Decimal, date, datetime, None, or a list or dict of these. Raises Unusable.

    Floats become whole numbers or decimals by `exact`; what pandas calls missing (NaN, NaT, NA) is None; times of day,
    durations and UUIDs become text; numbers and dates of NumPy and pandas become Python's own."""
    kind = type(value)
    if kind in _AS_THEY_ARE:
        if kind is Decimal and not value.is_finite():
            raise Unusable(f"{value}, which is no number")
        return value
    if kind is float:
        return None if math.isnan(value) else exact(value)
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return _odd(value)


def exact(value: float) -> int | Decimal:
    """A float -> the number that was meant: 7.0 is 7, 0.1 + 0.2 is 0.3.

    A float keeps 15 decimal digits whatever the number, and what it shows beyond them is how binary fractions end;
    Excel shows no more either. Raises Unusable for infinity and NaN."""
    if not math.isfinite(value):
        raise Unusable(f"{value}, which is no number")
    if value.is_integer() and abs(value) < _EXACT_WHOLE:
        return int(value)
    return Decimal(f"{value:.15g}")


def shortest(text: str) -> int | Decimal | None:
    """The shortest text of a narrow float (float32, float16) -> the number. NaN is None. Raises Unusable."""
    number = Decimal(text)
    if number.is_nan():
        return None
    if not number.is_finite():
        raise Unusable(f"{text}, which is no number")
    return int(number) if number == number.to_integral_value() and number.adjusted() < 15 else number


def words(value: object) -> str:
    """A value as text to compare with words of the project file."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value).strip()


def _odd(value: Any) -> Any:
    name = type(value).__name__
    if name in ("NAType", "NaTType"):
        return None
    if isinstance(value, bytes | bytearray | memoryview):
        raise Unusable("bytes, which are no value")
    if isinstance(value, datetime):  # pandas' Timestamp is one
        whole = getattr(value, "to_pydatetime", None)
        return whole(warn=False) if whole is not None else datetime.combine(value.date(), value.timetz())
    if isinstance(value, time | timedelta):
        return str(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return plain(float(value))
    if name in ("float32", "float16"):
        return shortest(str(value))
    if name == "datetime64":
        return plain(value.astype("datetime64[us]").item())
    item = getattr(value, "item", None)
    if item is not None:
        inner = item()
        if type(inner) is not type(value):
            return plain(inner)
    if isinstance(value, int):
        return int(value)
    if name == "UUID":
        return str(value)
    raise Unusable(f"a value of the type {name}, which is no text, number or date")
