"""DuckDB keeps what every destination promises."""

from __future__ import annotations

from pathlib import Path

import duckdb

from tests.pull.destinations.suite import NEWER, DestinationSuite
from tieout.pull.destinations.duckdb_system import quote


class TestDuckDB(DestinationSuite):
    def url(self, folder: Path) -> str:
        return "duckdb:///company.duckdb"

    def marks(self, folder: Path, table: str) -> dict[str, str | None]:
        with duckdb.connect(str(folder / "company.duckdb"), read_only=True) as db:
            db.execute("SET TimeZone = 'UTC'")
            return dict(db.execute(f'SELECT "key", _tieout_deleted::VARCHAR FROM {quote(table)}').fetchall())

    def alter(self, folder: Path, table: str, change: str) -> None:
        word, _, name = change.partition(" ")
        statement = {
            "drop": f"ALTER TABLE {table} DROP COLUMN {name}",
            "retype": f"ALTER TABLE {table} ALTER {name} TYPE DOUBLE",
            "add": f"ALTER TABLE {table} ADD COLUMN {name} VARCHAR",
            "make": f"CREATE TABLE {table} (x INTEGER)",
            "remove": f"DROP TABLE {table}",
            "newer": f"UPDATE _tieout_state SET state = '{NEWER}'",
        }[word]
        with duckdb.connect(str(folder / "company.duckdb")) as db:
            db.execute(statement)
