"""A layout's table as a SELECT over pulled tables, in the words of DuckDB, SQLite or PostgreSQL.

Every column has the same type whatever the pulled one has, so that a view can be replaced while others rest on it.
Knows columns, not databases: nothing is executed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import msgspec

from tieout.pull.layouts.fivetran import UNPOSTED
from tieout.pull.layouts.shape import Shaped, Table, Type
from tieout.pull.schema.names import DELETED, SYNCED
from tieout.pull.schema.types import Column, Kind

Dialect: TypeAlias = Literal["duckdb", "sqlite", "postgresql"]

_TYPES: dict[Dialect, dict[Type, str]] = {
    "duckdb": {
        "text": "VARCHAR", "int": "BIGINT", "number": "DECIMAL(38,2)", "bool": "BOOLEAN", "date": "DATE",
        "timestamp": "TIMESTAMP WITH TIME ZONE",
    },
    "sqlite": {
        "text": "TEXT", "int": "INTEGER", "number": "TEXT", "bool": "BOOLEAN", "date": "TEXT", "timestamp": "TEXT",
    },
    "postgresql": {
        "text": "text", "int": "bigint", "number": "numeric", "bool": "boolean", "date": "date",
        "timestamp": "timestamp with time zone",
    },
}  # fmt: skip
_KINDS: dict[Type, tuple[Kind, ...]] = {
    "text": (Kind.TEXT, Kind.JSON),
    "int": (Kind.INTEGER,),
    "number": (Kind.DECIMAL,),
    "bool": (Kind.BOOLEAN,),
    "date": (Kind.DATE,),
    "timestamp": (Kind.TIMESTAMP,),
}
_WHOLE = "'^-?[0-9]{1,18}$'"
_NUMBER = "'^-?[0-9]{1,20}([.][0-9]{1,10})?$'"


class Pulled(msgspec.Struct, frozen=True):
    """A table to select from."""

    name: str
    """Quoted, as a statement names it."""
    columns: Mapping[str, Column]
    """By path."""


def select(table: Table, of: Pulled, beside: Mapping[str, Pulled], dialect: Dialect) -> str:
    """The SELECT of a view: rows of `of`, with what is known of the tables `beside`, by object."""
    return _Select(table, of, beside, dialect).text()


class _Select:
    def __init__(self, table: Table, of: Pulled, beside: Mapping[str, Pulled], dialect: Dialect) -> None:
        self.table, self.dialect = table, dialect
        self.tables = {"": ("t", of)}
        self.joins: list[str] = []
        for join in table.joins:
            on = self.found((join.on,))
            if join.object in beside and on is not None:
                self.tables[join.alias] = (join.alias, beside[join.object])
                self.joins.append(f'LEFT JOIN {beside[join.object].name} {join.alias} ON {join.alias}."key" = {on[0]}')

    def text(self) -> str:
        listed = ",\n  ".join(f"{self.value(column)} AS {column.name}" for column in self.table.columns)
        where = [f"t.{DELETED} IS NULL"] if self.table.live else []
        state = self.found((self.table.posted,)) if self.table.posted else None
        if state is not None:
            unposted = ", ".join(f"'{word}'" for word in UNPOSTED)
            where.append(f"coalesce({state[0]}, '') NOT IN ({unposted})")
        parts = [f"SELECT\n  {listed}", f"FROM {self.tables[''][1].name} t", *self.joins]
        return "\n".join([*parts, f"WHERE {' AND '.join(where)}"] if where else parts)

    def found(self, sources: tuple[str, ...]) -> tuple[str, Column] | None:
        """The first of these paths that there is, as an expression."""
        for source in sources:
            alias, _, path = source.rpartition(":")
            if alias in self.tables and (column := self.tables[alias][1].columns.get(path)) is not None:
                return f"{self.tables[alias][0]}.{quote(column.name)}", column
        return None

    def value(self, column: Shaped) -> str:
        made: Callable[[Shaped], str | None] = {
            "deleted": lambda _: f"(t.{DELETED} IS NOT NULL)",
            "synced": lambda _: f"t.{SYNCED}",
            "posted": lambda _: "'P'",
            "sign": self._sign,
            "signed": self._amount,
            "debit": self._amount,
            "credit": self._amount,
        }.get(column.how, self._plain)
        return made(column) or f"CAST(NULL AS {_TYPES[self.dialect][column.type]})"

    def _plain(self, column: Shaped) -> str | None:
        found = self.found(column.sources)
        value = self._converted(*found, column.type) if found is not None else None
        if value is None or column.how == "plain":
            return value
        return f"lower({value})" if column.how == "lower" else f"(NOT coalesce({value}, {self._false}))"

    @property
    def _false(self) -> str:
        return "0" if self.dialect == "sqlite" else "false"

    def _sign(self, column: Shaped) -> str | None:
        side = self.found(("txnType",))
        if side is None:
            return None
        cases = f"CASE {side[0]} WHEN 'debit' THEN 1 WHEN 'credit' THEN -1 END"
        return f"CAST({cases} AS {_TYPES[self.dialect]['int']})"

    def _amount(self, column: Shaped) -> str | None:
        side, found = self.found(("txnType",)), self.found(column.sources)
        amount = self._converted(*found, "number") if found is not None else None
        if side is None or amount is None:
            return None
        if column.how == "signed":
            return f"CASE {side[0]} WHEN 'debit' THEN {amount} WHEN 'credit' THEN {self._negative(amount)} END"
        other = "credit" if column.how == "debit" else "debit"
        zero = "'0.00'" if self.dialect == "sqlite" else "0"
        return f"CASE {side[0]} WHEN '{column.how}' THEN {amount} WHEN '{other}' THEN {zero} END"

    def _negative(self, amount: str) -> str:
        if self.dialect != "sqlite":
            return f"-({amount})"
        # Money is text there: no digit goes through floating point.
        return (
            f"CASE WHEN {amount} LIKE '-%' THEN substr({amount}, 2) WHEN trim({amount}, '0.') = '' THEN {amount}"
            f" ELSE '-' || {amount} END"
        )

    def _converted(self, value: str, column: Column, type: Type) -> str | None:
        """A column's value in the layout's type; None where nothing sensible comes of it."""
        if column.kind in _KINDS[type]:
            # PostgreSQL replaces a view only where each column keeps its type, with its digits.
            return f"CAST({value} AS numeric)" if type == "number" and self.dialect == "postgresql" else value
        name = _TYPES[self.dialect][type]
        match column.kind, type:
            case (Kind.BOOLEAN, "text"):
                return f"CASE WHEN {value} THEN 'true' WHEN NOT {value} THEN 'false' END"
            case (_, "text") | (Kind.DECIMAL, "int") | (Kind.INTEGER, "number"):
                return f"CAST({value} AS {name})"
            case (Kind.TEXT, "int" | "number"):
                return self._parsed(value, type)
            case (Kind.TEXT, "bool"):
                return f"({value} = 'true')"
            case (Kind.TIMESTAMP, "date"):
                day = f"substr({value}, 1, 10)"
                return day if self.dialect == "sqlite" else f"CAST({value} AT TIME ZONE 'UTC' AS date)"
            case _:
                return None

    def _parsed(self, value: str, type: Type) -> str:
        """A number in a text; null where there is none."""
        if self.dialect == "duckdb":
            return f"TRY_CAST({value} AS {'BIGINT' if type == 'int' else 'DECIMAL(38,10)'})"
        if self.dialect == "postgresql":
            pattern = _WHOLE if type == "int" else _NUMBER
            return f"CASE WHEN {value} ~ {pattern} THEN CAST({value} AS {_TYPES['postgresql'][type]}) END"
        if type == "number":
            return value
        whole = f"CAST({value} AS INTEGER)"
        return f"CASE WHEN CAST({whole} AS TEXT) = {value} THEN {whole} END"


def quote(name: str) -> str:
    """An SQL identifier, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'
