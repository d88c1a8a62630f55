"""Rows a second of `tieout pull` beside a hand-written loop that does the same work, on this machine, in this run.

Same work: a token, pages ordered by key from the same server, typed columns, merge by key into DuckDB, a cursor
committed with the rows every 100,000. The product also asks for the model, notices rows that move, keeps misfits and
ties out at the end; its time includes all of that. Nothing here is asserted: figures, not tests.

    python benchmarks/pull_floor.py [--rows 200000] [--rounds 3]
    python benchmarks/pull_floor.py --latency 300   # 6 requests at a time beside one, each answer so many ms late
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from floors import pull_duckdb, static_server
from tieout import Intacct
from tieout.project import Project
from tieout.pull.run import pull
from tieout.pull.sources import Source

GOAL = 0.5
"""Of the floor's rows a second; 0.8 is the aim."""
AT_A_TIME = 6
LATE_GOAL = 5.5
"""Times as fast with six requests at a time as with one, where answers are late. A million rows, to leave out of it
what comes before the second page."""


def floor(base_url: str, folder: Path) -> int:
    """The loop of benchmarks/floors/pull_duckdb.py."""
    return pull_duckdb.run(base_url, folder / "floor.duckdb")


def product(base_url: str, folder: Path, concurrency: int | None = None) -> int:
    """What `tieout pull bills` runs, without the command line around it."""
    credentials = {"client_id": "demo-client", "client_secret": "demo-secret", "user": "admin", "company": "demo"}
    with Intacct(base_url=base_url, concurrency=concurrency, **credentials) as client:
        (report,) = pull(Project(folder), objects=["accounts-payable/bill"], source=Source(client, "demo"))
    if not report.ties or report.new != report.rows_read:
        raise SystemExit(f"the product did not do the work: {report}")
    return report.new


def measure(run: Callable[[str, Path], int], base_url: str, rows: int) -> float:
    """Rows a second of one run into an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        done = run(base_url, Path(folder))
        took = time.perf_counter() - began
    if done != rows:
        raise SystemExit(f"the run wrote {done} rows of {rows}")
    return rows / took


def late(rows: int, latency: float) -> None:
    """Seconds with one request at a time, with six, and the floor's loop, which has one."""
    with static_server.start(rows, latency) as base_url:
        took = {}
        for name, run in (
            ("floor", floor),
            ("one at a time", partial(product, concurrency=1)),
            ("six at a time", partial(product, concurrency=AT_A_TIME)),
        ):
            took[name] = rows / measure(run, base_url, rows)
    print(f"{rows:,} rows of 20 fields, pages of 4,000, {latency:g} s until each answer; seconds\n")
    for name, seconds in took.items():
        print(f"{name:<16}{seconds:>8.2f}")
    print(f"ratio{took['one at a time'] / took['six at a time']:>19.2f}   goal {LATE_GOAL}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--latency", type=float, default=0.0, help="milliseconds")
    asked = parser.parse_args()
    if asked.latency:
        late(asked.rows, asked.latency / 1000)
        return
    floors, products = [], []
    with static_server.start(asked.rows) as base_url:
        for run in (floor, product):  # imports and the file cache, outside the figures
            measure(run, base_url, asked.rows)
        print(f"{asked.rows:,} rows of 20 fields, pages of 4,000\n")
        print(f"{'round':<8}{'floor rows/s':>14}{'tieout rows/s':>16}{'ratio':>8}")
        for number in range(1, asked.rounds + 1):
            floors.append(measure(floor, base_url, asked.rows))
            products.append(measure(product, base_url, asked.rows))
            print(f"{number:<8}{floors[-1]:>14,.0f}{products[-1]:>16,.0f}{products[-1] / floors[-1]:>8.2f}")
    slow, fast = statistics.median(floors), statistics.median(products)
    print(f"{'median':<8}{slow:>14,.0f}{fast:>16,.0f}{fast / slow:>8.2f}   goal {GOAL}")


if __name__ == "__main__":
    main()
