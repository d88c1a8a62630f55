"""Rows a second of `tieout pull` beside a hand-written loop that does the same work, on this machine, in this run.

Same work: a token, pages ordered by key from the same server, typed columns, merge by key, a cursor committed with the
rows. The product also asks for the model, notices rows that move, checks every value, keeps misfits and ties out at the
end; its time includes all of that. Nothing here is asserted: figures, not tests.

    python benchmarks/pull_floor.py [--destination duckdb sqlite postgresql parquet] [--rows 200000] [--rounds 3]
    python benchmarks/pull_floor.py --memory 1000000 5000000         # the most that a pull of so many rows holds
    python benchmarks/pull_floor.py --latency 300 --rows 1000000     # 6 requests at a time beside one, and beside the
                                                                     # generator of another client; milliseconds
    python benchmarks/pull_floor.py --latency 300 --rows 4000 --tables 20   # tables of one run side by side
    python benchmarks/pull_floor.py --memory 1000000 --tables 4             # and what they hold
    python benchmarks/pull_floor.py --nothing                        # a pull that finds nothing new
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg

from floors import pull_duckdb, pull_parquet, pull_postgres, pull_sqlite, static_server
from pull_late import beside, late, nothing
from pulling import peak, product, several

GOAL = 0.8
"""Of the floor's rows a second."""
MEMORY_GOAL = 400
"""MB, however many rows."""
POSTGRES = os.environ.get("TIEOUT_TEST_POSTGRES", "postgresql://127.0.0.1:5432/test")
DESTINATIONS = ("duckdb", "sqlite", "postgresql", "parquet")


class Took(NamedTuple):
    """Seconds of one run: by the clock, and of this process's CPU (that of a database server is not in it)."""

    clock: float
    cpu: float


def floor(name: str, base_url: str, folder: Path, schema: str) -> int:
    """The loop of benchmarks/floors/pull_*.py."""
    if name == "postgresql":
        return pull_postgres.run(base_url, POSTGRES, schema)
    runs: dict[str, Callable[[str, Path], int]] = {
        "duckdb": pull_duckdb.run,
        "sqlite": pull_sqlite.run,
        "parquet": pull_parquet.run,
    }
    return runs[name](base_url, folder / f"floor.{name}")


def url(name: str, schema: str) -> str:
    """The product's destination."""
    if name == "postgresql":
        return f"{POSTGRES}{'&' if '?' in POSTGRES else '?'}schema={schema}"
    return f"{name}:///product.{name}"


@contextmanager
def empty(name: str) -> Iterator[tuple[Path, str]]:
    """A folder, and the name of a schema, with nothing in them."""
    schema = f"tieout_bench_{uuid.uuid4().hex[:12]}"
    with tempfile.TemporaryDirectory() as folder:
        if name != "postgresql":
            yield Path(folder), schema
            return
        with psycopg.connect(POSTGRES, autocommit=True, connect_timeout=3) as server:
            server.execute(f'CREATE SCHEMA "{schema}"')
            try:
                yield Path(folder), schema
            finally:
                server.execute(f'DROP SCHEMA "{schema}" CASCADE')


def measured(rows: int, run: Callable[[], int]) -> Took:
    began, cpu = time.perf_counter(), time.process_time()
    done = run()
    took = Took(time.perf_counter() - began, time.process_time() - cpu)
    if done != rows:
        raise SystemExit(f"the run wrote {done} rows of {rows}")
    return took


def compare(name: str, rows: int, rounds: int) -> None:
    """Floor and product in turn."""
    found: list[tuple[Took, Took]] = []
    with static_server.start(rows) as base_url:
        for number in range(rounds + 1):
            with empty(name) as (folder, schema):
                bare = measured(rows, lambda: floor(name, base_url, folder, schema))
            with empty(name) as (folder, schema):
                ours = measured(rows, lambda: product(base_url, folder, url(name, schema)))
            if number:  # the first for imports and the file cache, outside the figures
                found.append((bare, ours))
                show(f"{name} {number}", rows, bare, ours)
    medians = [Took(*map(statistics.median, zip(*side, strict=True))) for side in zip(*found, strict=True)]
    show(f"{name} median", rows, *medians)


def show(name: str, rows: int, bare: Took, ours: Took) -> None:
    print(
        f"{name:<20}{rows / bare.clock:>13,.0f}{rows / ours.clock:>15,.0f}{bare.clock / ours.clock:>7.2f}"
        f"{bare.cpu / rows * 1e6:>14.1f}{ours.cpu / rows * 1e6:>15.1f}{bare.cpu / ours.cpu:>7.2f}",
        flush=True,
    )


def memory(name: str, rows: int, tables: int) -> None:
    """The most that a pull of so many rows, into each of so many tables, holds, in a process of its own."""
    with static_server.start(rows) as base_url, empty(name) as (folder, schema):
        command = [sys.executable, __file__, "--child", base_url, str(folder), url(name, schema), str(tables)]
        told = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.split()
    of = f" in each of {tables} tables" if tables > 1 else ""
    print(f"{name}, {rows:,} rows{of}: {told[0]} MB before, {told[1]} MB at most (goal {MEMORY_GOAL})", flush=True)


def there(wanted: Sequence[str]) -> list[str]:
    """Those that are there: PostgreSQL where a server answers."""
    if "postgresql" in wanted:
        try:
            psycopg.connect(POSTGRES, connect_timeout=3).close()
        except psycopg.OperationalError:
            print(f"no PostgreSQL answers at {POSTGRES.rpartition('@')[2]} (set TIEOUT_TEST_POSTGRES)\n")
            return [name for name in wanted if name != "postgresql"]
    return list(wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--destination", nargs="+", choices=[*DESTINATIONS, "all"], default=["all"])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, nargs="+", default=[], metavar="ROWS")
    parser.add_argument("--latency", type=float, default=0.0, help="milliseconds")
    parser.add_argument(
        "--tables", type=int, default=1, help="with --latency and --memory: so many, of so many rows each"
    )
    parser.add_argument("--nothing", action="store_true")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        base_url, folder, destination, tables = asked.child
        before = peak()
        if int(tables) > 1:
            several(base_url, Path(folder), destination, int(tables), abreast=True)
        else:
            product(base_url, Path(folder), destination)
        print(f"{before:.0f} {peak():.0f}")
        return
    names = there(DESTINATIONS if "all" in asked.destination else asked.destination)
    if asked.latency and asked.tables > 1:
        beside(asked.rows, asked.latency / 1000, asked.tables)
    elif asked.latency:
        late(asked.rows, asked.latency / 1000, asked.rounds)
    elif asked.nothing:
        print(f"nothing new in {asked.rows:,} rows")
        with static_server.start(asked.rows) as base_url:
            for name in names:
                with empty(name) as (folder, schema):
                    nothing(base_url, folder, name, url(name, schema))
    elif asked.memory:
        for name in names:
            for rows in asked.memory:
                memory(name, rows, asked.tables)
    else:
        print(f"{asked.rows:,} rows of 20 fields, pages of 4,000; rows a second and microseconds of CPU a row\n")
        heads = f"{'floor':>13}{'tieout':>15}{'ratio':>7}{'floor CPU us':>14}{'tieout CPU us':>15}{'ratio':>7}"
        print(f"{'':<20}{heads}")
        for name in names:
            compare(name, asked.rows, asked.rounds)
        print(f"goal {GOAL}")


if __name__ == "__main__":
    main()
