"""Opens the state database, brings it up to date, and hands out transactions. Knows no table by name.

SQLite (one file, one writer at a time: threads wait up to 30 s for those of their program, then as long for other
programs) or PostgreSQL. SQLAlchemy loads with the first `open_store`.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from tieout.errors import ConfigurationError, StoreError
from tieout.store import migrations
from tieout.store.failures import explained, takes_no_more
from tieout.store.together import Together

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine, Table
    from sqlalchemy.dialects.sqlite import Insert
    from sqlalchemy.engine.interfaces import DBAPICursor

T = TypeVar("T")
BUSY_SECONDS = 30
"""How long a transaction waits for another program's before it gives up."""

IDLE = 1
"""Connections to a PostgreSQL server that a program keeps open while it needs none. Further ones are closed after use:
fifty programs must fit into the hundred connections that a server takes unless told otherwise."""

_MIGRATION_LOCK = 0x7469656F7574  # "tieout": one number for all, so that two programs do not migrate at once


class Store:
    """The state database. Threads may share it; close it when done.

    Everything it raises about the database itself is StoreError in one sentence; a violated constraint is
    `sqlalchemy.exc.IntegrityError`.
    """

    def __init__(self, engine: Engine, place: str) -> None:
        self._engine = engine
        self._writers = threading.RLock()
        self._together = Together(self._turn, lambda: self.begin())  # whatever `begin` is by then
        self._place = place
        self._writing = threading.local()
        self.dialect: Literal["sqlite", "postgresql"] = "sqlite" if engine.dialect.name == "sqlite" else "postgresql"

    @property
    def url(self) -> str:
        """Where it is, without its password and options."""
        return f"sqlite:///{self._place}" if self.dialect == "sqlite" else self._place

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that may write: commits at the end, rolls back on an exception.

        On SQLite it holds the one write lock from its beginning, so that what it reads stays true while it writes.
        """
        with self._turn(), self._transaction("BEGIN IMMEDIATE") as connection:
            before = self._open_here()
            self._writing.connection = connection
            try:
                yield connection
            finally:
                self._writing.connection = before

    def write(self, write: Callable[[Connection], T]) -> T:
        """What `write` returns, in a transaction as of `begin`, committed.

        On SQLite threads that wait for each other share one, so that the disk is waited for once. So `write` may run
        in another thread, in this one's context, and more than once: again, alone, where another one's failed or was
        interrupted, perhaps after it was committed. It must bear that, as a compare-and-set does."""
        if self.dialect == "sqlite" and self._open_here() is None:
            return self._together.write(write)
        with self.begin() as connection:
            return write(connection)

    @contextmanager
    def joined(self, *, reading: bool = False) -> Iterator[Connection]:
        """The writing transaction that this thread is in, which stays open, or one of its own: `begin`, or `read`.

        For what must take part in whatever its caller is doing: a second writer would wait for the first, which waits
        for it."""
        if (connection := self._open_here()) is not None:
            yield connection
            return
        with self.read() if reading else self.begin() as connection:
            yield connection

    def _open_here(self) -> Connection | None:
        found: Connection | None = getattr(self._writing, "connection", None)
        return found

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Threads of this program wait here for SQLite's one write lock, and without a connection: SQLite itself would
        let them sleep and look again. Whose turn does not come in time asks SQLite all the same, which then says who
        holds it."""
        if self.dialect != "sqlite":
            yield
            return
        try:
            self._writers.acquire(timeout=BUSY_SECONDS)
            yield
        finally:
            # Not by what `acquire` answered: Ctrl-C may come between its end and the answer.
            with contextlib.suppress(RuntimeError):  # it was not this thread's turn
                self._writers.release()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads; on SQLite it sees one state of the database and blocks nobody."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        with explained(self._place), self._connect() as connection, connection.begin():
            if self.dialect == "sqlite":
                # By the driver itself: as a statement it would take longer than what most transactions do.
                driver: Any = connection.connection.driver_connection
                driver.execute(begin)
            yield connection

    def _connect(self) -> Connection:
        """A connection; waits for a server that takes no more of them, as SQLite waits for a lock."""
        from sqlalchemy.exc import OperationalError

        give_up = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                return self._engine.connect()
            except OperationalError as error:
                if not takes_no_more(error.orig) or time.monotonic() > give_up:
                    raise
            time.sleep(random.uniform(0.05, 0.25))  # noqa: S311 - so that many who wait do not come back together

    def clock(self, connection: Connection) -> float:
        """Seconds since 1970 on the clock that all users of the database share: the server's, or this machine's."""
        if self.dialect == "sqlite":
            return time.time()
        return float(connection.exec_driver_sql("select extract(epoch from clock_timestamp())").scalar_one())

    def upsert(self, connection: Connection, table: Table, row: Mapping[str, object]) -> None:
        """Inserts `row`, or replaces its other columns where one with the same primary key is there."""
        connection.execute(_upsert(self.dialect, table, tuple(row)), row)

    def scrub(self) -> None:
        """After something was erased for good: SQLite's log of changes, which still has it, is merged and emptied,
        unless another program reads it just then. PostgreSQL does the like by itself (vacuum)."""
        if self.dialect == "sqlite":
            with explained(self._place), contextlib.closing(self._engine.raw_connection()) as raw:
                raw.cursor().execute("pragma wal_checkpoint(truncate)")

    def close(self) -> None:
        """Closes all connections. A closed store may be used again and then opens new ones."""
        self._engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({self.url!r})"


