"""The company's tables: one per object, made from its model, and the trusted bulk insert into them.

Knows columns, indexes and how a nested record is laid flat. Refuses to know who asks, what a query is, or whether a
value is allowed.
"""

# ruff: noqa: S608 - identifiers are quoted names of models, every value is bound

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote as percent_encoded

from tieout.catalogue import names, owner
from tieout.catalogue.index import documented
from tieout.catalogue.model import Field, ListOf, Model, Node, Ref
from tieout.simulator.census import Census
from tieout.simulator.values import Codec, Kind, Stored, codec_for

ROW = '"ia::row"'
"""SQLite's row id: the default order of a query, which is neither by key nor by id (REST reference 5.5)."""
ORDER = "ia::order"
"""The place of a line among its siblings."""
RESERVED = "ia::"
_BLOCK = 64


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def path_of(object: str) -> str:
    """An object's name as hrefs write it: `order-entry/document::Sales%20Invoice` (REST reference 3)."""
    return percent_encoded(object, safe="/:")


def series_of(object: str) -> str:
    """The object that an object shares its keys with: the documents of all definitions are numbered together."""
    head, mark, _ = object.partition("::")
    return head if mark and not head.startswith("platform-apps/") else object


class Column:
    """One column: its dotted path, its name in SQLite, its place in the row."""

    __slots__ = ("codec", "encode", "field", "index", "name", "path", "regular", "sql")

    def __init__(self, path: str, name: str, index: int, codec: Codec, field: Field) -> None:
        self.path, self.name, self.index, self.codec, self.field = path, name, index, codec, field
        self.encode = codec.encoder()
        self.regular = frozenset((*codec.regular, type(None)))
        self.sql = quote(name)


class Link:
    """A reference of the object: which columns hold it, and what it points to."""

    __slots__ = ("displays", "href", "key", "object", "path")

    def __init__(self, path: str, object: str | None) -> None:
        self.path, self.object = path, object
        self.key = self.href = -1
        self.displays: list[tuple[str, int]] = []


class Branch:
    """A level of the nested record: what each name leads to."""

    __slots__ = ("branches", "columns", "owned")

    def __init__(self) -> None:
        self.columns: dict[str, Column] = {}
        self.branches: dict[str, Branch] = {}
        self.owned: dict[str, tuple[str, str]] = {}


def owned_list(model: Model, name: str, entry: ListOf, find: Callable[[str], Model | None]) -> tuple[str, str] | None:
    """(line object, its reference to the owner) of a list that is a table of its own, None of an inline list."""
    if entry.object is None:
        return None
    child = entry.object
    head, mark, document = model.name.partition("::")
    if mark and documented(f"{child}::{document}") in _documented():
        child = f"{child}::{document}"
    declared = owner(child)
    if declared is not None:
        return (child, declared[2]) if declared[:2] == (model.name, name) else None
    lines = find(child)
    if lines is None:
        return None
    for ref_name, ref in lines.refs.items():
        if ref.is_owner and ref.object in (model.name, head):
            first = next(n for n, other in model.lists.items() if other.object == entry.object)
            return (child, ref_name) if first == name else None
    return None


@cache
def _documented() -> frozenset[str]:
    return frozenset(names())


