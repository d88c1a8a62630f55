"""What a column holds, apart from the database that holds it, and the Arrow type of it."""

from __future__ import annotations

from decimal import Context
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from tieout.catalogue.model import Field

if TYPE_CHECKING:
    import pyarrow as pa

MAX_SCALE = 37
NUMBER_SCALE = 10
"""Digits after the point for `type: number`, whose precision no model tells."""
DIGITS = 38
"""Of a decimal, before and after the point."""
EXACT = Context(prec=400)
"""For sums and differences, which may have more digits than any column."""


class Kind(StrEnum):
    """What a column holds, apart from the database that holds it."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"
    JSON = "json"
    """Objects and arrays without known fields, kept as the text that arrived."""


class Column(msgspec.Struct, frozen=True):
    """One column. `scale` counts for decimals only."""

    path: str
    name: str
    kind: Kind
    scale: int = 0
    money: bool = False
    """`decimal-precision-N`: Intacct can sum it exactly."""


def kind_of(field: Field) -> tuple[Kind, int]:
    """Kind and scale of a field by the model's words (REST reference 6)."""
    if field.format == "date":
        return Kind.DATE, 0
    if field.format == "date-time":
        return Kind.TIMESTAMP, 0
    if field.scale is not None:
        return Kind.DECIMAL, min(field.scale, MAX_SCALE)
    if field.format is not None and field.format.startswith("percent-precision-"):
        return Kind.DECIMAL, NUMBER_SCALE
    match field.type:
        case "integer":
            return Kind.INTEGER, 0
        case "number":
            return Kind.DECIMAL, NUMBER_SCALE
        case "boolean":
            return Kind.BOOLEAN, 0
        case "object" | "array":
            return Kind.JSON, 0
        case _:
            return Kind.TEXT, 0


def named(text: str) -> tuple[Kind, int]:
    """Kind and scale by the name that a section gives: `text`, `integer` or `decimal(N)`."""
    kind, _, scale = text.rstrip(")").partition("(")
    return Kind(kind), int(scale or 0)


def type_name(column: Column) -> str:
    """What a column holds, for people: `decimal(2)`, `timestamp`."""
    return f"decimal({column.scale})" if column.kind is Kind.DECIMAL else str(column.kind)


def joined(one: Column, other: Column) -> tuple[Kind, int] | None:
    """The narrowest type that holds the values of both without losing a digit; None where only a person can say.

    Anything fits into text once it is text; a number and a date have nothing in common."""
    if one.kind is other.kind:
        return one.kind, max(one.scale, other.scale)
    kinds = {one.kind, other.kind}
    if kinds == {Kind.INTEGER, Kind.DECIMAL}:
        return Kind.DECIMAL, max(one.scale, other.scale)
    if Kind.JSON in kinds:  # what held single values may hold objects now: any value has a JSON text
        return Kind.JSON, 0
    return (Kind.TEXT, 0) if Kind.TEXT in kinds else None


def arrow_type(column: Column) -> pa.DataType:
    """The Arrow type of a column. Stamps are UTC in microseconds."""
    import pyarrow as pa

    match column.kind:
        case Kind.INTEGER:
            return pa.int64()
        case Kind.DECIMAL:
            return pa.decimal128(DIGITS, column.scale)
        case Kind.BOOLEAN:
            return pa.bool_()
        case Kind.DATE:
            return pa.date32()
        case Kind.TIMESTAMP:
            return pa.timestamp("us", "UTC")
        case _:
            return pa.string()
