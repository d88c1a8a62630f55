"""Columns of a page that fit their types, checked and cast by Arrow all at once. Whatever does not fit is left to
others: nothing here looks at a single value.

Knows how the wire spells values (REST reference 5.5, 6); knows neither pages nor databases.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from tieout.pull.destinations.batch import spelt_array
from tieout.pull.schema.types import DIGITS, Column, Kind, arrow_type

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
    """What the wire spells in the column's own type. Raises ArrowInvalid, also for what Arrow casts wrongly."""
    import pyarrow as pa
    import pyarrow.compute as pc

    target = arrow_type(column)
    if sent.type == target:
        typed = sent
    elif column.kind is Kind.DECIMAL and not _is_short(sent, DIGITS - column.scale):
        raise pa.ArrowInvalid("perhaps more digits than there is room for")
    else:
        typed = sent.cast(target, memory_pool=pa.system_memory_pool())
    if column.kind in (Kind.DATE, Kind.TIMESTAMP):
        reach = pc.min_max(typed)
        first, last = _years(column.kind)
        if reach["min"].is_valid and (reach["min"].value < first or reach["max"].value > last):
            raise pa.ArrowInvalid("a year before 1 or after 9999")
    return typed


def _is_short(texts: pa.StringArray, most: int) -> bool:
    """Whether numbers have at most so many characters and no exponent. Where a number and its scale need more than 38
    digits, Arrow (26.0) does not always refuse: it may take another number for it, without a word."""
    import pyarrow.compute as pc

    data = texts.buffers()[2]
    if data is not None and b"e" in data.to_pybytes().lower():
        return False
    longest = pc.max(pc.binary_length(texts)).as_py()
    return longest is None or longest <= most


@cache
def _years(kind: Kind) -> tuple[int, int]:
    """The first and the last moment of the years 1 to 9999, as Arrow counts in a column of this kind."""
    import pyarrow as pa

    target = arrow_type(Column(path="", name="", kind=kind))
    ends = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC))
    return tuple(pa.scalar(end, target).value for end in ends)


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
