"""DuckDB keeps what every destination promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from tests.pull.destinations.suite import NEWER, DestinationSuite


class TestDuckDB(DestinationSuite):
    def url(self, folder: Path) -> str:
        return "duckdb:///company.duckdb"

    def select(self, folder: Path, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(folder / "company.duckdb"), read_only=True) as db:
            db.execute("SET TimeZone = 'UTC'")
            return db.execute(sql).fetchall()

    def alter(self, folder: Path, table: str, change: str) -> None:
        word, _, name = change.partition(" ")
        statement = {
            "drop": f"ALTER TABLE {table} DROP COLUMN {name}",
            "retype": f"ALTER TABLE {table} ALTER {name} TYPE DOUBLE",
            "add": f"ALTER TABLE {table} ADD COLUMN {name} VARCHAR",
            "rest": f"CREATE INDEX theirs ON {table} ({name})",
            "unique": f"CREATE UNIQUE INDEX theirs ON {table} ({name})",
            "make": f"CREATE TABLE {table} (x INTEGER)",
            "remove": f"DROP TABLE {table}",
            "newer": f"UPDATE _tieout_state SET state = '{NEWER}'",
        }[word]
        with duckdb.connect(str(folder / "company.duckdb")) as db:
            db.execute(statement)
