"""What one page costs the simulator as its company grows: it should not grow with it.

Each figure is the median of repeated requests through the in-process door (routing, token and JSON included, no
network). Every repetition asks something not asked before, so that no answer comes from memory; half of
them follow a write.

    python benchmarks/simulator_scale.py [--rows 10000 100000 1000000]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from floors.bills import ATTRIBUTES, OBJECT, bill
from simulator_process import VENDORS, fill
from tieout.simulator import Simulator
from tieout.simulator.http import Request

API = "/ia/api/v1"
SIZE = 100
REPEATS = 15


class Caller:
    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        form = b"grant_type=client_credentials&client_id=demo-client&client_secret=demo-secret&username=admin%40demo"
        kind = {"content-type": "application/x-www-form-urlencoded"}
        token = simulator.handle(Request.of("POST", f"{API}/oauth2/token", kind, form)).json()["access_token"]
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}

    def ask(self, method: str, path: str, body: dict[str, Any]) -> tuple[float, Any]:
        """-> milliseconds of CPU, which other work on the machine does not lengthen, and the answer."""
        request = Request.of(method, API + path, self._headers, json.dumps(body).encode())
        began = time.process_time()
        response = self._simulator.handle(request)
        took = (time.process_time() - began) * 1000
        if response.status != 200:
            raise SystemExit(f"{method} {path}: {response.status} {response.body!r}")
        return took, response.json()

    def query(self, **asked: Any) -> float:
        parameters = {"includePrivate": True}
        whole = {"object": OBJECT, "fields": list(ATTRIBUTES), "size": SIZE, "filterParameters": parameters, **asked}
        took, answer = self.ask("POST", "/services/core/query", whole)
        if len(answer["ia::result"]) != whole["size"]:
            raise SystemExit(f"{asked} gave {len(answer['ia::result'])} rows")
        return took

    def touch(self, n: int) -> None:
        """A write: whatever was counted or remembered of the table no longer holds."""
        self.ask("PATCH", f"/objects/{OBJECT}/{DRAFTS[n]}", {"description": "touched"})


DRAFTS = [i + 1 for i in range(1000) if bill(i).state == "draft"]
"""Keys of bills that may still be changed."""
ORDER = [{"key": "asc"}]


def jobs(caller: Caller, rows: int) -> dict[str, Callable[[int], float]]:
    def filtered(n: int) -> float:
        """A narrow filter: the hundred bills after a key, of one vendor's share of the company's first 10,000."""
        low = n * 97 + 1
        window = [{"$between": {"key": [str(low), str(low + 2 * SIZE)]}}, {"$ne": {"state": "nothing"}}]
        return caller.query(filters=window, filterExpression="1 and 2", orderBy=ORDER)

    def since(n: int) -> float:
        """What changed last: the newest stamps, as an incremental read asks."""
        newest = [{"$gte": {"audit.modifiedDateTime": "2026-03-01T00:00:00Z"}}]
        return caller.query(filters=newest, orderBy=[{"audit.modifiedDateTime": "asc"}, {"key": "asc"}], start=1 + n)

    def vendor(n: int) -> float:
        return caller.query(filters=[{"$eq": {"vendor.id": VENDORS[n % 120]}}], orderBy=ORDER, size=10, start=1 + n)

    def deep(n: int) -> float:
        return caller.query(orderBy=ORDER, start=rows - SIZE - n * 7)

    def unordered(n: int) -> float:
        return caller.query(start=rows - SIZE - n * 7)

    def counted(n: int) -> float:
        return caller.query(fields=["key"], filters=[{"$gt": {"key": str(n)}}], size=1)

    return {
        "window of keys": filtered,
        "changed since": since,
        "by vendor.id": vendor,
        "deep offset, by key": deep,
        "deep offset, no order": unordered,
        "count": counted,
    }


def measured(rows: int) -> Iterator[tuple[str, float]]:
    with Simulator("empty") as simulator:
        fill(simulator, rows)
        caller = Caller(simulator)
        for name, job in jobs(caller, rows).items():
            job(0)  # an index that is made on first use
            times = []
            for n in range(1, REPEATS + 1):
                if n % 2:
                    caller.touch(n)
                times.append(job(n))
            yield name, statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    asked = parser.parse_args()
    table: dict[str, list[float]] = {}
    for rows in asked.rows:
        for name, took in measured(rows):
            table.setdefault(name, []).append(took)
    print(f"milliseconds of CPU a page of {SIZE} rows, median of {REPEATS}\n")
    print(f"{'rows':<24}" + "".join(f"{rows:>12,}" for rows in asked.rows) + f"{'last / first':>14}")
    for name, times in table.items():
        print(f"{name:<24}" + "".join(f"{took:>12.2f}" for took in times) + f"{times[-1] / times[0]:>14.2f}")


if __name__ == "__main__":
    main()