class Table:
    """One object's table. `columns` are by dotted path; a list kept inline is a column too, under the list's path."""

    def __init__(self, model: Model, find: Callable[[str], Model | None], present: Iterable[str]) -> None:
        self.object = model.name
        self.model = model
        self.sql = quote(model.name)
        self.columns: dict[str, Column] = {}
        self.links: dict[str, Link] = {}
        self.tree = Branch()
        self.inline: set[str] = set()
        """Paths of the lists that are kept as JSON in a column."""
        self.lines: dict[str, tuple[str, str]] = {}
        """List name -> (line object, its reference to the owner)."""
        self.owner: tuple[str, str, str] | None = owner(model.name)
        if self.owner is None:
            self.owner = next(((r.object, "", n) for n, r in model.refs.items() if r.is_owner and r.object), None)
        if self.owner is not None and self.owner[2] not in model.refs:
            self.owner = None
        self._exact = set(present)
        self._taken = {name.lower() for name in present}
        self._find = find
        self._node(model, "", self.tree, top=True)
        self.walk: list[str] = [
            path for path in ("key", "entity.key", "audit.modifiedDateTime") if path in self.columns
        ]
        self.order = self._column(ORDER, Field(type="integer"), Codec(Kind.NUMBER))
        for link in self.links.values():
            self._wire(link)

    def _column(self, path: str, field: Field, codec: Codec | None = None) -> Column:
        name = path
        while name not in self._exact and name.lower() in self._taken:
            name += "~"  # SQLite compares column names without case; the vendor has accountLabel and accountlabel
        self._taken.add(name.lower())
        column = Column(path, name, len(self.columns), codec or codec_for(path, field), field)
        self.columns[path] = column
        return column

    def _node(self, node: Node, prefix: str, branch: Branch, top: bool = False) -> None:
        for name, field in node.fields.items():
            if name.startswith(RESERVED):
                continue  # the examples that the catalogue is read off print the envelope's own words
            branch.columns[name] = self._column(prefix + name, field)
        for name, group in node.groups.items():
            if name.startswith(RESERVED):
                continue
            branch.branches[name] = inner = Branch()
            self._node(group, f"{prefix}{name}.", inner)
        for name, ref in node.refs.items():
            branch.branches[name] = inner = Branch()
            self._ref(ref, prefix + name, inner)
        for name, entry in node.lists.items():
            owned = owned_list(self.model, name, entry, self._find) if top else None
            if owned is not None:
                self.lines[name] = branch.owned[name] = owned
            else:
                branch.columns[name] = self._column(prefix + name, Field(type="array"), Codec(Kind.TEXT))
                self.inline.add(prefix + name)

    def _ref(self, ref: Ref, path: str, branch: Branch) -> None:
        self.links[path] = Link(path, ref.object)
        self._node(ref, f"{path}.", branch)
        for name in ("key", "href"):
            if name not in ref.fields:
                branch.columns[name] = self._column(f"{path}.{name}", Field(read_only=True))

    def _wire(self, link: Link) -> None:
        link.key = self.columns[f"{link.path}.key"].index
        link.href = self.columns[f"{link.path}.href"].index
        link.displays = [
            (name, self.columns[f"{link.path}.{name}"].index)
            for name in ("id", "name")
            if f"{link.path}.{name}" in self.columns
        ]


