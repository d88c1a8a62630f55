"""One day's work of a client under every choice of every switch: each step ends in the right result or in an error of
the family, and what the client says it posted is exactly what the company holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tieout import F, Intacct, simulated
from tieout.errors import TieoutError
from tieout.simulator import Simulator
from tieout.simulator.behaviour.settings import SWITCHES

VENDOR = "accounts-payable/vendor"
SLOW = {"latency_from", "latency_to", "slow_query_rows"}
"""Only make everything slower: by waits, by repeats of a query that never comes."""
CHOICES = [
    (switch.name, choice)
    for switch in SWITCHES.values()
    if switch.name not in SLOW
    for choice in (switch.choices or ((not switch.default,) if isinstance(switch.default, bool) else (1, 3)))
    if switch.choices or not isinstance(switch.default, str)
]
BODIES = [{"id": f"V{n}", "name": f"Vendor {n}"} for n in range(5)] + [{"id": "V0", "name": "twice"}]


def held(simulator: Simulator) -> list[str]:
    """Ids of the vendors that are there, read past everything that a switch can change."""
    company = simulator.company()
    rows = company._db.execute(f'SELECT id FROM "{VENDOR}" ORDER BY id').fetchall()
    return [row[0] for row in rows]


def attempt(step: Callable[[], Any]) -> Any:
    """The result, or the error of the family; any other exception fails the test."""
    try:
        return step()
    except TieoutError as error:
        return error


def day(intacct: Intacct) -> tuple[set[str], set[str]]:
    """Ids that the client knows to be posted, and those whose outcome it cannot tell."""
    result = attempt(lambda: intacct.create_many("vendors", BODIES))
    if isinstance(result, TieoutError):
        return set(), set()
    posted = {record["id"] for record, _ in result.posted}
    unknown = {record["id"] for record, _ in result.unknown}
    rows = attempt(lambda: [row.id for row in intacct.query("vendors", ["id"], F("id").in_(["V1", "V3"]), page_size=2)])
    if not isinstance(rows, TieoutError):
        assert len(rows) == len(set(rows))
        assert set(rows) <= {"V1", "V3"}
    counted = attempt(lambda: intacct.count("vendors"))
    assert isinstance(counted, TieoutError) or counted in (0, 5)
    total = attempt(lambda: [row["count:key"] for row in intacct.aggregate("vendors", ["count:key"], by=["status"])])
    assert isinstance(total, TieoutError) or total in ([], [counted])
    read = attempt(lambda: [record["id"] for record in intacct.records("vendors", lines=True)])
    assert isinstance(read, TieoutError) or len(read) == len(set(read))
    for outcome in list(result.posted)[:1]:
        attempt(lambda found=outcome[1]: intacct.update("vendors", found.key, {"notes": "seen"}))
    return posted, unknown


@pytest.mark.parametrize(("name", "choice"), CHOICES, ids=str)
def test_a_day_of_work_under_every_choice(name: str, choice: object) -> None:
    # Who has no calls left this hour is told to wait for the next; how long one is willing to matters nowhere else.
    deadline = 1 if name == "hour_limit" else 4
    with Simulator("empty", switches={name: choice}) as simulator:
        intacct = attempt(lambda: simulated(simulator=simulator, deadline=deadline))
        assert isinstance(intacct, Intacct)
        with intacct:
            intacct._desk.session.jitter = lambda: -1.0  # no waits of our own
            simulator.company()._tables.get(VENDOR)
            posted, unknown = day(intacct)
        there = held(simulator)
        assert len(there) == len(set(there)), "a vendor is there twice"
        assert posted <= set(there) <= posted | unknown, "the client's word and the company differ"
