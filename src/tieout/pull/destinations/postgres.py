"""A schema of a PostgreSQL database as a destination: COPY, merge by key, state and rows in one transaction.

Knows columns and states; knows nothing of Intacct.
"""

# ruff: noqa: S608 - statements are built from quoted identifiers only; values are bound

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tieout.errors import ConfigurationError, StoreError
from tieout.pull.destinations.base import Takes, refused_by_rule, refused_value
from tieout.pull.destinations.batch import Batch, Plain, plain
from tieout.pull.destinations.sql import SqlDestination
from tieout.pull.destinations.sql_session import Group, Session
from tieout.pull.destinations.sql_system import LAST
from tieout.pull.schema.names import DELETED, MAX_NAME_BYTES, SYNCED
from tieout.pull.schema.types import Column, Kind

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

DEFAULT_SCHEMA = "public"
LOCK_WAIT = 30.0
"""Seconds to wait for another program that writes the same table."""
ROWS_A_LOT = 50_000
_BATCH = "_tieout_batch"


class PostgresSchema(SqlDestination):
    """One schema. Every method connects, works, and lets go again. Raises StoreError, BusyError."""

    takes = Takes(commit_rows=20_000, plain=True)
    dialect: Literal["postgresql"] = "postgresql"

    def __init__(self, url: str) -> None:
        """`postgresql://user@host:port/database?schema=name`, and libpq's options. Raises ConfigurationError."""
        self._connection, self.schema = _parsed(url)
        shown = self._connection
        self._host, self._port = shown.get("host") or "localhost", shown.get("port") or "5432"
        self._database = shown.get("dbname") or shown.get("user") or ""

    def __str__(self) -> str:
        user = f"{self._connection['user']}@" if self._connection.get("user") else ""
        port = f":{self._port}" if self._connection.get("port") else ""
        schema = f"?schema={self.schema}" if self.schema != DEFAULT_SCHEMA else ""
        return f"postgresql://{user}{self._host}{port}/{self._database}{schema}"

    @property
    def place(self) -> str:
        """Host and database, and the schema where one is named."""
        schema = f", schema {self.schema}" if self.schema != DEFAULT_SCHEMA else ""
        return f"{self._host}/{self._database}{schema}"

    def named(self, table: str) -> str:
        """A table as a view names it."""
        return ".".join('"' + name.replace('"', '""') + '"' for name in (self.schema, table))

    def identity(self) -> str:
        """The same schema, the same text."""
        host = "localhost" if self._host in ("127.0.0.1", "::1") else self._host.lower()
        return f"postgresql:{host}:{self._port}/{self._database}/{self.schema}"

    def check(self) -> None:
        """What would only be found out when the first rows are written, found before any are read."""
        with self._open() as db:
            if not db.number("SELECT count(*) FROM pg_namespace WHERE nspname = %s", [self.schema]):
                allowed = db.rows("SELECT has_database_privilege(current_database(), 'CREATE')")
            else:
                allowed = db.rows("SELECT has_schema_privilege(%s, 'CREATE, USAGE')", [self.schema])
            standby = db.rows("SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean")
        if standby[0][0]:
            raise self._explain("25006", "")
        if not allowed[0][0]:
            raise self._explain("42501", "")

    def _there(self) -> bool:
        return True

    @contextmanager
    def _open(self, *, writing: bool = False) -> Iterator[Session]:
        import psycopg

        try:
            with self._connect(writing) as db:
                yield _PostgresSession(db, self.place, self.schema)
                db.rollback()  # what is to stay was committed
        except psycopg.Error as error:
            if isinstance(error, psycopg.IntegrityError):
                rule = error.diag.constraint_name or f"{error.diag.column_name} is never null"
                raise refused_by_rule(self.place, f"{rule}, on table {error.diag.table_name}") from None
            if isinstance(error, psycopg.DataError) and error.sqlstate not in _REASONS:
                raise refused_value(self.place, type(error).__name__) from None
            ours = (psycopg.ProgrammingError, psycopg.NotSupportedError)
            if isinstance(error, ours) and error.sqlstate not in _REASONS:  # a mistake in a statement
                raise
            raise self._explain(error.sqlstate, str(error), error.diag.message_detail) from None

    def _connect(self, writing: bool) -> psycopg.Connection[Any]:
        import psycopg

        db = psycopg.connect(
            **{"connect_timeout": "10", "application_name": "tieout", **self._connection},  # type: ignore[arg-type]  # options of libpq
            client_encoding="utf8",
            prepare_threshold=None,  # a pooler before the server may not know statements of another connection
        )
        if not writing:
            db.read_only = True
            db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ  # one snapshot for all statements
        db.execute(f"SET LOCAL lock_timeout = '{int(LOCK_WAIT * 1000)}ms'")
        db.execute("SET LOCAL TimeZone = 'UTC'")
        db.execute("SET LOCAL DateStyle = 'ISO'")
        return db

    def _explain(self, code: str | None, reason: str, detail: str | None = None) -> StoreError:
        """One sentence for what the server or libpq said; never its own words about a sign-in, which may hold more."""
        known = _REASONS.get(code or "")
        if known is None and code is None:  # libpq gives no code for a refused sign-in or a missing database
            known = next((_REASONS[state] for sign, state in _SIGNS if sign in reason), _UNREACHABLE)
        if known is None:
            first = reason.strip().partition("\n")[0]
            return StoreError(f"PostgreSQL could not use {self.place}: {first}.", advice="Nothing of this was written.")
        # Only what rests on a table is named: other details may hold values of rows.
        named = f": {'; '.join(detail.splitlines())}" if detail and code in _NAMED else ""
        return StoreError(f"The destination {self.place} {known[0]}{named}.", advice=known[1])