class Tables:
    """Every table of one company over one connection. Tables are made on first use."""

    def __init__(self, db: sqlite3.Connection, find: Callable[[str], Model | None]) -> None:
        self._db = db
        self._find = find
        self._tables: dict[str, Table] = {}
        self._next_key: dict[str, int] = {}
        self._next_row: dict[str, int] = {}
        self._shuffled: dict[str, bool] = {}
        self._facts: set[tuple[str, str, str]] | None = None
        self._indexed: set[tuple[str, str]] = set()
        self._data: dict[str, int] = {}
        self._rows: dict[str, int] = {}
        self._values: dict[tuple[str, str], int] = {}
        self.census = Census(db)
        self.today: Callable[[], str] = lambda: ""
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        """The company's day, `2026-03-18`; its owner sets it."""
        self.undoable = 0
        """Counts what a rollback takes back and we remember: tables, indexes, facts, models, users."""
        self.shape = 0
        """Changes whenever SQL made earlier may no longer be right."""

    def rows(self, sql: str, values: Sequence[Stored] = ()) -> list[tuple[Any, ...]]:
        return self._db.execute(sql, values).fetchall()

    def each(self, sql: str, values: Sequence[Stored] = ()) -> Iterator[tuple[Any, ...]]:
        """As `rows`, one at a time."""
        yield from self._db.execute(sql, values)

    # ---- tables -----------------------------------------------------------------------------------------------

    def existing(self, object: str) -> Table | None:
        """The table if it is there; none is made."""
        found = self._tables.get(object)
        if found is not None:
            return found
        row = self._db.execute("SELECT 1 FROM sqlite_master WHERE type='table' AND name=?", (object,)).fetchone()
        return self.get(object) if row else None

    def get(self, object: str) -> Table:
        """The table of an object that has a model, made or widened as its model says. KeyError without a model."""
        found = self._tables.get(object)
        if found is not None:
            return found
        model = self._find(object)
        if model is None:
            raise KeyError(object)
        present = [row[1] for row in self._db.execute(f"PRAGMA table_info({quote(object)})")]
        table = Table(model, self._find, present)
        if not present:
            columns = ", ".join(column.sql for column in table.columns.values())
            self._db.execute(f"CREATE TABLE {table.sql} ({ROW} INTEGER PRIMARY KEY, {columns})")
            self._create_indexes(table)
        for column in table.columns.values():
            if present and column.name not in present:
                self._db.execute(f"ALTER TABLE {table.sql} ADD COLUMN {column.sql}")
        entity = table.columns.get("entity.key")
        self.census.watch(object, table.sql, table.columns["key"].sql, entity.sql if entity is not None else None)
        self._tables[object] = table
        self.undoable += 1
        self.shape += 1
        return table

    def _create_indexes(self, table: Table) -> None:
        self._index(table, "UNIQUE INDEX", ["key"])
        self._index(table, "INDEX", table.walk)
        for paths in (["id"], ["audit.modifiedDateTime", "key"]):
            if paths[0] in table.columns:
                self._index(table, "INDEX", paths)
        if table.owner is not None and f"{table.owner[2]}.key" in table.columns:
            self._index(table, "INDEX", [f"{table.owner[2]}.key", ORDER])

    def _index(self, table: Table, kind: str, paths: list[str]) -> None:
        name = self.index_name(table, *paths)
        columns = ", ".join(table.columns[path].sql for path in paths)
        self._db.execute(f"CREATE {kind} IF NOT EXISTS {name} ON {table.sql} ({columns})")

    @staticmethod
    def index_name(table: Table, *paths: str) -> str:
        return quote(f"{table.object} by {', '.join(paths)}")

    def walk(self, table: Table) -> str:
        """The index to read a table by in order of key, with what decides whether a row is seen and has changed."""
        return self.index_name(table, *table.walk)

    def index(self, table: Table, path: str) -> None:
        """An index for a reference that is filtered by, made the first time. It also holds a row's place in the order
        of keys and what decides whether it is seen."""
        if (table.object, path) not in self._indexed:
            self._indexed.add((table.object, path))
            self.undoable += 1
            covering = [extra for extra in ("key", "entity.key") if extra in table.columns and extra != path]
            self._index(table, "INDEX", [path, *covering])

    def objects(self) -> tuple[str, ...]:
        rows = self._db.execute("SELECT name FROM sqlite_master WHERE type='table' AND name NOT LIKE 'ia::%'")
        return tuple(sorted(row[0] for row in rows))

    def remodel(self, object: str, before: Model | None) -> None:
        """The object's model changed: values are kept, in the form that the new model asks for."""
        if self.existing(object) is None:
            return
        old = Table(before, self._find, ()).columns if before is not None else {}
        self._tables.pop(object)
        table = self.get(object)
        for path, column in table.columns.items():
            if path not in old or old[path].codec == column.codec:
                continue
            decode = old[path].codec.decoder()
            rows = self._db.execute(f"SELECT {column.sql}, {ROW} FROM {table.sql} WHERE {column.sql} IS NOT NULL")
            values = [(column.encode(decode(stored)), row) for stored, row in rows]
            self._db.executemany(f"UPDATE {table.sql} SET {column.sql} = ? WHERE {ROW} = ?", values)
            if values:
                self.observe(table, column, [stored for stored, _ in values])
        self.changed(object)

    def undone(self, since: int) -> bool:
        """A rollback: the data is another, and what was noted after `since` (an earlier `undoable`) is not so any more.

        Whether anything was."""
        for object in self._data:
            self.changed(object)
        if self.undoable == since:
            return False
        self._tables.clear()
        self._indexed.clear()
        self._facts = None
        self.shape += 1
        return True

    # ---- what the rows are like -------------------------------------------------------------------------------

    def version(self, object: str) -> int:
        return self._data.get(object, 0)

    def changed(self, object: str, paths: Iterable[str] | None = None) -> None:
        """The object's data changed: only the values under these paths, or (None) which rows there are."""
        self._data[object] = self._data.get(object, 0) + 1
        if paths is None:
            self._rows[object] = self._data[object]
        else:
            self._values.update(((object, path), self._data[object]) for path in paths)

    def state(self, object: str, paths: Iterable[str]) -> tuple[int, ...]:
        """Changes when rows come or go, and when a value under one of these paths does."""
        return self._rows.get(object, 0), *(self._values.get((object, path), 0) for path in paths)

    def irregular(self, table: Table, column: Column) -> bool:
        """Whether the column ever held a value that its kind cannot compare or sum natively."""
        return (table.object, column.path, "odd") in self._observed()

    def in_use(self, table: Table, column: Column) -> bool:
        """Whether any row ever held a value in the column."""
        return (table.object, column.path, "used") in self._observed()

    def _observed(self) -> set[tuple[str, str, str]]:
        if self._facts is None:
            self._facts = {(row[0], row[1], row[2]) for row in self.rows('SELECT object, path, fact FROM "ia::fact"')}
        return self._facts

    def observe(self, table: Table, column: Column, written: Iterable[Stored]) -> None:
        """Take note of values just written, one of them at least not null."""
        if not self.in_use(table, column):
            self._note(table, column, "used")
        if not self.irregular(table, column) and not column.regular.issuperset(map(type, written)):
            self._note(table, column, "odd")

    def observe_row(self, table: Table, columns: Iterable[Column], stored: Iterable[Stored]) -> None:
        """Take note of the values of one row just written."""
        facts, object = self._observed(), table.object
        for column, value in zip(columns, stored, strict=True):
            if value is None:
                continue
            if (object, column.path, "used") not in facts:
                self._note(table, column, "used")
            if type(value) not in column.regular and (object, column.path, "odd") not in facts:
                self._note(table, column, "odd")

    def _note(self, table: Table, column: Column, fact: str) -> None:
        self._observed().add((table.object, column.path, fact))
        self._db.execute('INSERT OR IGNORE INTO "ia::fact" VALUES (?, ?, ?)', (table.object, column.path, fact))
        self.undoable += 1
        self.shape += 1

    # ---- keys and rows ----------------------------------------------------------------------------------------

    def next_key(self, table: Table) -> int:
        """Keys only grow: a deleted record's key is not given again."""
        series = series_of(table.object)
        if series not in self._next_key:
            floor = self._db.execute('SELECT last FROM "ia::key" WHERE object=?', (series,)).fetchone()
            largest = [self._largest_key(self.get(name)) for name in self._members(table, series)]
            self._next_key[series] = max([*largest, floor[0] if floor else 0]) + 1
        key_now = self._next_key[series]
        self._next_key[series] = key_now + 1
        return key_now

    def _members(self, table: Table, series: str) -> tuple[str, ...]:
        if series == table.object:
            return (table.object,)
        return tuple(name for name in self.objects() if series_of(name) == series)

    def _largest_key(self, table: Table) -> int:
        key = table.columns["key"].sql
        row = self._db.execute(f"SELECT max({key}) FROM {table.sql} WHERE typeof({key})='integer'").fetchone()
        return row[0] or 0

    def seen_key(self, table: Table, key: Stored) -> None:
        if type(key) is int:
            self.next_key(table)
            series = series_of(table.object)
            self._next_key[series] = max(self._next_key[series] - 1, key + 1)

    def next_row(self, table: Table, *, shuffled: bool) -> int:
        """Row ids grow, shuffled within blocks of 64, so that nobody can mistake their order for the key's."""
        if table.object not in self._next_row:
            last = self._db.execute(f"SELECT max({ROW}) FROM {table.sql}").fetchone()[0] or 0
            self._next_row[table.object] = (last // _BLOCK + 1) * _BLOCK
        if self._shuffled.setdefault(table.object, shuffled) != shuffled:
            self._shuffled[table.object] = shuffled  # a shuffled row may not land among those of the same block
            self._next_row[table.object] = (self._next_row[table.object] // _BLOCK + 1) * _BLOCK
        row = self._next_row[table.object]
        self._next_row[table.object] = row + 1
        return row // _BLOCK * _BLOCK + (row * 37 + 11) % _BLOCK if shuffled else row

    def retire(self, table: Table, key: int) -> None:
        """Remember a deleted key, so that it is not given again after a restart."""
        self._db.execute(
            'INSERT INTO "ia::key" VALUES (?, ?) ON CONFLICT (object) DO UPDATE SET last = max(last, excluded.last)',
            (series_of(table.object), key),
        )
