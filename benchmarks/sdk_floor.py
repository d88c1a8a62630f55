"""Rows a second of `intacct.query` and records a second of `create_many`, beside hand-written loops that do the same
work, on this machine, in this run: against a static server that costs nothing, and against the simulator.

    python benchmarks/sdk_floor.py [--rows 100000] [--vendors 20000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from typing import Any

import simulator_process
from floors import rest, static_server
from floors.bills import ATTRIBUTES, OBJECT
from tieout import Intacct

CREDENTIALS: dict[str, Any] = {
    "client_id": "demo-client", "client_secret": "demo-secret", "user": "admin", "company": "demo",
}  # fmt: skip
_runs = count(1)


def vendors(number: int) -> list[dict[str, Any]]:
    """Bodies that no earlier run has sent."""
    run = next(_runs)
    return [{"id": f"V{run:03}-{i:06}", "name": f"Vendor {i} of run {run}"} for i in range(number)]


def query(base_url: str, rows: int) -> int:
    with Intacct(base_url=base_url, **CREDENTIALS) as intacct:
        return sum(1 for _ in intacct.query(OBJECT, list(ATTRIBUTES), page_size=rest.PAGE, private=False))


def query_floor(base_url: str, rows: int) -> int:
    return rest.read(base_url)


def create(base_url: str, number: int) -> int:
    bodies = vendors(number)
    with Intacct(base_url=base_url, **CREDENTIALS) as intacct:
        return len(intacct.create_many("accounts-payable/vendor", bodies).posted)


def create_unchecked(base_url: str, number: int) -> int:
    """As the floor: bodies go out as they are, not held against the company's model."""
    bodies = vendors(number)
    with Intacct(base_url=base_url, check=False, **CREDENTIALS) as intacct:
        return len(intacct.create_many("accounts-payable/vendor", bodies).posted)


def create_floor(base_url: str, number: int) -> int:
    return rest.create(base_url, vendors(number))


Job = tuple[str, Callable[[str, int], int], Callable[[str, int], int], str, int]


def measure(run: Callable[[str, int], int], base_url: str, number: int, expected: int) -> float:
    began = time.perf_counter()
    done = run(base_url, number)
    took = time.perf_counter() - began
    if done != expected:
        raise SystemExit(f"{run.__name__} did {done} of {expected}")
    return done / took


def jobs(asked: argparse.Namespace, stack: ExitStack) -> Iterator[Job]:
    static = stack.enter_context(static_server.start(asked.rows))
    simulated = stack.enter_context(simulator_process.start(asked.rows))
    yield "query, static server", query_floor, query, static, asked.rows
    yield "query, simulator", query_floor, query, simulated, asked.rows
    yield "create, static server", create_floor, create, static, asked.vendors
    yield "the same, check=False", create_floor, create_unchecked, static, asked.vendors
    yield "create, simulator", create_floor, create, simulated, asked.vendors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--vendors", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    print(f"{asked.rows:,} rows of 20 fields, pages of 2,000; {asked.vendors:,} vendors, 500 a request\n")
    print(f"{'':<24}{'floor a second':>16}{'tieout a second':>17}{'ratio':>8}")
    with ExitStack() as stack:
        for name, floor, product, url, number in jobs(asked, stack):
            # What a company shows without private records is counted by the floor itself, once.
            expected = floor(url, number)
            measure(product, url, number, expected)
            pairs = [
                (measure(floor, url, number, expected), measure(product, url, number, expected))
                for _ in range(asked.rounds)
            ]
            slow, fast = (statistics.median(side) for side in zip(*pairs, strict=True))
            print(f"{name:<24}{slow:>16,.0f}{fast:>17,.0f}{fast / slow:>8.2f}", flush=True)


if __name__ == "__main__":
    main()
