"""Many rows in one statement, on SQLite and PostgreSQL, past SQLAlchemy's own parameter handling.

The ledger writes each record twice, before it is sent and after; compiled statements with a dictionary a row cost five
times the database's own work (docs/performance.md). SQLite takes many tuples in one statement, PostgreSQL all of them
as one JSON text: arrays of thousands of values cost the driver ten times, and the server four times, as much.
Names of tables and columns come from our own schema; values are always parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import BigInteger, Integer, LargeBinary, and_, bindparam, select, text

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Table, TextClause

_AT_ONCE = 100
"""Rows of one statement on SQLite, whose own work on each then outweighs ours. It takes 32,766 values at most."""


def insert_many(
    connection: Connection,
    table: Table,
    same: Mapping[str, Any],
    names: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    conflict: str = "",
) -> None:
    """Insert rows that have the values of `same` in common and their own in the columns `names`.

    `conflict` is the statement's `on conflict ...`, the same on both databases."""
    if not rows:
        return
    columns = ", ".join(f'"{name}"' for name in (*same, *names))
    if connection.dialect.name == "sqlite":
        shared = "".join(f"?{place}, " for place in range(1, len(same) + 1))  # each bound once for all rows
        marks = f"({shared}{', '.join('?' * len(names))})"
        into = f"insert into {table.name} ({columns}) values "  # noqa: S608 - our own names
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            values = (*same.values(), *chain.from_iterable(part))
            connection.exec_driver_sql(f"{into}{', '.join([marks] * len(part))} {conflict}", values)
        return
    shared_marks = "".join(f"%s::{_type(table, name)}, " for name in same)
    statement = (
        f"insert into {table.name} ({columns}) "  # noqa: S608 - our own names
        f"select {shared_marks}v.* from {_given(table, names)} as v {conflict}"
    )
    connection.exec_driver_sql(statement, (*same.values(), _json(rows)))


