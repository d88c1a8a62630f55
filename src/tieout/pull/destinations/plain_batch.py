"""Rows on their way into a database that takes Python values: as they came off the wire, one tuple each.

What the wire says is what `Batch.columns` would spell, or whoever made the batch has seen to it. Knows neither pages
nor databases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tieout.pull.destinations.batch import Batch, Plain, arrow_column
from tieout.pull.schema.types import Column

if TYPE_CHECKING:
    import pyarrow as pa


class PlainBatch(Batch):
    """A batch of tuples, that becomes Arrow only where somebody asks for it."""

    def __init__(self, of: Sequence[Column], rows: list[tuple[Plain, ...]], keys: list[str], nbytes: int) -> None:
        """`rows` have the columns of `of`, in their order, spelt as `Batch.columns` does. `nbytes`: memory they take,
        about."""
        self.of, self.keys = tuple(of), keys
        self._rows, self._nbytes = rows, nbytes

    @property
    def nbytes(self) -> int:
        return self._nbytes

    def arrow(self) -> pa.Table:
        import pyarrow as pa

        arrays = [arrow_column(column, values) for column, values in zip(self.of, self.columns(), strict=True)]
        return pa.table(arrays, names=[column.name for column in self.of])

    def columns(self) -> list[list[Plain]]:
        return [list(values) for values in zip(*self._rows, strict=True)] or [[] for _ in self.of]

    def tuples(self) -> Sequence[tuple[Plain, ...]]:
        return self._rows

    def nulls(self, name: str) -> int:
        at = next((at for at, column in enumerate(self.of) if column.name == name), None)
        return self.rows if at is None else [row[at] for row in self._rows].count(None)

    def only(self, at: Sequence[int]) -> Batch:
        rows, keys = [self._rows[index] for index in at], [self.keys[index] for index in at]
        return PlainBatch(self.of, rows, keys, self._nbytes * len(rows) // max(self.rows, 1))


def joined(of: Sequence[Column], batches: Sequence[Batch]) -> Batch:
    """All of them, one after the other: of tuples where all are."""
    plain = [batch for batch in batches if isinstance(batch, PlainBatch)]
    if not plain or len(plain) < len(batches):
        return Batch.joined(of, batches)
    rows = [row for batch in plain for row in batch.tuples()]
    keys = [key for batch in plain for key in batch.keys]
    return PlainBatch(of, rows, keys, sum(batch.nbytes for batch in plain))
