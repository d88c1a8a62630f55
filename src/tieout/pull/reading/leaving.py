"""Lines that left a document which changed: a removed line leaves no trace of its own (REST reference 10.2), it only
does not come any more with its document.

Knows which lines a table had of these documents and which came; who asks Intacct is `table`'s business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tieout.pull.destinations.base import Destination, Window
from tieout.pull.destinations.batch import Batch
from tieout.pull.schema.types import Column


class Leaving:
    """The lines a table has of some documents, less those that come. `keys`: what is left of them."""

    def __init__(self, destination: Destination, table: str, column: Column, owners: Sequence[str]) -> None:
        """`column` holds the key of a line's document. Before the lines are read. Raises StoreError."""
        self.owners, self._column = owners, column
        within = Window(column=column, among=owners)
        self.keys = {key for lot in destination.keys(table, within=within) for key in lot}
        counts = destination.measure(table, [], by=column, within=within) if self.keys else ()
        self._had = {one.group: one.count for one in counts}
        self._came: Counter[object] = Counter()

    def took(self, batch: Batch) -> None:
        """These rows came, lines of other documents among them."""
        self.keys.difference_update(batch.keys)
        if self._had:
            self._came.update(batch.column(self._column.name))

    @property
    def lost(self) -> int:
        """How many lines the documents have lost. Lines that others took the place of do not count: an edited document
        may have all its lines anew, and who may not read lines gets none in their place."""
        return sum(max(had - self._came[owner], 0) for owner, had in self._had.items())
