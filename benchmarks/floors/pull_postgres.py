"""The floor of `tieout pull` into PostgreSQL: COPY into a temporary table, merged by key, the cursor with the rows.

The server casts texts to types while it copies. Knows nothing of tieout.
"""

from __future__ import annotations

import io
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx2
import psycopg
import pyarrow as pa
from pyarrow import csv

from .pull_arrow import table
from .pull_pages import COLUMNS, NAMES, OBJECT, OTHERS, OvertakenError, pages, sign_in

COMMIT = 20_000
"""Rows a transaction."""
_TYPES = {
    "text": "text",
    "date": "date",
    "flag": "boolean",
    "money": "numeric(38,2)",
    "integer": "bigint",
    "stamp": "timestamptz",
}
_COLUMNS = ", ".join(
    f'"{name}" {_TYPES[kind]}{" PRIMARY KEY" * (name == "key")}'
    for name, kind in zip(NAMES, COLUMNS.values(), strict=True)
)
_MERGE = 'INSERT INTO bill SELECT * FROM batch ON CONFLICT ("key") DO UPDATE SET ' + ", ".join(
    f'"{name}" = excluded."{name}"' for name in OTHERS
)


def run(base_url: str, url: str, schema: str) -> int:
    """Pull all bills, or those changed since the last run, into table `bill` of a schema. -> rows read."""
    with psycopg.connect(url) as db, httpx2.Client(base_url=base_url, timeout=60) as client:
        db.execute(f'SET search_path = "{schema}"')
        since = _prepare(db)
        becomes = sign_in(client)
        total, batch, merging = 0, [], None
        with ThreadPoolExecutor(max_workers=1) as writer:
            for rows in pages(client, since):
                batch.append(table(rows))
                total += len(rows)
                if sum(part.num_rows for part in batch) >= COMMIT:
                    _wait(merging)
                    merging, batch = writer.submit(_commit, db, batch, total, since, since), []
            _wait(merging)
        _commit(db, batch, total, since, becomes)
    return total


def _prepare(db: psycopg.Connection[Any]) -> str | None:
    """Make the tables where they are missing. -> the watermark, None before the first complete run."""
    db.execute(f"CREATE TABLE IF NOT EXISTS bill ({_COLUMNS})")
    db.execute('CREATE TABLE IF NOT EXISTS "cursor" (object text PRIMARY KEY, rows_read bigint, watermark text)')
    db.execute('INSERT INTO "cursor" VALUES (%s, 0, NULL) ON CONFLICT DO NOTHING', [OBJECT])
    db.execute("CREATE TEMP TABLE batch AS SELECT * FROM bill WHERE false")
    found = db.execute('SELECT watermark FROM "cursor" WHERE object = %s', [OBJECT]).fetchone()
    db.commit()
    assert found is not None
    return found[0]


def _wait(merging: Future[None] | None) -> None:
    if merging is not None:
        merging.result()


def _commit(
    db: psycopg.Connection[Any], batch: list[pa.Table], total: int, was: str | None, becomes: str | None
) -> None:
    """Rows and cursor in one transaction. The watermark moves only from where this run found it."""
    if batch:
        with db.cursor() as cursor, cursor.copy("COPY batch FROM STDIN (FORMAT csv)") as copy:
            for part in batch:
                text = io.BytesIO()
                csv.write_csv(part, text, csv.WriteOptions(include_header=False))
                copy.write(text.getbuffer())
        db.execute(_MERGE)
        db.execute("TRUNCATE batch")
    moved = db.execute(
        'UPDATE "cursor" SET rows_read = %s, watermark = %s WHERE object = %s AND watermark IS NOT DISTINCT FROM %s',
        [total, becomes, OBJECT, was],
    ).rowcount
    if moved != 1:
        raise OvertakenError
    db.commit()
