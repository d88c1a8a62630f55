"""A destination by its URL: `duckdb:///company.duckdb`. Each kind has its module, loaded when it is named."""

from __future__ import annotations

from pathlib import Path

from tieout.errors import ConfigurationError, redacted
from tieout.pull.destinations.base import Destination
from tieout.pull.settings import DEFAULT_DESTINATION


def open_destination(root: Path, url: str) -> Destination:
    """The destination, not looked into yet. Of a file: three slashes and a path below `root`, the project's folder;
    four make it absolute. A plain name that ends in .duckdb will do. Raises ConfigurationError for anything else."""
    if url.startswith(("postgresql://", "postgres://")):
        from tieout.pull.destinations.postgres import PostgresSchema

        return PostgresSchema(url)
    scheme, separator, rest = url.partition(":///")
    if not separator and url.endswith(".duckdb"):
        scheme, rest = "duckdb", url
    if scheme == "duckdb" and rest:
        from tieout.pull.destinations.duckdb import DuckFile

        return DuckFile(root / Path(rest).expanduser())
    if scheme == "sqlite" and rest and rest != ":memory:":
        from tieout.pull.destinations.sqlite import SqliteFile

        return SqliteFile(root / Path(rest).expanduser())
    if scheme == "parquet" and rest:
        from tieout.pull.destinations.parquet import ParquetFolder

        return ParquetFolder(root / Path(rest).expanduser())
    raise ConfigurationError(
        f"There is no destination for {redacted(url)!r} yet.",
        advice=f"{DEFAULT_DESTINATION} is one; others: sqlite:///company.db, postgresql://user@host/database, "
        "parquet:///company.",
    )
