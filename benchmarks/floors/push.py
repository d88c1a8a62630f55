"""The floor of `tieout push`: customers of a CSV file, posted 500 a request under a durable ledger, as fast as a
hand-written loop in one process goes.

Same work as the product for the promise it makes: every value checked and converted, a hash of each record, the
request's bytes compressed and sealed in the ledger with one row per record and committed before they are sent, every
position's key and id committed after the answer, an idempotency key over the bytes. No model, no grouping, no retry, no
pacing, no replay, no report, no reading back. Knows nothing of tieout.

    python benchmarks/floors/push.py [--records 100000] [--state sqlite|postgresql|both] [--runs 3]
"""

from __future__ import annotations

import argparse
import csv
import datetime
import hashlib
import os
import sqlite3
import sys
import tempfile
import time
import uuid
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

import httpx2
import msgspec
import psycopg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))  # run as a script: its package is one folder up

from floors import responder
from floors.customers import COLUMNS, OBJECT, write
from floors.rest import sign_in

BATCH = 500
POSTGRES = os.environ.get("TIEOUT_TEST_POSTGRES", "postgresql://127.0.0.1:5432/test")
_CENT = Decimal("0.01")
_YES_OR_NO = {"true": True, "false": False}


class Term(msgspec.Struct, gc=False):
    id: str


class Customer(msgspec.Struct, gc=False):
    """The body of one record. Decimal is encoded as text, as money travels."""

    id: str
    name: str
    tax_id: str = msgspec.field(name="taxId")
    notes: str
    credit_limit: Decimal = msgspec.field(name="creditLimit")
    since: datetime.date = msgspec.field(name="nsp::SINCE")
    term: Term
    is_on_hold: bool = msgspec.field(name="isOnHold")


class Made(msgspec.Struct, gc=False):
    key: str
    id: str


class Answer(msgspec.Struct):
    made: list[Made] = msgspec.field(name="ia::result")


_encode = msgspec.json.Encoder().encode
_answer = msgspec.json.Decoder(Answer).decode


class Batch(msgspec.Struct):
    """One request, ready: what the ledger holds of it and the bytes that go out."""

    number: int
    ids: list[str]
    hashes: list[bytes]
    first_row: int
    body: bytes
    sealed: bytes
    key: str


class Ledger(Protocol):
    """A durable ledger: each call is one transaction, on disk when it returns."""

    def begin(self, batch: Batch) -> None: ...

    def finish(self, batch: Batch, made: Sequence[Made]) -> None: ...

    def posted(self) -> int: ...


class SqliteLedger:
    """Write-ahead log, synchronous = FULL: what the product's state database uses."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None)
        self._connection.executescript(
            "pragma journal_mode = wal; pragma synchronous = full;"
            "create table records (row integer primary key, source_id text not null unique, hash blob not null,"
            " batch integer not null, position integer not null, state text not null, sage_key text, sage_id text);"
            "create table batches (number integer primary key, key text not null, sealed blob, state text not null)"
        )

    def begin(self, batch: Batch) -> None:
        run = self._connection.execute
        run("begin immediate")
        run("insert into batches values (?, ?, ?, 'open')", (batch.number, batch.key, batch.sealed))
        self._connection.executemany(
            f"insert into records values (?, ?, ?, {batch.number}, ?, 'sending', null, null)",
            [
                (batch.first_row + position, source_id, digest, position)
                for position, (source_id, digest) in enumerate(zip(batch.ids, batch.hashes, strict=True))
            ],
        )
        run("commit")

    def finish(self, batch: Batch, made: Sequence[Made]) -> None:
        run = self._connection.execute
        run("begin immediate")
        self._connection.executemany(
            "update records set state = 'posted', sage_key = ?, sage_id = ? where row = ?",
            [(one.key, one.id, row) for row, one in enumerate(made, batch.first_row)],
        )
        run("update batches set state = 'resolved', sealed = null where number = ?", (batch.number,))
        run("commit")

    def posted(self) -> int:
        ((number,),) = self._connection.execute("select count(sage_key) from records where state = 'posted'")
        self._connection.close()
        return int(number)


class PostgresLedger:
    """Arrays unnested by the server, all statements of a transaction in one round trip."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True, prepare_threshold=0)
        self._connection.execute(
            "create table records (source_id text primary key, hash bytea not null, row integer not null,"
            " batch integer not null, position integer not null, state text not null, sage_key text, sage_id text)"
            " with (fillfactor = 50)"
        )
        self._connection.execute(
            "create table batches (number integer primary key, key text not null, sealed bytea, state text not null)"
        )

    def begin(self, batch: Batch) -> None:
        with self._connection.pipeline(), self._connection.transaction():
            run = self._connection.execute
            run("insert into batches values (%b, %b, %b, 'open')", (batch.number, batch.key, batch.sealed))
            run(
                "insert into records select source_id, hash, %b::int + nth::int, %b::int, nth::int - 1, 'sending'"
                " from unnest(%b::text[], %b::bytea[]) with ordinality as given (source_id, hash, nth)",
                (batch.first_row - 1, batch.number, batch.ids, batch.hashes),
            )

    def finish(self, batch: Batch, made: Sequence[Made]) -> None:
        with self._connection.pipeline(), self._connection.transaction():
            run = self._connection.execute
            run(
                "update records set state = 'posted', sage_key = given.key, sage_id = given.id"
                " from unnest(%b::text[], %b::text[], %b::text[]) as given (source_id, key, id)"
                " where records.source_id = given.source_id",
                (batch.ids, [one.key for one in made], [one.id for one in made]),
            )
            run("update batches set state = 'resolved', sealed = null where number = %b", (batch.number,))

    def posted(self) -> int:
        with self._connection as connection:
            row = connection.execute("select count(sage_key) from records where state = 'posted'").fetchone()
        assert row is not None
        return int(row[0])


