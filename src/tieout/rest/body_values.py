"""Does one value of a body fit its field? Types, formats and limits as the wire has them (REST reference 6, 9.1).

Knows one field and one value, no paths, no objects. Nothing is converted: what a program sends is what it wrote.
"""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

from tieout.catalogue import nearest
from tieout.catalogue.model import Field


class Misfit(NamedTuple):
    """Why a value does not fit, without repeating it, and what would."""

    reason: str
    nearest: str = ""


def misfit(value: Any, field: Field) -> Misfit | None:
    """What is wrong with sending `value` in `field`, or None."""
    if isinstance(value, Enum):
        value = value.value
    if value is None:
        return None if field.nullable else Misfit("cannot be null; leave it out")
    if isinstance(value, float) and not math.isfinite(value):
        return Misfit("is not a number that JSON can hold; it would be sent as null and clear the field")
    if field.type in ("object", "array") or "binary" in (field.format or ""):
        return None
    if isinstance(value, list | tuple | set | frozenset):
        return Misfit("is a list where a single value belongs")
    if isinstance(value, dict):
        return Misfit("is an object where a single value belongs")
    if field.enum is not None:
        return _word(value, field.enum)
    if field.type == "boolean":
        return _boolean(value)
    if field.format == "date":
        return _date(value)
    if field.format == "date-time":
        return _moment(value)
    scale = _scale(field)
    if scale is not None or field.type in ("number", "integer"):
        return _number(value, scale, whole=field.type == "integer")
    return _text(value, field)


def _word(value: Any, words: tuple[str | None, ...]) -> Misfit | None:
    if (value in words and not isinstance(value, bool)) or (value == "" and None in words):
        return None
    known = [word for word in words if word]
    spelt = str(value).lower() if isinstance(value, bool) else str(value)
    near = nearest(spelt, known, 1)
    shown = ", ".join(known[:12]) + (", ..." if len(known) > 12 else "")
    return Misfit(f"is not one of {shown}", near[0] if near else "")


def _boolean(value: Any) -> Misfit | None:
    if isinstance(value, bool):
        return None
    word = str(value).strip().lower()
    meant = {"true": ("true", "yes", "1", "t", "y"), "false": ("false", "no", "0", "f", "n")}
    return Misfit("is not true or false", next((near for near, words in meant.items() if word in words), ""))


def _date(value: Any) -> Misfit | None:
    if isinstance(value, datetime):
        return Misfit("is a moment where a date belongs", value.date().isoformat())
    if isinstance(value, date):
        return None
    if isinstance(value, str):
        try:
            date.fromisoformat(value if len(value) == 10 else "")  # 20260131 is ISO, too, and not the wire's form
        except ValueError:
            pass
        else:
            return None
    return Misfit("is not a date like 2026-01-31")


def _moment(value: Any) -> Misfit | None:
    found = value
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            found = None
    if not isinstance(found, datetime) or (isinstance(value, str) and len(value) == 10):
        return Misfit("is not a moment like 2026-01-31T17:00:00Z")
    return None if found.tzinfo is not None else Misfit("is a time without a zone; write it like 2026-01-31T17:00:00Z")


def _scale(field: Field) -> int | None:
    """Digits after the point of money and percents, None where the format promises none."""
    kind, _, digits = (field.format or "").rpartition("-precision-")
    return int(digits) if kind in ("decimal", "percent") and digits.isdigit() else None


def _number(value: Any, scale: int | None, *, whole: bool) -> Misfit | None:
    """Decimals travel as text or as JSON numbers (REST reference 4.4)."""
    if isinstance(value, bool):
        return Misfit("is true or false where a number belongs")
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except (InvalidOperation, TypeError, ValueError):
        return Misfit("is not a number")
    if not number.is_finite() or (isinstance(value, str) and not value.isascii()):
        return Misfit("is not a number")
    if isinstance(value, str) and value.strip("+-.0123456789eE"):
        return Misfit("is not a number; write digits and a point only")
    digits = -int(number.normalize().as_tuple().exponent) if number else 0
    if whole and digits > 0:
        return Misfit("is not a whole number")
    if scale is not None and digits > scale:
        hint = "; use Decimal rather than float" if isinstance(value, float) and digits > 10 else ""
        return Misfit(f"has {digits} decimals, Intacct keeps {scale}{hint}")
    return None


def _text(value: Any, field: Field) -> Misfit | None:
    if isinstance(value, bool):
        return Misfit("is true or false where text belongs")
    if isinstance(value, int | float | Decimal):
        return Misfit("is a number where text belongs", str(value))
    if not isinstance(value, str | bytes | UUID | date):
        return Misfit(f"is a {type(value).__name__} where text belongs")
    if field.max_length is not None and isinstance(value, str) and len(value) > field.max_length:
        return Misfit(f"has {len(value)} characters, Intacct takes {field.max_length}")
    return None
