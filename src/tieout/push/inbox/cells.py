"""The cells of a source row: kept as they were read, and shown as text.

Knows values, no files and no fields. What `plain` lets through is all there is: text, whole and decimal numbers, true
and false, dates, moments, nothing, and what JSON nests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

LONGEST = 32_767
"""Characters that a cell of a workbook holds, counted as UTF-16 does."""
CUT = " … (cut: longer than a cell)"


def packed(values: Mapping[str, Any]) -> bytes:
    """A row as bytes that `unpacked` makes the same row of, with every type it had."""
    return json.dumps({name: _tagged(value) for name, value in values.items()}, separators=(",", ":")).encode()


def unpacked(data: bytes) -> dict[str, Any]:
    return {name: _untagged(value) for name, value in json.loads(data).items()}


def _tagged(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, datetime):
        return {"moment": value.isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, Mapping):
        return {"object": {str(name): _tagged(inner) for name, inner in value.items()}}
    if isinstance(value, list | tuple):
        return [_tagged(inner) for inner in value]
    return str(value)


def _untagged(value: Any) -> Any:
    if isinstance(value, list):
        return [_untagged(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    ((kind, inner),) = value.items()
    match kind:
        case "decimal":
            return Decimal(inner)
        case "moment":
            return datetime.fromisoformat(inner)
        case "date":
            return date.fromisoformat(inner)
    return {name: _untagged(each) for name, each in inner.items()}


def shown(value: Any) -> str:
    """A cell as text that a person can read and correct; a text as it stands, letter for letter."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=shown)
    return str(value)


def fitting(text: str) -> str:
    """A text as a cell of a workbook can hold it: cut, and saying so, where it is too long."""
    if len(text) <= LONGEST // 2 or _length(text) <= LONGEST:
        return text
    kept = text[: LONGEST - len(CUT)]
    while _length(kept) > LONGEST - len(CUT):
        kept = kept[:-1_000] if _length(kept) > LONGEST + 1_000 else kept[:-1]
    return kept + CUT


def _length(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)


def like(value: Any, text: str) -> Any:
    """What somebody typed in the place of a value, as the same kind of value where it is one; else the text."""
    try:
        if isinstance(value, bool):
            return {"true": True, "false": False}[text.strip().lower()]
        if isinstance(value, int | Decimal):
            number = Decimal(text.strip())
            return int(number) if number == number.to_integral_value() and "." not in text else number
        if isinstance(value, datetime):
            return datetime.fromisoformat(text.strip())
        if isinstance(value, date):
            return date.fromisoformat(text.strip())
        if isinstance(value, list | dict):
            return json.loads(text, parse_float=Decimal)
    except (ValueError, ArithmeticError, KeyError):
        return text
    return text
