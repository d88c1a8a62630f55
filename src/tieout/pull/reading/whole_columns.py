"""Columns of a page that fit their types, checked and cast by Arrow all at once. Whatever does not fit is left to
others: nothing here looks at a single value.

Knows how the wire spells values (REST reference 5.5, 6); knows neither pages nor databases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tieout.pull.destinations.batch import spelt_array
from tieout.pull.schema.types import Column, Kind, arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

_STAMP = "^....-..-..T..:..:..Z$"


def whole_column(values: list[Any], column: Column) -> pa.Array | None:
    """The whole column at once, or None if a single value does not fit. Numbers without money's format come as their
    own bytes."""
    import pyarrow as pa

    if column.kind is Kind.JSON:
        return None
    if column.kind is Kind.DECIMAL and not column.money:
        values = [None if v is None or (text := str(v, "ascii")) == "null" else text for v in values]
    try:
        if column.kind in (Kind.DECIMAL, Kind.DATE, Kind.TIMESTAMP):
            return cast(pa.array(values, pa.string()), column)
        return pa.array(values, arrow_type(column))
    except (pa.ArrowException, OverflowError, UnicodeError):
        return None


def cast(sent: pa.Array, column: Column) -> pa.Array:
    """What the wire spells in the column's own type. Raises ArrowInvalid."""
    target = arrow_type(column)
    return sent if sent.type == target else sent.cast(target)


def plain_column(typed: pa.Array, column: Column, sent: pa.Array | None = None) -> pa.Array:
    """The column as `Batch.columns` spells it; as it was sent where that is the same."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if sent is not None and sent.type == pa.string():
        as_sent = column.kind in (Kind.TEXT, Kind.DATE)  # of a date there is one spelling only
        if as_sent or (column.kind is Kind.TIMESTAMP and _all(pc.match_substring_regex(sent, _STAMP))):
            return sent
    return spelt_array(column, typed)


def _all(true: pa.BooleanArray) -> bool:
    import pyarrow.compute as pc

    return pc.all(true).as_py() is not False  # null: there is no value
