"""How a wire value sits in a SQLite column, and how it comes back exactly as it went in.

Columns have no affinity. Each kind has a regular form that SQLite compares and sums natively; what does not fit it is
kept verbatim, a string as TEXT and anything else as a BLOB of its JSON. Knows nothing of tables and queries.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

import msgspec

from tieout.catalogue.model import Field

Stored = int | float | str | bytes | None

_LARGEST = 2**63 - 1
_DIGITS = 400
EXACT = Context(prec=2 * _DIGITS)
"""Decimal's own context rounds to 28 digits."""
_ENCODER = msgspec.json.Encoder(decimal_format="number")
FRACTION = "~"
"""Behind a date-time that is not a whole second: sorts it behind that second and before the next."""


class Kind(StrEnum):
    KEY = "key"
    """System keys: canonical digits as INTEGER, so that they order as numbers (REST reference 10.1, INFERRED)."""
    TEXT = "text"
    """Strings, dates, date-times: TEXT."""
    MONEY = "money"
    """`decimal-precision-N`: INTEGER scaled by 10**N."""
    NUMBER = "number"
    """INTEGER or REAL."""
    BOOLEAN = "boolean"
    """0 or 1."""


class Codec(msgspec.Struct, frozen=True):
    """One column's kind; `scale` is N of `decimal-precision-N`."""

    kind: Kind
    scale: int = 0

    @property
    def regular(self) -> tuple[type, ...]:
        """The storage classes of the regular form, apart from NULL."""
        if self.kind is Kind.TEXT:
            return (str,)
        if self.kind is Kind.KEY:
            return (int, str)
        if self.kind is Kind.NUMBER:
            return (int, float)
        return (int,)

    def encoder(self) -> Callable[[Any], Stored]:
        if self.kind is Kind.MONEY:
            scale = self.scale
            return lambda value: _money(value, scale)
        return _ENCODERS[self.kind]

    def decoder(self) -> Callable[[Stored], Any]:
        """Stored -> wire, exact inverse of the encoder."""
        if self.kind is Kind.MONEY:
            scale = self.scale
            return lambda stored: render_scaled(stored, scale) if type(stored) is int else verbatim(stored)
        return _DECODERS[self.kind]


KEY = Codec(Kind.KEY)


def codec_for(path: str, field: Field) -> Codec:
    if path == "key" or path.endswith(".key"):
        return KEY
    if field.scale is not None:
        return Codec(Kind.MONEY, field.scale)
    if field.type in ("integer", "number"):
        return Codec(Kind.NUMBER)
    if field.type == "boolean":
        return Codec(Kind.BOOLEAN)
    return Codec(Kind.TEXT)


def render_scaled(scaled: int, scale: int) -> str:
    """1234 at scale 2 -> `12.34`."""
    if not scale:
        return str(scaled)
    digits = str(abs(scaled)).rjust(scale + 1, "0")
    sign = "-" if scaled < 0 else ""
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}"


def verbatim(stored: Stored) -> Any:
    """What was kept as it came: TEXT as str, BLOB as the JSON it holds."""
    if type(stored) is bytes:
        return json.loads(stored, parse_float=_float)
    return stored


def _float(text: str) -> float | Decimal:
    number, exact = float(text), Decimal(text)
    return number if Decimal(repr(number)) == exact else exact


def _odd(value: Any) -> bytes:
    if type(value) is int or isinstance(value, Decimal):
        return str(value).encode()
    return _ENCODER.encode(value)


def _text(value: Any) -> Stored:
    if value is None:
        return None
    if type(value) is str and "\0" not in value:
        return value
    return _odd(value)


def _key(value: Any) -> Stored:
    if value is None:
        return None
    text = str(value)
    if text.isascii() and text.isdigit() and (text == "0" or text[0] != "0") and len(text) < 19:
        return int(text)
    return text


def _money(value: Any, scale: int) -> Stored:
    if value is None:
        return None
    if type(value) is not str:
        return _odd(value)
    digits = value.replace(".", "", 1) if scale else value
    if len(digits) < 19 and digits.isascii() and digits.removeprefix("-").isdigit():
        scaled = int(digits)
        if render_scaled(scaled, scale) == value:
            return scaled
    return _text(value)


