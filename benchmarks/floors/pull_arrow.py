"""Rows of a page -> Arrow, for the floors that write columns: turned over with `zip`, cast by Arrow."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from .pull_pages import COLUMNS, NAMES, values

_TEXT = pa.string()
_TYPES = {
    "text": _TEXT,
    "date": pa.date32(),
    "flag": pa.bool_(),
    "money": pa.decimal128(38, 2),
    "integer": pa.int64(),
    "stamp": pa.timestamp("us", tz="UTC"),
}
TYPED = pa.schema([(name, _TYPES[kind]) for name, kind in zip(NAMES, COLUMNS.values(), strict=True)])
AS_SENT = pa.schema([(f.name, f.type if f.type in (_TYPES["flag"], _TYPES["integer"]) else _TEXT) for f in TYPED])
"""Money, dates and stamps are strings on the wire: Arrow casts a column of them faster than Python makes objects."""


def table(rows: list[Any]) -> pa.Table:
    """Strings as sent; to be cast to `TYPED`."""
    columns = zip(*map(values, rows), strict=True) if rows else [[]] * len(NAMES)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, AS_SENT.types, strict=True)]
    return pa.Table.from_arrays(arrays, schema=AS_SENT)
