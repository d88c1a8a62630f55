"""What a column holds, apart from the database that holds it, and the Arrow type of it."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from tieout.catalogue.model import Field

if TYPE_CHECKING:
    import pyarrow as pa

NUMBER_SCALE = 10
"""Digits after the point for `type: number`, whose precision no model tells."""


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
        return Kind.DECIMAL, min(field.scale, 37)
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


def arrow_type(column: Column) -> pa.DataType:
    """The Arrow type of a column. Stamps are UTC in microseconds."""
    import pyarrow as pa

    match column.kind:
        case Kind.INTEGER:
            return pa.int64()
        case Kind.DECIMAL:
            return pa.decimal128(38, column.scale)
        case Kind.BOOLEAN:
            return pa.bool_()
        case Kind.DATE:
            return pa.date32()
        case Kind.TIMESTAMP:
            return pa.timestamp("us", "UTC")
        case _:
            return pa.string()