@functools.cache
def _upsert(dialect: str, table: Table, columns: tuple[str, ...]) -> Insert:
    if dialect == "sqlite":
        from sqlalchemy.dialects.sqlite import insert
    else:
        from sqlalchemy.dialects.postgresql import insert  # type: ignore[assignment]  # the same clause by another class
    key = [column.name for column in table.primary_key]
    adding = insert(table)
    values = {name: adding.excluded[name] for name in columns if name not in key}
    return adding.on_conflict_do_update(index_elements=key, set_=values)


def open_store(url: str) -> Store:
    """Opens the state database at `url`, making and migrating it where needed.

    `sqlite:///tieout.db` (relative to the working directory), `sqlite:////absolute/path.db` or
    `postgresql://user:password@host/database`. A new SQLite file is readable by its owner only. Raises StoreError where
    it cannot be reached, read or written, or was made by a newer tieout; ConfigurationError for a URL that is none.
    """
    try:
        import sqlalchemy
    except ModuleNotFoundError:
        raise ConfigurationError(
            "The state database needs packages that are not installed.", advice="Run: pip install 'tieout[sync]'"
        ) from None
    parsed = _parse(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    place = _place(parsed)
    if sqlite:
        _make_private(place)
        engine = sqlalchemy.create_engine(parsed, hide_parameters=True, connect_args={"timeout": BUSY_SECONDS})
        sqlalchemy.event.listen(engine, "connect", _prepare_sqlite)
    else:
        engine = _postgres_engine(parsed)
    store = Store(engine, place)
    try:
        with explained(place):
            if sqlite:
                _use_write_ahead_log(engine)
            _migrate(store)
    except BaseException:
        store.close()
        raise
    return store


def _parse(url: str) -> URL:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, ValueError):
        # The text may hold a password: it is not repeated.
        raise ConfigurationError("The state URL is not a database URL.", advice=_EXAMPLES) from None
    if backend in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise ConfigurationError(f"The state database cannot be {backend!r}.", advice=_EXAMPLES)
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigurationError("The state database must be a file: what it holds has to last.", advice=_EXAMPLES)
    return parsed.set(drivername="sqlite+pysqlite")


def _place(url: URL) -> str:
    """How messages name the database: never with its password, which may also stand among the options."""
    if url.get_backend_name() == "sqlite":
        return url.database or ""
    return url.create("postgresql", url.username, None, url.host, url.port, url.database).render_as_string()


_EXAMPLES = "Use sqlite:///tieout.db or postgresql://user@host/database."


def _postgres_engine(url: URL) -> Engine:
    import sqlalchemy

    try:
        return sqlalchemy.create_engine(
            url,
            hide_parameters=True,  # what is stored belongs in no message
            pool_size=IDLE,
            max_overflow=14,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 10, "application_name": "tieout"},
        )
    except ModuleNotFoundError:
        raise ConfigurationError(
            "PostgreSQL needs a driver that is not installed.", advice="Run: pip install 'tieout[postgres]'"
        ) from None


def _make_private(file: str) -> None:
    """Makes a missing file with mode 0600 before SQLite would make it with the user's default."""
    if file.startswith("file:"):
        return
    try:
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        folder = Path(file).absolute().parent
        advice = "Make the folder and give this user the right to write in it." if folder != Path(file) else ""
        raise StoreError(f"The state database {file} cannot be made: {error.strerror}.", advice=advice) from None


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: the driver would start writing transactions too late
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


def _use_write_ahead_log(engine: Engine) -> None:
    """Readers then never wait for the writer. The switch stays in the file."""
    raw = engine.raw_connection()
    try:
        cursor = raw.cursor()
        deadline = time.monotonic() + BUSY_SECONDS
        while not _switched(cursor, deadline):
            time.sleep(0.02)
    finally:
        raw.close()


def _switched(cursor: DBAPICursor, deadline: float) -> bool:
    try:
        cursor.execute("PRAGMA journal_mode")
        if cursor.fetchone() != ("wal",):
            cursor.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        # SQLite does not wait by itself when two programs switch a new file at the same moment.
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
            raise
        return False
    return True


def _migrate(store: Store) -> None:
    known = migrations.known()
    with store.read() as connection:
        current = _version(connection)
    if current == known[-1]:
        return
    with store.begin() as connection:
        if store.dialect == "postgresql":
            connection.exec_driver_sql(f"select pg_advisory_xact_lock({_MIGRATION_LOCK})")
        current = _version(connection)
        if current is not None and current not in known:
            raise StoreError(
                f"The state database {store._place} was made by a newer tieout "
                f"(its schema is {current}, this version knows {known[-1]}).",
                advice="Upgrade tieout: pip install --upgrade tieout",
            )
        if current is None and store.dialect == "sqlite":
            current = migrations.lay_down(connection)
        if current != known[-1]:
            upgrade(connection)


def _version(connection: Connection) -> str | None:
    if not connection.dialect.has_table(connection, migrations.VERSION_TABLE):
        return None
    found = connection.exec_driver_sql(f"select version_num from {migrations.VERSION_TABLE}").scalar()  # noqa: S608
    return None if found is None else str(found)


def upgrade(connection: Connection, to: str = "head") -> None:
    """Takes the steps that are left up to a revision, in the transaction of `connection`."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations.DIRECTORY).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, to)
