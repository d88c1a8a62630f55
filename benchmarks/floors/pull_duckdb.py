"""The floor of `tieout pull` into DuckDB: one object, read and merged as fast as a hand-written loop does it.

Same work as the product: a token, ordered pages, typed values, rows merged by key, cursor committed with the rows,
only changes on the second run. No retries, no lines, no check against the model, no fallback for a value that does
not fit, no tie-out. Knows nothing of tieout.
"""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path

import duckdb
import httpx2
import msgspec
import pyarrow as pa

OBJECT = "accounts-payable/bill"
PAGE = 4000
COMMIT = 100_000
"""Rows a transaction."""
OVERLAP = datetime.timedelta(minutes=5)
"""How far the next read reaches back behind the server's clock, for rows that were committed late."""

_TEXT, _FLAG, _INTEGER = pa.string(), pa.bool_(), pa.int64()
_MONEY, _DATE, _STAMP = pa.decimal128(38, 2), pa.date32(), pa.timestamp("us", tz="UTC")
COLUMNS: dict[str, pa.DataType] = {
    "key": _TEXT,
    "id": _TEXT,
    "billNumber": _TEXT,
    "referenceNumber": _TEXT,
    "description": _TEXT,
    "postingDate": _DATE,
    "dueDate": _DATE,
    "paymentPriority": _TEXT,
    "isOnHold": _FLAG,
    "isTaxInclusive": _FLAG,
    "state": _TEXT,
    "totalBaseAmount": _MONEY,
    "totalBaseAmountDue": _MONEY,
    "totalTxnAmount": _MONEY,
    "totalTxnAmountDue": _MONEY,
    "dueInDays": _INTEGER,
    "currency.txnCurrency": _TEXT,
    "audit.modifiedDateTime": _STAMP,
    "vendor.id": _TEXT,
    "entity.id": _TEXT,
}
"""Queried path -> type of its column."""
NAMES = [path.replace(".", "__") for path in COLUMNS]
TYPED = pa.schema(list(zip(NAMES, COLUMNS.values(), strict=True)))
AS_SENT = pa.schema([(f.name, f.type if f.type in (_FLAG, _INTEGER) else _TEXT) for f in TYPED])
"""Money, dates and stamps are strings on the wire: Arrow casts a column of them faster than Python makes objects."""

_PYTHON = {_TEXT: str | None, _FLAG: bool | None, _INTEGER: int | None}
Row = msgspec.defstruct(
    "Row",
    [(f.name, _PYTHON[f.type], msgspec.field(name=path)) for path, f in zip(COLUMNS, AS_SENT, strict=True)],
    gc=False,
)
Meta = msgspec.defstruct("Meta", [("next", int | None)])
Answer = msgspec.defstruct(
    "Answer",
    [("rows", list[Row], msgspec.field(name="ia::result")), ("meta", Meta, msgspec.field(name="ia::meta"))],
)
_decode = msgspec.json.Decoder(Answer).decode
_values = msgspec.structs.astuple

_LIST = ", ".join(f'"{name}"' for name in NAMES)
MERGE = f"""
    MERGE INTO bill USING batch ON bill."key" = batch."key"
    WHEN MATCHED THEN UPDATE SET {", ".join(f'"{name}" = batch."{name}"' for name in NAMES if name != "key")}
    WHEN NOT MATCHED THEN INSERT ({_LIST}) VALUES ({", ".join(f'batch."{name}"' for name in NAMES)})
"""


def run(base_url: str, database: Path) -> int:
    """Pull all bills, or those changed since the last run, into table `bill`. -> rows read.

    Stopped in the middle it may be run again: what was merged is merged once more, the watermark has not moved.
    """
    with duckdb.connect(str(database)) as connection, httpx2.Client(base_url=base_url, timeout=60) as client:
        since = _prepare(connection)
        now = _sign_in(client)
        total, batch, merging = 0, [], None
        with ThreadPoolExecutor(max_workers=1) as writer:
            for page in _pages(client, since):
                batch.append(page)
                total += page.num_rows
                if len(batch) * PAGE >= COMMIT:
                    _wait(merging)
                    merging, batch = writer.submit(_commit, connection, batch, total, since, since), []
            _wait(merging)
        _commit(connection, batch, total, since, (now - OVERLAP).strftime("%Y-%m-%dT%H:%M:%SZ"))
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


def _sign_in(client: httpx2.Client) -> datetime.datetime:
    """Fetch a token for all further requests. -> the server's clock, before anything was read."""
    who = {"client_id": "demo-client", "client_secret": "demo-secret", "username": "admin@demo"}
    reply = client.post("/oauth2/token", data={"grant_type": "client_credentials", **who}).raise_for_status()
    client.headers["Authorization"] = "Bearer " + reply.json()["access_token"]
    return parsedate_to_datetime(reply.headers["Date"])


def _pages(client: httpx2.Client, since: str | None) -> Iterator[pa.Table]:
    """Every page in key order, strings as sent."""
    asked = {"object": OBJECT, "fields": list(COLUMNS), "orderBy": [{"key": "asc"}], "size": PAGE}
    if since is not None:
        asked["filters"] = [{"$gte": {"audit.modifiedDateTime": since}}]
    start: int | None = 1
    while start is not None:
        body = msgspec.json.encode(asked | {"start": start})
        with client.stream(
            "POST", "/services/core/query", content=body, headers={"Content-Type": "application/json"}
        ) as reply:
            reply.raise_for_status()
            answer = _decode(b"".join(reply.iter_bytes()))
        columns = zip(*map(_values, answer.rows), strict=True) if answer.rows else [[]] * len(NAMES)
        yield pa.Table.from_arrays(
            [pa.array(column, kind) for column, kind in zip(columns, AS_SENT.types, strict=True)], schema=AS_SENT
        )
        start = answer.meta.next


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
        raise RuntimeError("another run has moved the cursor")
    connection.execute("COMMIT")


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script: its package is one folder up
    from floors.static_server import start

    parser = argparse.ArgumentParser(description="Rows per second of the hand-written pull into DuckDB.")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--times", type=int, default=3, help="runs, each into a new file; the best one counts")
    asked = parser.parse_args()
    with start(rows=asked.rows) as base_url:
        for _ in range(asked.times):
            with tempfile.TemporaryDirectory() as folder:
                began, cpu = time.perf_counter(), time.process_time()
                rows = run(base_url, Path(folder, "floor.duckdb"))
                took, cpu = time.perf_counter() - began, time.process_time() - cpu
                print(f"{rows:,} rows in {took:.2f} s: {rows / took:,.0f} rows/s, {cpu / rows * 1e6:.2f} us CPU a row")


if __name__ == "__main__":
    main()
