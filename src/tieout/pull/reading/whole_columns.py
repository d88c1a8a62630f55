"""Columns of a page that fit their types, checked and cast by Arrow all at once. Whatever does not fit is left to
others: nothing here looks at a single value.

Knows how the wire spells values (REST reference 5.5, 6); knows neither pages nor databases.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import msgspec

from tieout.pull.destinations.batch import Plain, spelt
from tieout.pull.destinations.plain_batch import PlainBatch
from tieout.pull.schema.types import Column, Kind, arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_DIGITS = 38
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
        if column.kind is Kind.DECIMAL and column.money and _is_plain_money(values, column.scale):
            continue
        array = whole_column(values, column)
        if array is None:
            return None
        if column.kind is not Kind.INTEGER and not _is_plain(values, column):
            spelt_anew[at] = spelt(column, array)
    tuples: list[tuple[Plain, ...]] = list(map(msgspec.structs.astuple, rows))
    if spelt_anew and tuples:
        turned: list[Sequence[Plain]] = list(zip(*tuples, strict=True))
        for at, texts in spelt_anew.items():
            turned[at] = texts
        tuples = list(zip(*turned, strict=True))
    return PlainBatch(columns, tuples, keys, nbytes)


def _is_plain_money(values: list[Any], scale: int) -> bool:
    """Whether all of these are amounts, spelt as `Batch.columns` would spell them. One look at the whole text is less
    work than an array of it."""
    there = [value for value in values if value is not None]
    text = "\n".join(there)
    return not there or (text.count("\n") == len(there) - 1 and _money(scale).fullmatch(text) is not None)


@cache
def _money(scale: int) -> re.Pattern[str]:
    zero = f"-?0\\.(?=[0-9]*[1-9])[0-9]{{{scale}}}|0\\.0{{{scale}}}" if scale else "0"
    point = f"\\.[0-9]{{{scale}}}" if scale else ""
    digits = _MOST_DIGITS - scale
    one = f"(?:-?[1-9][0-9]{{0,{digits - 1}}}{point}|{zero})"
    return re.compile(f"{one}(?:\\n{one})*", re.ASCII)


def _is_plain(values: list[Any], column: Column) -> bool:
    """Whether dates and stamps that fit are spelt as `Batch.columns` would spell them. Numbers are not taken for it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.kind is Kind.DATE:
        return True  # there is one way only
    if column.kind is Kind.DECIMAL:
        return False
    return pc.all(pc.match_substring_regex(pa.array(values, pa.string()), _STAMP)).as_py() is not False
