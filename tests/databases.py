"""PostgreSQL databases for tests. To make one and to drop it takes the server half a second, so one that a test leaves
as it found it, but for rows, is emptied and given to the next under another name."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

import psycopg
from psycopg import sql

_DEFINED = """
    select sum(seen), count(*) from (
        select xmin::text::bigint as seen from pg_class union all
        select xmin::text::bigint from pg_attribute union all
        select xmin::text::bigint from pg_constraint union all
        select xmin::text::bigint from pg_namespace union all
        select xmin::text::bigint from pg_proc union all
        select xmin::text::bigint from pg_trigger
    ) as everything
"""
"""Changes with every statement that makes, changes or drops something, for which it writes or removes a row there."""
_OWN_SETTINGS = """
    select (select string_agg(setconfig::text, ' ') from pg_db_role_setting where setdatabase = oid),
        datallowconn, datconnlimit
    from pg_database where datname = current_database()
"""
_TABLES = "select oid::int, relname from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
_REFERENCES = "select conrelid::int, confrelid::int from pg_constraint where contype = 'f' and conrelid != confrelid"
_GUARDED = """
    select distinct relname from pg_trigger join pg_class on pg_class.oid = tgrelid
    where not tgisinternal and relnamespace = 'public'::regnamespace
"""
_MOVED_SEQUENCES = "select sequencename from pg_sequences where schemaname = 'public' and last_value is not null"
_OTHERS = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s and pid != pg_backend_pid()"


class Databases:
    """Databases like a template whose tables, but for the rows that it has itself, are empty. Not for threads."""

    def __init__(self, server_url: str, template: str) -> None:
        head, _, query = server_url.partition("?")
        self._head, self._query = head.rpartition("/")[0], f"?{query}" if query else ""
        self._template = template
        self._server = psycopg.connect(server_url, autocommit=True)
        self._free: list[str] = []
        with psycopg.connect(self._url(template)) as connection:
            self._empty = _in_order_of_deletion(connection)
            self._rows = {table: _rows(connection, table) for table in self._empty}

    @contextmanager
    def one(self) -> Iterator[str]:
        """URL of a database that nobody else uses, under a name that was never there before."""
        name = f"tieout_test_{uuid.uuid4().hex[:12]}"
        self._take(name)
        with psycopg.connect(self._url(name)) as connection:
            connection.execute("update meta set value = %s where name = 'installation'", [str(uuid.uuid4())])
            defined = _defined(connection)
        clean = False
        try:
            yield self._url(name)
            clean = self._cleaned(name, defined)
        finally:
            if clean:
                self._free.append(name)
            else:
                self._drop(name)

    def close(self) -> None:
        for name in self._free:
            self._drop(name)
        self._server.close()

    def _take(self, name: str) -> None:
        """The name is new so that a program that a test left behind finds its own database gone."""
        while self._free:
            before = self._free.pop()
            give_up = time.monotonic() + 5
            while time.monotonic() < give_up:
                self._server.execute(_OTHERS, [before])
                try:
                    _run(self._server, "alter database {} rename to {}", before, name)
                except psycopg.errors.ObjectInUse:
                    time.sleep(0.005)  # the server's process for a connection that ended is still on its way out
                else:
                    return
            self._drop(before)
        _run(self._server, "create database {} template {}", name, self._template)
        # A program that is killed loses nothing by this, only a server that loses its power would.
        _run(self._server, "alter database {} set synchronous_commit = off", name)

    def _cleaned(self, name: str, defined: object) -> bool:
        """Whether the database could be brought back to what it was."""
        self._server.execute(_OTHERS, [name])
        try:
            with psycopg.connect(self._url(name)) as connection:
                if _defined(connection) != defined:
                    return False
                guarded = [name for (name,) in connection.execute(_GUARDED)]
                for table in guarded:
                    _run(connection, "alter table {} disable trigger user", table)
                for table in self._empty:
                    _run(connection, "delete from {}", table)
                for table in reversed(self._empty):
                    _restore(connection, table, self._rows[table])
                for table in guarded:
                    _run(connection, "alter table {} enable trigger user", table)
                for (sequence,) in connection.execute(_MOVED_SEQUENCES).fetchall():
                    connection.execute("select setval(quote_ident(%s)::regclass, 1, false)", [sequence])
        except psycopg.Error:
            return False
        return True

    def _drop(self, name: str) -> None:
        _run(self._server, "drop database if exists {} with (force)", name)

    def _url(self, name: str) -> str:
        return f"{self._head}/{name}{self._query}"


def _defined(connection: psycopg.Connection[Any]) -> tuple[object, ...]:
    """What tells whether anything but rows was changed."""
    tables, settings = connection.execute(_DEFINED).fetchone(), connection.execute(_OWN_SETTINGS).fetchone()
    assert tables is not None
    assert settings is not None
    return (*tables, *settings)


def _in_order_of_deletion(connection: psycopg.Connection[Any]) -> list[str]:
    """Every table before those that it refers to."""
    names = dict(connection.execute(_TABLES).fetchall())
    waiting = {table: {other for other, its in connection.execute(_REFERENCES) if its == table} for table in names}
    order: list[str] = []
    while waiting:
        ready = [table for table, referring in waiting.items() if not referring & waiting.keys()]
        assert ready, "tables refer to each other in a circle"
        for table in ready:
            del waiting[table]
        order += sorted(names[table] for table in ready)
    return order


def _run(connection: psycopg.Connection[Any], statement: LiteralString, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def _rows(connection: psycopg.Connection[Any], table: str) -> bytes:
    with connection.cursor().copy(sql.SQL("copy {} to stdout").format(sql.Identifier(table))) as copy:
        return b"".join(map(bytes, copy))


def _restore(connection: psycopg.Connection[Any], table: str, rows: bytes) -> None:
    if rows:
        with connection.cursor().copy(sql.SQL("copy {} from stdin").format(sql.Identifier(table))) as copy:
            copy.write(rows)
