"""A SQL query as a source, over any database that SQLAlchemy has a driver for.

Only reads: the text must be a query, the transaction is declared read-only where the database knows that (PostgreSQL,
SQLite), and it is rolled back at the end. Never shows the URL, which may hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tieout.errors import ConfigurationError, SourceError
from tieout.push.sources.base import Source, SourceRow, counted
from tieout.push.sources.plain import Unusable, plain
from tieout.push.sources.tables import unusable_value

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

    from tieout.push.settings import PushSettings, Query

_BATCH = 1_000
_COMMENT_OR_SPACE = re.compile(r"(?:\s|\(|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*", re.DOTALL)
_QUERIES = ("select", "with", "values", "table", "from")


class QuerySource(Source):
    """The rows of a query, fetched 1,000 at a time through a server-side cursor where the database has one.

    Rows are numbered from 1. Their order is the database's unless the query says `order by`, and the hash is of the
    rows in that order."""

    def __init__(self, query: Query, settings: PushSettings, section: str) -> None:
        super().__init__(f"the query of {section}", settings, section)
        self._query = query
        self._secrets: list[str] = []

    def _open(self) -> Iterator[SourceRow]:
        first = re.match(r"\w*", self._query.sql[_COMMENT_OR_SPACE.match(self._query.sql).end() :])  # type: ignore[union-attr]  # matches anything
        if first is None or first.group().lower() not in _QUERIES:
            raise SourceError(
                f"{self.subject} does not begin with SELECT or WITH, so it is no query.",
                advice=f"A source only reads; correct sql in {self.section}.",
            )
        rows = self._read(self._engine())
        next(rows)  # up to the columns
        return counted(self, rows)

    def _engine(self) -> Engine:
        try:
            import sqlalchemy
            from sqlalchemy.exc import ArgumentError, NoSuchModuleError
        except ModuleNotFoundError:
            raise ConfigurationError(
                f"{self.subject} needs SQLAlchemy, which is not installed.", advice="Run: pip install 'tieout[sync]'"
            ) from None
        try:
            url = sqlalchemy.make_url(self._query.url)
            if url.drivername in ("postgresql", "postgres"):
                url = url.set(drivername="postgresql+psycopg")
            self._secrets = _secrets(url)
            self._refuse_missing(url)
            options = {}
            if url.get_backend_name() == "postgresql" and "connect_timeout" not in url.query:
                options["connect_timeout"] = 10
            return sqlalchemy.create_engine(
                url, hide_parameters=True, poolclass=sqlalchemy.NullPool, connect_args=options
            )
        except NoSuchModuleError:
            raise SourceError(
                f"url in {self.section} names the database {url.drivername!r}, which SQLAlchemy does not know.",
                advice="Correct it, or install the dialect's package.",
            ) from None
        except (ArgumentError, ValueError):
            # The text may hold a password: it is not repeated.
            raise SourceError(
                f"url in {self.section} is not a database URL.",
                advice="Write it like postgresql://user@host/database, with the password as ${NAME}.",
            ) from None
        except ModuleNotFoundError as error:
            package = "'tieout[postgres]'" if error.name == "psycopg" else error.name
            raise ConfigurationError(
                f"{self.subject} needs the driver {error.name}, which is not installed.",
                advice=f"Run: pip install {package}",
            ) from None

    def _refuse_missing(self, url: URL) -> None:
        """SQLite would make an empty file and find no table in it."""
        file = url.database
        if url.get_backend_name() != "sqlite" or not file or file.startswith((":", "file:")) or Path(file).is_file():
            return
        raise SourceError(
            f"There is no database file {file!r}.",
            advice=f"Correct url in {self.section}; it is relative to the project file.",
        )

    def _read(self, engine: Engine) -> Iterator[SourceRow]:
        """First a row of no meaning, once the columns are known."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with engine.connect() as connection:
                result = _read_only(connection).exec_driver_sql(self._query.sql)
                self._columns = self.header(list(result.keys()), "result")
                yield SourceRow(0, {})
                number = 0
                for batch in result.partitions(_BATCH):
                    for cells in batch:
                        number += 1
                        values = dict(zip(self._columns, cells, strict=True))
                        for column, value in values.items():
                            try:
                                values[column] = plain(value)
                            except Unusable as unusable:
                                raise unusable_value(self, number, column, unusable) from None
                        self.digest_row(values)
                        if all(cell is None or cell == "" for cell in cells):
                            self.blank_rows += 1
                        else:
                            yield SourceRow(number, values)
        except SQLAlchemyError as error:
            raise self._refused(error) from None
        finally:
            engine.dispose()

    def _refused(self, error: Exception) -> SourceError:
        from sqlalchemy.exc import OperationalError

        said = str(getattr(error, "orig", None) or error).strip().splitlines()
        reason = said[0].rstrip(".") if said else type(error).__name__
        for secret in self._secrets:
            reason = reason.replace(secret, "***")
        if isinstance(error, OperationalError):
            advice = f"Check that the database can be reached, and sql and url in {self.section}."
        else:
            advice = f"Correct sql in {self.section}, or ask who may read these tables."
        return SourceError(f"{self.subject} was refused by the database: {reason}.", advice=advice)


def _read_only(connection: Connection) -> Connection:
    # Without parameters % and : in the text mean nothing to the driver.
    options = {"stream_results": True, "yield_per": _BATCH, "no_parameters": True}
    if connection.dialect.name == "postgresql":
        options["postgresql_readonly"] = True
    elif connection.dialect.name == "sqlite":
        connection.exec_driver_sql("pragma query_only = on")
    return connection.execution_options(**options)


def _secrets(url: URL) -> list[str]:
    """What a driver's message must not repeat."""
    values = [url.password, *(value for value in url.query.values() if isinstance(value, str))]
    return [value for value in values if value and len(value) > 2]