def _number(value: Any) -> Stored:
    if value is None:
        return None
    if type(value) is float:
        return value
    if type(value) is int and -_LARGEST <= value <= _LARGEST:
        return value
    if isinstance(value, Decimal):
        as_float = float(value)
        return as_float if Decimal(repr(as_float)) == value else _odd(value)
    return _text(value)


def _boolean(value: Any) -> Stored:
    if value is None:
        return None
    if type(value) is bool:
        return int(value)
    return _text(value)


def _decode_key(stored: Stored) -> Any:
    return str(stored) if type(stored) is int else stored


def _decode_boolean(stored: Stored) -> Any:
    return bool(stored) if type(stored) is int else verbatim(stored)


_ENCODERS: dict[Kind, Callable[[Any], Stored]] = {
    Kind.KEY: _key,
    Kind.TEXT: _text,
    Kind.NUMBER: _number,
    Kind.BOOLEAN: _boolean,
}
_DECODERS: dict[Kind, Callable[[Stored], Any]] = {
    Kind.KEY: _decode_key,
    Kind.TEXT: verbatim,
    Kind.NUMBER: verbatim,
    Kind.BOOLEAN: _decode_boolean,
}


# ---- the regular form of what was kept verbatim, for comparing and ordering ---------------------------------------


def text_of(stored: Stored) -> str | None:
    """A text column's value as text: JSON scalars by their JSON spelling."""
    if type(stored) is bytes:
        value = verbatim(stored)
        return value if isinstance(value, str) else stored.decode()
    return stored if stored is None or type(stored) is str else str(stored)


def decimal_of(stored: Stored, scale: int = 0) -> Decimal | None:
    """A money or number column's value (money: INTEGER scaled) as an exact Decimal, None where it is no number."""
    if type(stored) is int:
        return Decimal(stored).scaleb(-scale, EXACT)
    if type(stored) is float:
        return Decimal(repr(stored))
    if type(stored) is bytes or type(stored) is str:
        return parse_decimal(text_of(stored))
    return None


def parse_decimal(text: object) -> Decimal | None:
    """None of what is no number, or of a size that only an attacker sends (`1e999999999`)."""
    try:
        number = Decimal(str(text).strip())
    except InvalidOperation:
        return None
    if not number.is_finite():
        return None
    if not number:
        return Decimal(0)
    return number if abs(number.adjusted()) < _DIGITS else None


def comparable(number: Decimal, scale: int) -> int | float:
    """A number as SQLite compares it with a column scaled by `scale`: a whole one exactly, any other by lying between
    the whole ones beside it."""
    scaled = number.scaleb(scale, EXACT)
    whole = int(scaled.to_integral_value(rounding="ROUND_FLOOR"))
    if scaled == whole:
        return whole if abs(whole) <= _LARGEST else float(whole)
    return float(scaled) if abs(whole) >= 2**52 else whole + 0.5


def number_of(stored: Stored, scale: int) -> int | float | None:
    """For ordering money kept verbatim beside regular scaled values."""
    if type(stored) is int:
        return stored
    number = decimal_of(stored)
    if number is None:
        return None
    scaled = number.scaleb(scale, EXACT)
    whole = int(scaled)
    return whole if scaled == whole and abs(whole) <= _LARGEST else float(scaled)


def plain_number_of(stored: Stored) -> int | float | None:
    """For ordering a number kept verbatim beside regular ones: as the nearest double."""
    if type(stored) is int or type(stored) is float:
        return stored
    number = decimal_of(stored)
    return None if number is None else float(number)


def truth_of(stored: Stored) -> int | None:
    if type(stored) is int:
        return stored
    return {"true": 1, "false": 0}.get(text_of(stored) or "")


def instant(text: str) -> str:
    """A date-time given by hand as columns hold them, `2026-03-18T07:30:14Z`: moved to UTC, and read as UTC where it
    names no zone; `FRACTION` stands for a part of a second. Raises ValueError or OverflowError."""
    moment = datetime.fromisoformat(text)
    moment = (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)
    whole = moment.replace(tzinfo=None, microsecond=0).isoformat()
    return f"{whole}Z{FRACTION if moment.microsecond else ''}"
