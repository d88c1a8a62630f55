"""Rows of totals: which value of a reply is the `sum:totalDue` that was asked for.

Under which key an aggregate comes back is not documented (REST reference 5.5). Four spellings are understood, the last
by position; what fits none of them is an error, never a guess. Knows no paging.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import msgspec

from tieout.rest.call import Reply
from tieout.rest.query import is_aggregate
from tieout.rest.rows import STRAY, Page, Row, by_value, not_understood, row_by_value

NULL = msgspec.Raw(b"null")


def totals_decoder(row: type[Row], fields: Sequence[str]) -> Callable[[Reply], Page[Any]]:
    """A parser for the rows of an aggregate query. Counts and sums may come as numbers or as text."""
    lenient = [field for field in fields if is_aggregate(field)]
    places: dict[tuple[str, ...], dict[str, str]] = {}

    def make(raw: dict[str, msgspec.Raw]) -> Any:
        came = tuple(raw)
        if came not in places:
            places[came] = place(came, fields)
        found = places[came]
        placed = {field: raw[found[field]] if field in found else NULL for field in fields}
        return row_by_value(row, placed, lenient=lenient)

    return lambda reply: by_value(reply, make)


def place(came: Iterable[str], fields: Sequence[str]) -> dict[str, str]:
    """{field asked for: name it came under}. An aggregate that is left out while others came is null.

    Raises ReplyError where it cannot be told which is which."""
    functions = [field for field in fields if is_aggregate(field)]
    groups = [field for field in fields if not is_aggregate(field)]
    names = [name for name in came if name not in groups]
    found = {field: field for field in groups if field in came}
    if len(found) < len(groups):
        raise not_understood("an aggregate query")
    own = [name for name in names if not name.startswith(STRAY)]
    for spelling in (str, _underscored, _bare):
        spelt = {spelling(field): field for field in functions}
        if len(spelt) == len(functions) and own and set(own) <= set(spelt):
            return found | {spelt[name]: name for name in own}
    for candidates in (own, names):
        if len(candidates) == len(functions):
            return found | dict(zip(functions, candidates, strict=True))
    raise not_understood("an aggregate query")


def _underscored(field: str) -> str:
    return field.replace(":", "_", 1)


def _bare(field: str) -> str:
    return field.partition(":")[2]


def group_of(row: Row, groups: Sequence[str]) -> Hashable:
    """What tells one row of totals from another."""
    return tuple(_hashable(row[field]) for field in groups)


def _hashable(value: Any) -> Hashable:
    return value if isinstance(value, Hashable) else repr(value)
