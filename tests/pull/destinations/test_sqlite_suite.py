"""SQLite keeps what every destination promises."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.pull.destinations.suite import NEWER, DestinationSuite


class TestSqlite(DestinationSuite):
    def url(self, folder: Path) -> str:
        return "sqlite:///company.db"

    def select(self, folder: Path, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(folder / "company.db")) as db:
            return db.execute(sql).fetchall()

    def alter(self, folder: Path, table: str, change: str) -> None:
        word, _, name = change.partition(" ")
        statements = {
            "drop": [f"ALTER TABLE {table} DROP COLUMN {name}"],
            "retype": [f"ALTER TABLE {table} DROP COLUMN {name}", f"ALTER TABLE {table} ADD COLUMN {name} REAL"],
            "add": [f"ALTER TABLE {table} ADD COLUMN {name} TEXT"],
            "rest": [f"CREATE VIEW theirs AS SELECT {name} FROM {table}"],
            "unique": [f"CREATE UNIQUE INDEX theirs ON {table} ({name})"],
            "make": [f"CREATE TABLE {table} (x INTEGER)"],
            "remove": [f"DROP TABLE {table}"],
            "newer": [f"UPDATE _tieout_state SET state = '{NEWER}'"],
        }[word]
        with closing(sqlite3.connect(folder / "company.db")) as db:
            for statement in statements:
                db.execute(statement)
            db.commit()