class _PostgresSession(Session):
    mark = "%s"
    each = "SELECT unnest(%s::text[]) AS key"
    stamp = "timestamp with time zone"
    digits = "CASE WHEN \"key\" ~ '^[0-9]+$' THEN 1 ELSE 0 END"

    def __init__(self, db: psycopg.Connection[Any], place: str, schema: str) -> None:
        super().__init__(place)
        self._db, self._schema = db, schema

    def run(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self._db.execute(sql.encode(), values).rowcount

    def run_each(self, sql: str, values: Sequence[Sequence[Any]]) -> None:
        with self._db.cursor() as cursor:
            cursor.executemany(sql.encode(), values)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._db.execute(sql.encode(), values).fetchall()

    def lots(self, sql: str, values: Sequence[Any] = ()) -> Iterator[list[tuple[Any, ...]]]:
        with self._db.cursor(name="tieout") as found:
            found.execute(sql.encode(), values)
            while lot := found.fetchmany(ROWS_A_LOT):
                yield lot

    def commit(self) -> None:
        self._db.commit()

    def lock(self, tables: Sequence[str]) -> None:
        # In one order everywhere, so that two programs never wait for each other; and each table by its name, since it
        # may not be there yet.
        names = {table.lower() for table in tables}
        if not self.has_table(LAST):
            names.add("")  # the first of all makes tieout's own tables
        for table in sorted(names):
            digest = hashlib.sha256(f"tieout {self._schema} {table}".encode()).digest()
            self.run("SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(digest[:8], signed=True)])

    def ensure_place(self) -> None:
        if not self.rows("SELECT 1 FROM pg_namespace WHERE nspname = %s", [self._schema]):
            self.run(f"CREATE SCHEMA {self.quote(self._schema)}")

    def has_table(self, name: str) -> bool:
        sql = (
            "SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND lower(c.relname) = lower(%s)"
        )
        return bool(self.rows(sql, [self._schema, name]))

    def types(self, table: str) -> dict[str, str]:
        sql = (
            "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a"
            " JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped"
        )
        return dict(self.rows(sql, [self._schema, table]))

    def sql_type(self, column: Column) -> str:
        match column.kind:
            case Kind.INTEGER:
                return "bigint"
            case Kind.DECIMAL:
                return f"numeric(38,{column.scale})"
            case Kind.BOOLEAN:
                return "boolean"
            case Kind.DATE:
                return "date"
            case Kind.TIMESTAMP:
                return self.stamp
            case _:
                return "text"

    def name(self, table: str) -> str:
        if len(table.encode()) > MAX_NAME_BYTES:  # PostgreSQL would cut it without a word
            raise StoreError(
                f"The table name {table} is longer than the {MAX_NAME_BYTES} bytes PostgreSQL takes.",
                advice="Set a shorter `table`.",
            )
        return f"{self.quote(self._schema)}.{self.quote(table)}"

    def quote(self, name: str) -> str:
        return '"' + name.replace('"', '""').replace("%", "%%") + '"'  # the driver looks for values after a %

    def listed(self, keys: Sequence[str]) -> list[str]:
        return list(keys)

    def temporary(self, name: str, select: str, values: Sequence[Any]) -> None:
        self.run(f"CREATE TEMP TABLE {name} ON COMMIT DROP AS {select}", values)

    def fill(self, table: str, batch: Batch, synced: str) -> bool:
        from psycopg.errors import UniqueViolation

        try:
            with self._db.transaction():
                self._copy(self.name(table), batch, synced)
        except UniqueViolation:
            return False
        return True

    def put_view(self, name: str, select: str) -> None:
        # Replaced, not dropped: models of dbt may rest on it, and its columns keep their types.
        self.run(f"CREATE OR REPLACE VIEW {self.name(name)} AS {select.replace('%', '%%')}")

    def retype(self, table: str, old: Column, new: Column) -> None:
        if self.sql_type(old) == self.sql_type(new):
            return
        name = self.quote(new.name)
        value = f"CAST({name} AS {self.sql_type(new)})"
        if old.kind is Kind.TIMESTAMP:
            utc, form = f"{name} AT TIME ZONE 'UTC'", 'YYYY-MM-DD"T"HH24:MI:SS'
            whole = f"date_trunc('second', {name}) = {name}"
            value = f"to_char({utc}, CASE WHEN {whole} THEN '{form}\"Z\"' ELSE '{form}.US\"Z\"' END)"
        self.run(f"ALTER TABLE {self.name(table)} ALTER COLUMN {name} TYPE {self.sql_type(new)} USING {value}")

    def merge(self, table: str, batch: Batch, synced: str) -> int:
        target, names = self.name(table), [self.quote(column.name) for column in batch.of]
        listed = ", ".join(names)
        self.temporary(_BATCH, f"SELECT {listed} FROM {target} WHERE false", ())
        self._copy(_BATCH, batch)
        others = [name for name in names if name != '"key"']
        set_to = [f"{name} = excluded.{name}" for name in (*others, SYNCED)]
        values = ", ".join([*set_to, f"{DELETED} = NULL"])
        differs = " OR ".join(
            [f"t.{DELETED} IS NOT NULL", *(f"t.{name} IS DISTINCT FROM excluded.{name}" for name in others)]
        )
        source = f"SELECT {listed}, CAST(%s AS {self.stamp}) FROM {_BATCH}"
        insert = f"INSERT INTO {target} AS t ({listed}, {SYNCED}) {source}"
        return self.run(f'{insert} ON CONFLICT ("key") DO UPDATE SET {values} WHERE {differs}', [synced])

    def _copy(self, target: str, batch: Batch, synced: str = "") -> None:
        import pyarrow as pa

        names = ", ".join([*(self.quote(column.name) for column in batch.of), *([SYNCED] * bool(synced))])
        statement = f"COPY {target} ({names}) FROM STDIN (FORMAT csv)".replace("%%", "%")  # no values here
        with self._db.cursor() as cursor, cursor.copy(statement.encode()) as copy:
            for part in batch.at_hand().to_batches(max_chunksize=10_000):
                copy.write(_csv(part.append_column(SYNCED, pa.repeat(synced, part.num_rows)) if synced else part))

    def order(self, column: Column) -> str:
        name = self.quote(column.name)
        return f'{name} COLLATE "C"' if column.kind in (Kind.TEXT, Kind.JSON) else name

    def bound(self, column: Column) -> str:
        return f"CAST(%s AS {self.sql_type(column)})"

    def measures(self, heads: str, columns: Sequence[Column], source: str, values: Sequence[Any]) -> list[Group]:
        listed = "".join(f", sum({self.quote(column.name)})" for column in columns)
        found = self.rows(f"SELECT {heads}{listed} {source}", values)
        return [Group(name, rows, newest, sums) for name, rows, newest, *sums in found]

    def read(self, column: Column, values: list[Any]) -> list[Plain]:
        return plain(column, values)


def _csv(rows: pa.RecordBatch) -> bytes:
    """As PostgreSQL reads it: texts in quotation marks, null as nothing without them."""
    from pyarrow import csv

    sink = io.BytesIO()
    csv.write_csv(rows, sink, csv.WriteOptions(include_header=False))
    return sink.getvalue()


def _parsed(url: str) -> tuple[dict[str, str], str]:
    """What to connect with, and the schema."""
    try:
        from psycopg import ProgrammingError
        from psycopg.conninfo import conninfo_to_dict
    except ModuleNotFoundError:
        raise ConfigurationError(
            "PostgreSQL needs a driver that is not installed.", advice="Run: pip install 'tieout[postgres]'"
        ) from None
    try:
        parts = urlsplit(url)
        options = parse_qsl(parts.query, keep_blank_values=True)
        schema = dict(options).get("schema") or DEFAULT_SCHEMA
        rest = urlencode([(name, value) for name, value in options if name != "schema"])
        found = conninfo_to_dict(urlunsplit(parts._replace(query=rest)))
    except (ProgrammingError, ValueError):
        # The text may hold a password: it is not repeated.
        raise ConfigurationError("The destination is not a PostgreSQL URL.", advice=EXAMPLE) from None
    if len(schema.encode()) > MAX_NAME_BYTES:
        raise ConfigurationError(
            f"The schema {schema} has a name longer than the {MAX_NAME_BYTES} bytes PostgreSQL takes.", advice=EXAMPLE
        )
    return {name: str(value) for name, value in found.items()}, schema


EXAMPLE = "Write postgresql://user:${PASSWORD}@host/database?schema=intacct."

_UNREACHABLE = ("cannot be reached", "Check that the server runs and that host, port and database are right.")
_SIGNS = (
    ("does not exist", "3D000"),
    ("authentication failed", "28P01"),
    ("no password supplied", "28P01"),
    ("pg_hba.conf", "28000"),
    ("too many", "53300"),
    ("connection slots", "53300"),
)
_NAMED = ("0A000", "2BP01")
"""Codes whose detail says which view or index it is."""
_REASONS = {
    "53100": ("cannot grow: the disk is full", "Free space on the server and run it again: nothing is lost."),
    "25006": ("is read-only", "Connect to the primary server."),
    "55P03": (
        "is held by another program that writes, or has read the table in a transaction that is still open",
        "Wait for it to finish or end it, then run the command again.",
    ),
    "40P01": ("is being written by another program", "Run the command again."),
    "40001": ("is being written by another program", "Run the command again."),
    "53300": ("takes no more connections", "Close others, or raise max_connections on the server."),
    "42501": ("does not give this user the rights needed", "Grant the user CREATE and USAGE on the schema."),
    "3D000": ("does not exist", "Create the database, or name another destination."),
    "28P01": ("refused the user or password", "Check the user and password in the destination's URL."),
    "28000": ("refused the user", "Check the user in the destination's URL and the server's access rules."),
    "0A000": (
        "has a view of yours that rests on a column which gets a wider type",
        "Drop the view, run the command again, and make the view anew.",
    ),
    "22003": (
        "has a number that is too long for the wider type its column gets",
        'Keep the column as text: types = { "field" = "text" } in the section.',
    ),
    "2BP01": (
        "has something of yours that rests on this table",
        "Drop it, run the command again, then make it anew. The table is as it was.",
    ),
    "22P05": ("cannot hold a character of this text", "Make the database with ENCODING 'UTF8'."),
    "57014": ("stopped the statement, which took too long", "Raise statement_timeout for this user."),
    "57P01": ("ended the connection", "Run the command again: nothing is lost."),
}
