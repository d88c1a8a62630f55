"""Rows on their way into a database that takes plain values: Arrow's texts, whole numbers and booleans.

Knows neither pages nor databases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from tieout.pull.destinations.batch import Batch, Plain
from tieout.pull.schema.types import Column, arrow_type

if TYPE_CHECKING:
    import pyarrow as pa


class PlainBatch(Batch):
    """A batch whose data is spelt as `Batch.columns` does, and becomes typed only where somebody asks for it."""

    def arrow(self) -> pa.Table:
        import pyarrow as pa

        return self._data.cast(pa.schema([(column.name, arrow_type(column)) for column in self.of]))

    def columns(self) -> list[list[Plain]]:
        return [_listed(column) for column in self._data.columns]

    def column(self, name: str) -> list[Plain]:
        return _listed(self._data.column(name))


def _listed(values: pa.ChunkedArray) -> list[Plain]:
    found: pa.Array | pa.ChunkedArray = values.chunk(0) if values.num_chunks == 1 else values  # a third quicker (26.0)
    return cast("list[Plain]", found.to_pylist())


def joined(of: Sequence[Column], batches: Sequence[Batch]) -> Batch:
    """All of them, one after the other: plain where all are."""
    import pyarrow as pa

    if not batches or not all(isinstance(batch, PlainBatch) for batch in batches):
        return Batch.joined(of, batches)
    return PlainBatch(of, pa.concat_tables([b.at_hand() for b in batches]), [key for b in batches for key in b.keys])
