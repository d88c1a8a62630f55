"""Rows on their way into a table: typed columns in Arrow, or as plain values for databases that take those.

Knows columns; knows neither pages nor databases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import msgspec

from tieout.pull.schema.types import Column, Kind, arrow_type

if TYPE_CHECKING:
    import pyarrow as pa

Plain: TypeAlias = str | int | bool | None
"""A value without a database's types: exact numbers, dates and stamps are text, as `Batch.columns` spells them."""


class Misfit(msgspec.Struct, frozen=True):
    """A value that fits no column type: `raw` is its JSON text. A row without a key is one misfit of field `key`."""

    key: str
    field: str
    raw: str


class Batch:
    """Some rows, with all of `of` as columns. A key may come twice until `unique`; then the later row counts."""

    def __init__(self, of: Sequence[Column], data: pa.Table, keys: list[str]) -> None:
        """`data` has the columns of `of`, in their order and with their types."""
        self.of, self.keys = tuple(of), keys
        self._data = data

    @classmethod
    def empty(cls, of: Sequence[Column]) -> Batch:
        """No rows."""
        import pyarrow as pa

        return cls(of, pa.table({c.name: pa.array([], arrow_type(c)) for c in of}), [])

    @classmethod
    def joined(cls, of: Sequence[Column], batches: Sequence[Batch]) -> Batch:
        """All of them, one after the other."""
        import pyarrow as pa

        if not batches:
            return cls.empty(of)
        return cls(of, pa.concat_tables([b.arrow() for b in batches]), [key for b in batches for key in b.keys])

    @property
    def rows(self) -> int:
        return len(self.keys)

    @property
    def nbytes(self) -> int:
        """Memory it takes, about."""
        return int(self._data.nbytes)

    def arrow(self) -> pa.Table:
        """The rows, one Arrow column each by its name in the table."""
        return self._data

    def columns(self) -> list[list[Plain]]:
        """The rows by column: whole numbers and booleans as they are, all else as text. Amounts have all the digits
        after the point that their column has; dates are `2026-03-20`, stamps `2026-03-20T10:00:00Z`, with microseconds
        where they have any."""
        return [spelt(column, self._data.column(at)) for at, column in enumerate(self.of)]

    def column(self, name: str) -> list[Plain]:
        """The column of that name, spelt as `columns` does."""
        at = next(at for at, column in enumerate(self.of) if column.name == name)
        return spelt(self.of[at], self._data.column(at))

    def parts(self, rows: int) -> Iterator[Batch]:
        """So many rows at a time."""
        for first in range(0, self.rows, rows):
            yield self.only(range(first, min(first + rows, self.rows)))

    def at_hand(self) -> pa.Table:
        """The rows in Arrow as they are at hand: typed, or spelt as `columns` does."""
        return self._data

    def nulls(self, name: str) -> int:
        """How many rows have nothing in the column of that name: all of them where the batch does not bring it."""
        if name not in self._data.column_names:
            return self.rows
        return int(self._data.column(name).null_count)

    def with_nulls(self) -> list[bool]:
        """By column: whether any row has nothing in it."""
        return [column.null_count > 0 for column in self._data.columns]

    def unique(self) -> Batch:
        """Each key once, its last appearance."""
        if len(set(self.keys)) == len(self.keys):
            return self
        return self.only(sorted({key: index for index, key in enumerate(self.keys)}.values()))

    def only(self, at: Sequence[int]) -> Batch:
        """The rows at these places, which rise."""
        if len(at) == 0 or at[-1] - at[0] == len(at) - 1:
            first = at[0] if at else 0
            return type(self)(self.of, self._data.slice(first, len(at)), self.keys[first : first + len(at)])
        import pyarrow as pa

        return type(self)(self.of, self._data.take(pa.array(at)), [self.keys[index] for index in at])


def spelt(column: Column, values: pa.ChunkedArray) -> list[Plain]:
    """The same as `plain` for a whole column, spelt by Arrow, which makes no Python object before the text."""
    return cast("list[Plain]", spelt_array(column, values).to_pylist())


def spelt_array(column: Column, values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """The same, as Arrow's texts, whole numbers and booleans."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.kind is Kind.DATE:
        return values.cast(pa.string())
    if column.kind is Kind.TIMESTAMP:
        try:
            seconds = values.cast(pa.timestamp("s", "UTC"))
        except pa.ArrowInvalid:  # some have microseconds, and only those show them
            return _texts(plain(column, values.to_pylist()), values)
        return pc.utf8_replace_slice(seconds.cast(pa.string()), 10, 11, "T")
    if column.kind is Kind.DECIMAL:
        texts = values.cast(pa.string())
        if column.scale <= _WITHOUT_EXPONENT:
            return texts
        full = [f"{Decimal(text):f}" if text is not None and "E" in text else text for text in texts.to_pylist()]
        return _texts(full, values)
    return values


def _texts(texts: list[Any], values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """In as many pieces as `values`, which is one or a whole column of them."""
    import pyarrow as pa

    if isinstance(values, pa.ChunkedArray):
        return pa.chunked_array([texts], pa.string())
    return pa.array(texts, pa.string())


_WITHOUT_EXPONENT = 6
"""Digits after the point up to which Arrow writes every number in full."""


def arrow_column(column: Column, values: Sequence[Plain]) -> pa.Array:
    """Values as `Batch.columns` spells them, as the column's Arrow type."""
    import pyarrow as pa

    kind = arrow_type(column)
    if column.kind in (Kind.INTEGER, Kind.BOOLEAN):
        return pa.array(values, kind)
    return pa.array(values, pa.string()).cast(kind)


def plain_text(value: Decimal | date | datetime) -> str:
    """An exact number, a date or a stamp (UTC) as `Batch.columns` spells it."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat()


def plain(column: Column, values: list[Any]) -> list[Plain]:
    if column.kind not in (Kind.DECIMAL, Kind.DATE, Kind.TIMESTAMP):
        return values
    spell: Callable[[Any], str] = plain_text
    return [None if value is None else spell(value) for value in values]
