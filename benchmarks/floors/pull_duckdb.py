"""The floor of `tieout pull` into DuckDB: rows merged by key from Arrow with the cursor in one transaction.

Knows nothing of tieout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import httpx2
import pyarrow as pa

from .pull_arrow import TYPED, table
from .pull_pages import NAMES, OBJECT, OTHERS, OvertakenError, pages, sign_in

COMMIT = 100_000
"""Rows a transaction."""
_LIST = ", ".join(f'"{name}"' for name in NAMES)
MERGE = f"""
    MERGE INTO bill USING batch ON bill."key" = batch."key"
    WHEN MATCHED THEN UPDATE SET {", ".join(f'"{name}" = batch."{name}"' for name in OTHERS)}
    WHEN NOT MATCHED THEN INSERT ({_LIST}) VALUES ({", ".join(f'batch."{name}"' for name in NAMES)})
"""


def run(base_url: str, database: Path) -> int:
    """Pull all bills, or those changed since the last run, into table `bill`. -> rows read.

    Stopped in the middle it may be run again: what was merged is merged once more, the watermark has not moved.
    """
    with httpx2.Client(base_url=base_url, timeout=60) as client:
        becomes = sign_in(client)
        return load(database, lambda since: pages(client, since), becomes)


def load(database: Path, read: Callable[[str | None], Iterable[list[Any]]], becomes: str) -> int:
    """What `read` brings since the watermark of the last run, merged in a second thread. -> rows."""
    with duckdb.connect(str(database)) as connection:
        since = _prepare(connection)
        total, batch, merging = 0, [], None
        with ThreadPoolExecutor(max_workers=1) as writer:
            for rows in read(since):
                batch.append(table(rows))
                total += len(rows)
                if sum(part.num_rows for part in batch) >= COMMIT:
                    _wait(merging)
                    merging, batch = writer.submit(_commit, connection, batch, total, since, since), []
            _wait(merging)
        _commit(connection, batch, total, since, becomes)
    return total


def _prepare(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Make the tables where they are missing. -> the watermark, None before the first complete run."""
    connection.register("batch", TYPED.empty_table())
    connection.execute("CREATE TABLE IF NOT EXISTS bill AS FROM batch")
    connection.unregister("batch")
    connection.execute('CREATE TABLE IF NOT EXISTS "cursor" (object VARCHAR, rows_read BIGINT, watermark VARCHAR)')
    found = connection.execute('SELECT watermark FROM "cursor" WHERE object = ?', [OBJECT]).fetchone()
    if found is None:
        connection.execute('INSERT INTO "cursor" VALUES (?, 0, NULL)', [OBJECT])
        return None
    return found[0]


def _wait(merging: Future[None] | None) -> None:
    if merging is not None:
        merging.result()


def _commit(
    connection: duckdb.DuckDBPyConnection, batch: list[pa.Table], total: int, was: str | None, becomes: str | None
) -> None:
    """Rows and cursor in one transaction. The watermark moves only from where this run found it."""
    connection.execute("BEGIN")
    if batch:
        connection.register("batch", pa.concat_tables(batch).cast(TYPED))
        connection.execute(MERGE)
        connection.unregister("batch")
    moved = connection.execute(
        'UPDATE "cursor" SET rows_read = ?, watermark = ? WHERE object = ? AND watermark IS NOT DISTINCT FROM ?',
        [total, becomes, OBJECT, was],
    ).fetchone()
    if moved != (1,):
        raise OvertakenError
    connection.execute("COMMIT")
