"""The floor of `tieout pull` into SQLite: rows merged by key with the cursor in one transaction.

Amounts, dates and stamps are texts in SQLite as they are on the wire, so nothing is converted; nothing is checked
either, which the product does. Knows nothing of tieout.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Any

import httpx2

from .pull_pages import COLUMNS, NAMES, OBJECT, OTHERS, OvertakenError, pages, sign_in, values

COMMIT = 20_000
"""Rows a transaction."""
STATEMENT = 100
"""Rows an INSERT: a quarter less CPU than `executemany`, which also gives up the interpreter for every row."""
_TYPES = {"integer": "INTEGER", "flag": "BOOLEAN"}
_COLUMNS = ", ".join(
    f'"{name}" {_TYPES.get(kind, "TEXT")}{" PRIMARY KEY" * (name == "key")}'
    for name, kind in zip(NAMES, COLUMNS.values(), strict=True)
)
_UPSERT = ' ON CONFLICT ("key") DO UPDATE SET ' + ", ".join(f'"{name}" = excluded."{name}"' for name in OTHERS)
_ROW = f"({', '.join('?' * len(NAMES))})"


def run(base_url: str, database: Path) -> int:
    """Pull all bills, or those changed since the last run, into table `bill`. -> rows read."""
    with (
        closing(sqlite3.connect(database, isolation_level=None)) as db,
        httpx2.Client(base_url=base_url, timeout=60) as client,
    ):
        since = _prepare(db)
        becomes = sign_in(client)
        total, batch = 0, []
        for rows in pages(client, since):
            batch += rows
            total += len(rows)
            if len(batch) >= COMMIT:
                _commit(db, batch, total, since, since)
                batch = []
        _commit(db, batch, total, since, becomes)
    return total


def _prepare(db: sqlite3.Connection) -> str | None:
    """Make the tables where they are missing. -> the watermark, None before the first complete run."""
    db.execute("PRAGMA page_size = 16384")  # 6 % less time than with SQLite's own 4,096
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA cache_size = -65536")
    db.execute(f"CREATE TABLE IF NOT EXISTS bill ({_COLUMNS})")
    db.execute('CREATE TABLE IF NOT EXISTS "cursor" (object TEXT PRIMARY KEY, rows_read INTEGER, watermark TEXT)')
    db.execute('INSERT OR IGNORE INTO "cursor" VALUES (?, 0, NULL)', [OBJECT])
    (since,) = db.execute('SELECT watermark FROM "cursor" WHERE object = ?', [OBJECT]).fetchone()
    return since


def _commit(db: sqlite3.Connection, rows: list[Any], total: int, was: str | None, becomes: str | None) -> None:
    """Rows and cursor in one transaction. The watermark moves only from where this run found it."""
    db.execute("BEGIN IMMEDIATE")
    for first in range(0, len(rows), STATEMENT):
        some = rows[first : first + STATEMENT]
        sql = f"INSERT INTO bill VALUES {', '.join([_ROW] * len(some))}{_UPSERT}"
        db.execute(sql, list(chain.from_iterable(map(values, some))))
    moved = db.execute(
        'UPDATE "cursor" SET rows_read = ?, watermark = ? WHERE object = ? AND watermark IS ?',
        [total, becomes, OBJECT, was],
    ).rowcount
    if moved != 1:
        raise OvertakenError
    db.execute("COMMIT")
