"""The table that the tests of every destination write: its columns, its rows, and one committed step by step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from tieout.pull.destinations.base import Commit, Committed, Destination
from tieout.pull.destinations.batch import Batch
from tieout.pull.destinations.state import TableState
from tieout.pull.schema.columns import MODIFIED
from tieout.pull.schema.drift import merged
from tieout.pull.schema.types import Column, Kind, arrow_type

KEY = Column(path="key", name="key", kind=Kind.TEXT)
NAME = Column(path="name", name="name", kind=Kind.TEXT)
TOTAL = Column(path="total", name="total", kind=Kind.DECIMAL, scale=2, money=True)
DAYS = Column(path="days", name="days", kind=Kind.INTEGER)
PAID = Column(path="paid", name="paid", kind=Kind.BOOLEAN)
DAY = Column(path="day", name="day", kind=Kind.DATE)
STAMP = Column(path=MODIFIED, name="audit__modifiedDateTime", kind=Kind.TIMESTAMP)
OWNER = Column(path="bill.key", name="bill__key", kind=Kind.TEXT)
COLUMNS = (KEY, NAME, TOTAL, DAYS, PAID, DAY, STAMP)
SYNCED = "2026-03-20T10:00:00Z"
NOON = datetime(2026, 3, 20, 12, 0, 0, tzinfo=UTC)


def batch(rows: Sequence[dict[str, Any]], columns: Sequence[Column] = COLUMNS) -> Batch:
    """Rows by column name, as pyarrow takes them; what is not given is null."""
    arrays = [pa.array([row.get(column.name) for row in rows], arrow_type(column)) for column in columns]
    return Batch(columns, pa.table(arrays, names=[c.name for c in columns]), [row["key"] for row in rows])


def bill(key: int | str, **values: Any) -> dict[str, Any]:
    """A row with something in each column."""
    row = {"name": f"bill {key}", "total": Decimal("10.00"), "days": 30, "paid": False, "day": date(2026, 3, 1)}
    return {"key": str(key), **row, STAMP.name: NOON} | values


class Table:
    """One table that is written step by step, each commit on the state that the one before left."""

    def __init__(self, to: Destination, name: str = "bill", columns: Sequence[Column] = COLUMNS) -> None:
        self.to, self.columns = to, tuple(columns)
        self.state = TableState(table=name, object="accounts-payable/bill", company="demo", entity="", stamp=STAMP.name)

    def commit(self, *rows: dict[str, Any], columns: Sequence[Column] | None = None, **more: Any) -> Committed:
        """Commit rows; `after` changes the state besides."""
        of = tuple(columns or self.columns)
        after = msgspec.structs.replace(self.state, columns=merged(self.state.columns, of), **more.pop("after", {}))
        before = more.pop("before", self.state)
        done = self.to.commit(Commit(before=before, after=after, batch=batch(rows, of), **({"synced": SYNCED} | more)))
        self.state = done.state
        return done

    def keys(self) -> list[str]:
        """Live keys."""
        return sorted(key for lot in self.to.keys(self.state.table) for key in lot)

    def row(self, key: str) -> dict[str, Any]:
        """A row by path."""
        return self.to.rows(self.state.table, [key], self.state.columns)[key]
