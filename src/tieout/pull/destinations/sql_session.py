"""One transaction of a database that is written row by row, SQLite or PostgreSQL, in whose dialect it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple

from tieout.pull.destinations.batch import Batch, Plain
from tieout.pull.schema.types import Column


class Group(NamedTuple):
    """What some rows amount to. `name` and `newest` as the driver gives them; None of all rows, and of none."""

    name: Any
    rows: int
    newest: Any
    sums: list[Decimal | None]
    """In the order of the columns that were asked for."""


class Session(ABC):
    """One transaction. Statements name tables by `name` and `own`, columns by `quote`, values by `mark`."""

    mark: ClassVar[str]
    """Stands for a value."""
    each: ClassVar[str]
    """A SELECT of the column `key`: one row for each member of a value that `listed` has made."""
    stamp: ClassVar[str]
    """The type of moments."""
    digits: ClassVar[str]
    """An expression: 1 where `key` is digits only, else 0."""

    def __init__(self, place: str) -> None:
        self.place = place

    @abstractmethod
    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Execute -> how many rows it has written."""

    @abstractmethod
    def run_each(self, sql: str, values: Sequence[Sequence[Any]]) -> None:
        """Execute for each of many rows, without waiting for each."""

    @abstractmethod
    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of the answer."""

    @abstractmethod
    def lots(self, sql: str, values: Sequence[Any] = ()) -> Iterator[list[tuple[Any, ...]]]:
        """Rows of the answer, some at a time."""

    @abstractmethod
    def commit(self) -> None:
        """The end of it: all is kept."""

    @abstractmethod
    def lock(self, tables: Sequence[str]) -> None:
        """No other program writes these tables until the transaction ends."""

    @abstractmethod
    def ensure_place(self) -> None:
        """What must be there before the first table is."""

    @abstractmethod
    def has_table(self, name: str) -> bool:
        """Whether there is a table or view of that name, whoever made it; case does not count."""

    @abstractmethod
    def types(self, table: str) -> dict[str, str]:
        """column -> type as the catalogue spells it; empty where there is no such table."""

    @abstractmethod
    def sql_type(self, column: Column) -> str:
        """The type of a column, spelt as the catalogue spells it."""

    @abstractmethod
    def name(self, table: str) -> str:
        """A table, to be named in a statement, whatever is in its name."""

    @abstractmethod
    def quote(self, name: str) -> str:
        """A column, likewise."""

    @abstractmethod
    def listed(self, keys: Sequence[str]) -> Any:
        """Many texts as one value for `each`."""

    @abstractmethod
    def temporary(self, name: str, select: str, values: Sequence[Any]) -> None:
        """A table that is gone with the transaction."""

    @abstractmethod
    def fill(self, table: str, batch: Batch, synced: str) -> bool:
        """Put rows into a table that has none of their keys -> False, with nothing done, where it has one."""

    @abstractmethod
    def merge(self, table: str, batch: Batch, synced: str) -> int:
        """Put rows into a table -> how many are new, or differed in something, or were marked deleted."""

    @abstractmethod
    def retype(self, table: str, old: Column, new: Column) -> None:
        """Give a column a wider type, in place: values are kept, spelt as `Batch.columns` spells those of the new
        type."""

    @abstractmethod
    def order(self, column: Column) -> str:
        """An expression that compares as the column's values do: moments by time, texts by their characters."""

    @abstractmethod
    def bound(self, column: Column) -> str:
        """`mark`, made to compare with `order`."""

    @abstractmethod
    def measures(self, heads: str, columns: Sequence[Column], source: str, values: Sequence[Any]) -> list[Group]:
        """`heads`, a name, a count and a latest stamp, with exact sums of columns: a SELECT from `source`."""

    @abstractmethod
    def read(self, column: Column, values: list[Any]) -> list[Plain]:
        """Values as the driver gives them, spelt as `Batch.columns` does."""

    @abstractmethod
    def put_view(self, name: str, select: str) -> None:
        """Create a view, or replace it; `select` is run as it is."""

    def among(self) -> str:
        """`IN` the members of a value that `listed` has made."""
        return f"IN ({self.each})"

    def number(self, sql: str, values: Sequence[Any] = ()) -> int:
        """The first value of the answer."""
        return int(self.rows(sql, values)[0][0])
