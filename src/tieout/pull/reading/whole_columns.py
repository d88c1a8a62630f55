"""Columns of a page that fit their types, checked and cast by Arrow all at once. Whatever does not fit is left to
others: nothing here looks at a single value.

Knows how the wire spells values (REST reference 5.5, 6); knows neither pages nor databases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec

from tieout.pull.destinations.batch import Plain, spelt
from tieout.pull.destinations.plain_batch import PlainBatch
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
    target = arrow_type(column)
    try:
        if column.kind in (Kind.DECIMAL, Kind.DATE, Kind.TIMESTAMP):
            return pa.array(values, pa.string()).cast(target)
        return pa.array(values, target)
    except (pa.ArrowException, OverflowError, UnicodeError):
        return None


def as_tuples(
    columns: Sequence[Column], rows: list[Any], getters: Sequence[Callable[[Any], Any]], nbytes: int
) -> PlainBatch | None:
    """Rows as they came, where every value fits its column; None where one does not. What the wire spells in another
    way than `Batch.columns` is spelt anew, a column at a time."""
    spelt_anew: dict[int, list[Plain]] = {}
    for at, column in enumerate(columns):
        if column.kind is Kind.BOOLEAN or (column.kind is Kind.TEXT and column.path != "key"):
            continue  # the decoder has seen to it
        values = list(map(getters[at], rows))
        if column.path == "key":
            keys = cast("list[str]", values)
            if None in keys:
                return None
            continue
        array = whole_column(values, column)
        if array is None:
            return None
        if column.kind is not Kind.INTEGER and not _is_plain(values, array, column):
            spelt_anew[at] = spelt(column, array)
    tuples: list[tuple[Plain, ...]] = list(map(msgspec.structs.astuple, rows))
    if spelt_anew and tuples:
        turned: list[Sequence[Plain]] = list(zip(*tuples, strict=True))
        for at, texts in spelt_anew.items():
            turned[at] = texts
        tuples = list(zip(*turned, strict=True))
    return PlainBatch(columns, tuples, keys, nbytes)


def _is_plain(values: list[Any], array: pa.Array, column: Column) -> bool:
    """Whether values that fit are spelt as `Batch.columns` would spell them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.kind is Kind.DECIMAL and not column.money:
        return False
    if column.kind is Kind.DATE:
        return True  # there is one way only
    texts = pa.array(values, pa.string())
    if column.kind is Kind.TIMESTAMP:
        pattern = _STAMP
    else:
        pattern = "^(0|-?[1-9][0-9]*)$" if not column.scale else rf"^-?(0|[1-9][0-9]*)\.[0-9]{{{column.scale}}}$"
    if pc.all(pc.match_substring_regex(texts, pattern)).as_py() is False:
        return False
    return column.kind is Kind.TIMESTAMP or pc.index(texts, f"-0.{'0' * column.scale}").as_py() < 0