def batches(file: Path) -> Iterator[Batch]:
    """The file's rows, checked and converted, 500 at a time."""
    seal = AESGCM(AESGCM.generate_key(256)).encrypt
    sha256 = hashlib.sha256
    with file.open(newline="", encoding="utf-8") as opened:
        rows = csv.reader(opened)
        if next(rows) != list(COLUMNS):
            raise SystemExit(f"{file} has other columns")
        number, row = 1, 2
        while chunk := list(islice(rows, BATCH)):
            records = [_encode(_checked(cells)) for cells in chunk]
            body = b"[" + b",".join(records) + b"]"
            nonce = os.urandom(12)
            sealed = nonce + seal(nonce, zlib.compress(body, 1), b"%d" % number)
            hashes = [sha256(record).digest() for record in records]
            yield Batch(number, [cells[0] for cells in chunk], hashes, row, body, sealed, sha256(body).hexdigest())
            number += 1
            row += len(chunk)


def ahead(prepared: Iterator[Batch]) -> Iterator[Batch]:
    """The same, each made in a second thread while the one before waits for disk and answer."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, prepared, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, prepared, None)
            yield batch


def _checked(cells: list[str]) -> Customer:
    """Raises ValueError, KeyError or ArithmeticError for a value that does not fit its field."""
    id, name, tax, notes, limit, since, terms, hold = cells
    money = Decimal(limit)
    if money != (exact := money.quantize(_CENT)):
        raise ValueError(limit)
    if not id or not name or not terms or len(id) > 20 or len(name) > 100 or len(tax) > 20 or len(notes) > 4000:
        raise ValueError(cells)
    return Customer(id, name, tax, notes, exact, datetime.date.fromisoformat(since), Term(terms), _YES_OR_NO[hold])


def run(base_url: str, file: Path, ledger: Ledger) -> int:
    """Post all customers of the file -> how many came back with a key."""
    made = 0
    with httpx2.Client(base_url=base_url, timeout=60) as client:
        sign_in(client)
        for batch in ahead(batches(file)):
            ledger.begin(batch)
            headers = {"Content-Type": "application/json", "Idempotency-Key": batch.key}
            reply = client.post(f"/objects/{OBJECT}", content=batch.body, headers=headers).raise_for_status()
            answered = _answer(reply.content).made
            if len(answered) != len(batch.ids):
                raise SystemExit(f"batch {batch.number}: {len(answered)} answers to {len(batch.ids)} records")
            ledger.finish(batch, answered)
            made += len(answered)
    return made


@contextmanager
def database() -> Iterator[str]:
    """URL of a PostgreSQL database of one's own, dropped afterwards."""
    name = f"tieout_bench_{uuid.uuid4().hex[:12]}"
    head, mark, options = POSTGRES.partition("?")
    with psycopg.connect(POSTGRES, autocommit=True, connect_timeout=3) as server:
        server.execute(f'create database "{name}" template template0')
        try:
            yield f"{head.rpartition('/')[0]}/{name}{mark}{options}"
        finally:
            server.execute(f'drop database if exists "{name}" with (force)')


class Took(NamedTuple):
    """Seconds of one run: by the clock, and of this process's CPU."""

    clock: float
    cpu: float


def measured(origin: str, file: Path, ledger: Ledger, expected: int) -> Took:
    began, cpu = time.perf_counter(), time.process_time()
    made = run(origin + responder.BASE, file, ledger)
    took = Took(time.perf_counter() - began, time.process_time() - cpu)
    written = ledger.posted()
    if not made == written == expected:
        raise SystemExit(f"the floor posted {made} of {expected}, and its ledger says {written}")
    return took


def on_sqlite(origin: str, file: Path, expected: int) -> Took:
    with tempfile.TemporaryDirectory() as folder:
        return measured(origin, file, SqliteLedger(Path(folder) / "ledger.db"), expected)


def on_postgresql(origin: str, file: Path, expected: int) -> Took:
    with database() as url:
        return measured(origin, file, PostgresLedger(url), expected)


RUNS = {"sqlite": on_sqlite, "postgresql": on_postgresql}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--state", choices=[*RUNS, "both"], default="both")
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, responder.start(asked.records) as origin:
        file = Path(folder) / "customers.csv"
        write(file, asked.records)
        for state in RUNS if asked.state == "both" else [asked.state]:
            for _ in range(asked.runs):
                took = RUNS[state](origin, file, asked.records)
                print(
                    f"{state:<12}{asked.records / took.clock:>10,.0f} records/s"
                    f"{took.cpu / asked.records * 1e6:>8,.1f} us of CPU each",
                    flush=True,
                )


if __name__ == "__main__":
    main()