def insert_row(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert one row."""
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    names = ", ".join(f'"{name}"' for name in row)
    statement = f"insert into {table.name} ({names}) values ({', '.join([mark] * len(row))})"  # noqa: S608 - our own names
    connection.exec_driver_sql(statement, tuple(row.values()))


def update_row(connection: Connection, table: Table, id: str, values: Mapping[str, Any], where: str = "true") -> bool:
    """Update the row that has this `id`, if it fulfils `where`, a condition of our own words -> whether it did."""
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    sets = ", ".join(f'"{name}" = {mark}' for name in values)
    statement = f"update {table.name} set {sets} where id = {mark} and {where}"  # noqa: S608 - our own names
    return connection.exec_driver_sql(statement, (*values.values(), id)).rowcount == 1


def any_of(
    connection: Connection, table: Table, same: Mapping[str, Any], key: str, values: Sequence[str], part: str
) -> bool:
    """Whether a row of `table` has the values of `same` and one of `values` in column `key`, which together have an
    index, and fulfils `part`, a condition of our own words."""
    if connection.dialect.name == "sqlite":
        if any("\0" in value for value in values):
            mine = and_(among(connection, table, same, key, values), text(part))
            return connection.execute(select(table.c[key]).where(mine).limit(1)).first() is not None
        scope = " and ".join(f'"{name}" = ?' for name in same)
        statement = (
            f"select 1 from {table.name} where {scope} "  # noqa: S608 - our own names
            f'and "{key}" in (select value from json_each(?)) and {part} limit 1'
        )
        given: tuple[Any, ...] = (*same.values(), msgspec.json.encode(list(values)).decode())
    else:
        scope = " and ".join(f'"{name}" = %s' for name in same)
        statement = (
            "select 1 from unnest(%s::text[]) as v(word), lateral "  # noqa: S608 - our own names
            f'(select 1 from {table.name} where "{key}" = v.word and {scope} and {part} offset 0) as r limit 1'
        )
        given = (list(values), *same.values())
    return connection.exec_driver_sql(statement, given).first() is not None


def update_many(
    connection: Connection,
    table: Table,
    sets: Mapping[str, str],
    keys: Sequence[str],
    names: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    where: str = "",
) -> None:
    """Update rows one by one: `names` are the columns that a tuple of `rows` gives, `keys` those of them that find the
    row. `sets` has the others: a column -> its new value, `new` standing for the given one, as in
    `"attempt": "attempt + new"`. `where` is a further condition."""
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        given = [name for name in names if name not in keys]
        assigned = ", ".join(f'"{name}" = {sets[name].replace("new", "?")}' for name in given)
        found = " and ".join(f'"{name}" = ?' for name in keys)
        order = [names.index(name) for name in (*given, *keys)]
        statement = f"update {table.name} set {assigned} where {found}{' and ' + where if where else ''}"  # noqa: S608
        connection.exec_driver_sql(statement, [tuple(row[place] for place in order) for row in rows])
        return
    assigned = ", ".join(
        f'"{name}" = {sets[name].replace(name, f"r.{name}").replace("new", f"v.{name}")}'
        for name in names
        if name not in keys
    )
    found = " and ".join(f'r."{name}" = v."{name}"' for name in keys)
    statement = (
        f"update {table.name} as r set {assigned} from {_given(table, names)} as v "  # noqa: S608
        f"where {found}{' and r.' + where if where else ''}"
    )
    connection.exec_driver_sql(statement, (_json(rows),))


def among(
    connection: Connection,
    table: Table,
    same: Mapping[str, Any],
    key: str,
    values: Sequence[str],
    *,
    alone: bool = False,
    part: str = "true",
) -> ColumnElement[bool] | TextClause:
    """The condition that a row of `table` has the values of `same`, and one of `values` in column `key`: for a select,
    an update or a delete.

    Each value is looked up by itself in the index of `same` and `key` together, or with `alone` of `key` only, which
    may be an index of a `part` of the rows (a condition of our own words). To
    PostgreSQL that has to be said: until a table that grows has statistics it would read all rows of a push for each
    list of ids (`key in (...)` is then a filter, not a look-up), and a push takes quadratic time."""
    equal = [table.c[name] == value for name, value in same.items()]
    if connection.dialect.name == "sqlite":
        if any("\0" in value for value in values):
            return and_(*equal, table.c[key].in_(values))
        # One parameter however many values: a statement with hundreds is written anew each time.
        words = text(f'{table.name}."{key}" in (select value from json_each(:words))')  # noqa: S608 - our own names
        words = words.bindparams(words=msgspec.json.encode(list(values)).decode())
        if alone:  # a plus keeps a column's index out: it would seem the better one, and lead to all rows of a push
            equal = [
                text(f'+{table.name}."{name}" = :same_{name}').bindparams(**{f"same_{name}": value})
                for name, value in same.items()
            ]
        return and_(*equal, words) if part == "true" else and_(*equal, words, text(part))
    scope = " and ".join(f'"{name}" = :same_{name}' for name in same)
    inside, outside = (part, scope) if alone else (f"{scope} and {part}", "true")
    # `offset 0` keeps the look-ups what they are; a list of places leaves no other way to the rows.
    return text(
        f"{table.name}.ctid = any(array(select r.ctid from unnest(cast(:words as text[])) as v(word), "  # noqa: S608
        f'lateral (select ctid, * from {table.name} where "{key}" = v.word and {inside} offset 0) as r '
        f"where {outside}))"
    ).bindparams(bindparam("words", list(values)), *(bindparam(f"same_{name}", same[name]) for name in same))


def _given(table: Table, names: Sequence[str]) -> str:
    """For PostgreSQL: one parameter of JSON, an array of arrays, as rows of these columns."""
    values = ", ".join(f'{_member(table, name, place)} as "{name}"' for place, name in enumerate(names))
    return f"(select {values} from jsonb_array_elements(%s::jsonb) as e)"  # noqa: S608 - our own names


def _member(table: Table, name: str, place: int) -> str:
    kind = _type(table, name)
    return f"decode(e ->> {place}, 'base64')" if kind == "bytea" else f"(e ->> {place})::{kind}"


def _json(rows: Sequence[tuple[Any, ...]]) -> str:
    return msgspec.json.encode(rows).decode()


def _type(table: Table, name: str) -> str:
    kind = table.c[name].type
    if isinstance(kind, LargeBinary):
        return "bytea"
    return "bigint" if isinstance(kind, BigInteger) else "integer" if isinstance(kind, Integer) else "text"
