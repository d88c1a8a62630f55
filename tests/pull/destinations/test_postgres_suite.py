"""PostgreSQL keeps what every destination promises.

A folder stands for a schema, a missing one for a missing database."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.pull.destinations.suite import NEWER, DestinationSuite


class TestPostgres(DestinationSuite):
    @pytest.fixture(autouse=True)
    def server(self, warehouse: str) -> None:
        self.warehouse = warehouse

    def url(self, folder: Path) -> str:
        missing = "" if folder.is_dir() else "_missing"
        return f"{self.warehouse}{missing}?schema={self.schema(folder)}"

    def schema(self, folder: Path) -> str:
        return "s" + hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]

    def select(self, folder: Path, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.warehouse) as db:
            db.execute(f"SET search_path = {self.schema(folder)}; SET TimeZone = 'UTC'".encode())
            return db.execute(sql.encode()).fetchall()

    def alter(self, folder: Path, table: str, change: str) -> None:
        word, _, name = change.partition(" ")
        statement = {
            "drop": f"ALTER TABLE {table} DROP COLUMN {name}",
            "retype": f"ALTER TABLE {table} ALTER {name} TYPE double precision",
            "add": f"ALTER TABLE {table} ADD COLUMN {name} text",
            "rest": f"CREATE VIEW theirs AS SELECT {name} FROM {table}",
            "unique": f"CREATE UNIQUE INDEX theirs ON {table} ({name})",
            "make": f"CREATE TABLE {table} (x integer)",
            "remove": f"DROP TABLE {table}",
            "newer": f"UPDATE _tieout_state SET state = '{NEWER}'",
        }[word]
        with psycopg.connect(self.warehouse) as db:
            schema = self.schema(folder)
            db.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}; SET search_path = {schema}; {statement}".encode())
