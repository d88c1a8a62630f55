"""The simulator in a process of its own for benchmarks, holding the same bills as the static server.

with start(rows=100_000) as base_url: ...
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from floors.bills import OBJECT, bill
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread


def nested(i: int) -> dict[str, Any]:
    """Bill `i` as a record: dotted names become groups and references; `dueInDays` is a text on bills (REST reference
    9.1)."""
    record: dict[str, Any] = {}
    for path, value in msgspec.to_builtins(bill(i)).items():
        if path == "dueInDays" and value is not None:
            value = str(value)
        head, dot, tail = path.partition(".")
        if not dot:
            record[path] = value
        elif head in ("vendor", "entity"):
            if value is not None:
                record[head] = {"key": keys[value], "id": value}
        else:
            record[head] = {**record.get(head, {}), tail: value}
    return record


VENDORS = [f"V{n + 1:04}" for n in range(120)]
keys = {name: str(n + 1) for n, name in enumerate(VENDORS)} | {"E110": "1", "E120": "2", "E130": "3"}


def fill(simulator: Simulator, rows: int) -> None:
    company = simulator.company()
    company.load("accounts-payable/vendor", [{"key": keys[v], "id": v, "name": v} for v in VENDORS])
    company.load(OBJECT, (nested(i) for i in range(rows)))


def serve(rows: int) -> None:
    """Print the port, then serve until standard input closes, which it does when the parent goes."""
    with Simulator("empty") as simulator:
        fill(simulator, rows)
        with SimulatorThread(simulator) as server:
            print(server.port, flush=True)
            sys.stdin.read()


@contextmanager
def start(rows: int = 0) -> Iterator[str]:
    """Run a simulator with `rows` bills and give its base URL."""
    command = [sys.executable, "-m", "simulator_process", "--rows", str(rows)]
    with subprocess.Popen(
        command, cwd=Path(__file__).parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/ia/api/v1"
        finally:
            process.stdin.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve a simulated company until standard input closes.")
    parser.add_argument("--rows", type=int, default=0)
    serve(parser.parse_args().rows)
