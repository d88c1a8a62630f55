"""What is compared: one table, the object and scope it was read from, and the columns that are kept up to date.

Says how a part of it is asked of either side; compares nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tieout.catalogue.model import Model
from tieout.pull.abreast import Share
from tieout.pull.destinations.base import Child, Destination, Window
from tieout.pull.destinations.state import TableState
from tieout.pull.schema.names import table_name
from tieout.pull.schema.types import Column

if TYPE_CHECKING:
    from tieout.rest import Filter, Intacct, Query


class Subject(msgspec.Struct, kw_only=True):
    """One table against one object of a company."""

    client: Intacct
    model: Model
    destination: Destination
    state: TableState
    columns: Sequence[Column]
    """Those that the last read brought, `key` among them."""
    where: Filter | None = None
    private: bool = False
    hard: bool = False
    """Rows that are gone are removed, not marked."""
    most: float = 0.2
    """The part of the rows that may be taken for gone at once."""
    children: list[Child] = []
    """Tables of lines, which follow rows that are gone; their states follow in turn."""
    share: Share = msgspec.field(default_factory=Share)
    """What it may have of the run."""

    @property
    def name(self) -> str:
        """How lines and sentences call it."""
        return subject_of(self.model.name, self.state.table)

    @property
    def stamp(self) -> Column | None:
        """The column of modified stamps, where the read brings one."""
        return next((c for c in self.columns if self.state.stamp and c.name == self.state.stamp), None)

    def filter(self, within: Window | None = None) -> Filter | None:
        """What Intacct is asked for: everything, or the rows of a window."""
        from tieout.rest import F

        found = self.where
        if within is None:
            return found
        field = F(within.column.path)
        parts = [field == None] if within.null else []  # noqa: E711 - builds a filter
        if within.low is not None:
            parts.append(field >= within.low)
        if within.high is not None:
            parts.append(field < within.high)
        for part in parts:
            found = part if found is None else found & part
        return found

    def by_key(self, keys: Sequence[str]) -> Filter:
        """Rows with these keys, of those that the table holds."""
        from tieout.rest import F

        found = F("key").in_(keys)
        return found if self.where is None else self.where & found

    def query(self, columns: Sequence[Column], where: Filter | None) -> Query:
        """Rows in the order of their keys."""
        from tieout.rest import Query

        return Query(
            object=self.model.name,
            fields=tuple(column.path for column in columns),
            where=where,
            order_by=(("key", "asc"),),
            private=self.private,
        )

    def count(self, within: Window | None = None) -> int:
        """Intacct's rows. One transaction."""
        self.share.check()
        return self.client.count(self.model.name, self.filter(within), private=self.private)

    def totals(self, paths: Sequence[str], within: Window | None = None) -> list[Decimal]:
        """Intacct's sums, nothing as zero. One transaction."""
        self.share.check()
        found = self.client.totals(self.model.name, list(paths), self.filter(within), private=self.private)
        return [found[path] or Decimal(0) for path in paths]


def subject_of(object: str, table: str) -> str:
    """The object, and the table where it is not the object's usual one."""
    return object if table == table_name(object) else f"{object} in {table}"
