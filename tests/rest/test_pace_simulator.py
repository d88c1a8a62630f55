"""The client's pace against a simulator that throttles, whatever the 429 looks like: slower, and nothing lost."""

from __future__ import annotations

import pytest

from tieout import Intacct
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread


def read(switches: dict[str, object]) -> tuple[list[str], Intacct]:
    few = {"concurrency_app": 2, "latency_from": 0.01, "latency_to": 0.02}
    with (
        Simulator("demo", switches={**few, **switches}) as simulator,
        SimulatorThread(simulator) as server,
        Intacct(**server.credentials, concurrency=8) as intacct,
    ):
        rows = intacct.query("bills", ["key"], private=True, page_size=200, in_flight=8)
        return [row.key for row in rows], intacct


@pytest.mark.parametrize("body", ["envelope", "flat", "gateway", "kong", "html", "empty"])
def test_a_throttled_read_slows_down_and_delivers_every_row_once(body: str) -> None:
    keys, intacct = read({"throttle_body": body, "retry_after": "none"})
    assert len(keys) == len(set(keys)) == 1440
    assert intacct.log.search(status=429), "eight at once were not too many"
    assert intacct.concurrency < 8


@pytest.mark.parametrize("spelling", ["hyphen", "joined"])
def test_the_wait_that_intacct_names_is_kept_by_all(spelling: str) -> None:
    keys, intacct = read({"retry_after": "both", "retry_after_spelling": spelling, "throttle_wait": 1})
    assert len(keys) == len(set(keys)) == 1440
    assert intacct.usage.slept + intacct.usage.waiting >= 1
