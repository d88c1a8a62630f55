"""A pull where every answer is late: how much of the waiting is hidden, and what it costs. Called by pull_floor.py."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from floors import pull_duckdb, pull_pages, static_server
from pulling import product, pulled, several

AT_A_TIME = 6
GOAL_ONE = 5.5
"""Times as fast with six requests at a time as with one."""
GOAL_GENERATOR = 5.0
"""Times as fast as a loop over sageintacctrestsdk's generator with the floor's loader."""
GOAL_TRANSACTIONS = 252
"""For 1,000,000 rows: 251 pages that overlap by a row, and what is counted and added up at the end."""
GOAL_NOTHING = 50
"""Milliseconds of our own in a pull that finds nothing."""
GENERATOR = Path(__file__).parents[1] / ".venv" / "foreign" / "sageintacctrestsdk" / "bin" / "python"
_rows = msgspec.json.Decoder(list[pull_pages.Row]).decode


def late(rows: int, latency: float, rounds: int) -> None:
    """Seconds of a pull into DuckDB with six requests at a time and with one, medians, and of the generator's loop."""
    print(f"{rows:,} rows of 20 fields into DuckDB, {latency:g} s until each answer; seconds\n")
    each: dict[str, list[float]] = {"six at a time": [], "one at a time": []}
    _load()
    with static_server.start(rows, latency) as base_url:
        for _ in range(rounds):
            for name, places in zip(each, (AT_A_TIME, 1), strict=True):
                with tempfile.TemporaryDirectory() as folder:
                    began = time.perf_counter()
                    report = pulled(base_url, Path(folder), "duckdb:///company.duckdb", concurrency=places)
                    each[name].append(time.perf_counter() - began)
                told = f"{report.transactions:,} transactions"
                print(f"{name:<24}{each[name][-1]:>8.2f}   {told}, goal {GOAL_TRANSACTIONS} for 1,000,000", flush=True)
        took = {name: statistics.median(seconds) for name, seconds in each.items()}
        if GENERATOR.exists():
            took["generator"] = _generator(base_url, rows)
            print(f"{'sageintacctrestsdk':<24}{took['generator']:>8.2f}   pages of 2,000", flush=True)
        else:
            print("sageintacctrestsdk is not installed in its own environment; `make test` does that")
    print(f"\n{'one at a time / six':<24}{took['one at a time'] / took['six at a time']:>8.2f}   goal {GOAL_ONE}")
    if "generator" in took:
        ratio = took["generator"] / took["six at a time"]
        print(f"{'sageintacctrestsdk / six':<24}{ratio:>8.2f}   goal {GOAL_GENERATOR}")


def _load() -> None:
    """Everything that a pull imports, outside the figures."""
    with static_server.start(1) as base_url, tempfile.TemporaryDirectory() as folder:
        pulled(base_url, Path(folder), "duckdb:///company.duckdb")


def beside(rows: int, latency: float, tables: int) -> None:
    """Seconds of pulls of so many tables, six requests at a time: one after the other, and side by side in one run."""
    print(f"{tables} tables of {rows:,} rows into DuckDB, {latency:g} s until each answer; seconds\n")
    took: dict[bool, float] = {}
    with static_server.start(rows, latency) as base_url:
        for abreast, name in ((False, "one after the other"), (True, "side by side")):
            with tempfile.TemporaryDirectory() as folder:
                began = time.perf_counter()
                done = several(base_url, Path(folder), "duckdb:///company.duckdb", tables, abreast=abreast)
                took[abreast] = time.perf_counter() - began
            print(f"{name:<24}{took[abreast]:>8.2f}   {done:,} rows", flush=True)
    print(f"{'times as fast':<24}{took[False] / took[True]:>8.2f}")


def _generator(base_url: str, rows: int) -> float:
    """Its process reads, this one loads beside it with the floor's loader, and is not counted against it."""
    program = Path(__file__).parent / "floors" / "sdk_generator.py"
    command = [str(GENERATOR), str(program), base_url, ",".join(pull_pages.COLUMNS)]
    began = time.perf_counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"NO_PROXY": "*"}) as process,
    ):
        done = pull_duckdb.load(Path(folder) / "floor.duckdb", lambda since: _lines(process), "")
    if done != rows:
        raise SystemExit(f"the generator gave {done} rows of {rows}")
    return time.perf_counter() - began


def _lines(process: subprocess.Popen[bytes]) -> Iterator[list[Any]]:
    assert process.stdout is not None
    yield from map(_rows, process.stdout)


def nothing(base_url: str, folder: Path, name: str, destination: str, times: int = 8) -> None:
    """What a pull costs that finds nothing new, on a server that answers at once: its own time and its transactions.
    The first one after rows have come counts and adds up what the table holds, the others go by that."""
    product(base_url, folder, destination)
    took = []
    for _ in range(times):
        began, cpu = time.perf_counter(), time.process_time()
        report = pulled(base_url, folder, destination)
        took.append((time.process_time() - cpu, time.perf_counter() - began))
        if report.rows_read or not report.ties or any(line.ties is None for line in report.tie_out):
            raise SystemExit(f"there was something: {report}")
    (first, _), (cpu, clock) = took[0], min(took[1:])
    print(
        f"{name:<12}{report.transactions} transaction (goal 1), {cpu * 1000:.0f} ms of CPU (goal {GOAL_NOTHING} ms), "
        f"{clock * 1000:.0f} ms; the first {first * 1000:.0f} ms of CPU",
        flush=True,
    )
