"""The client cannot tell the doors apart: what goes wrong on purpose is one and the same error, sync and async."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tieout import AsyncIntacct, Intacct, simulated, simulated_async
from tieout.errors import OutcomeUnknownError, ReplyError, TieoutError, UnreachableError
from tieout.simulator import Fault, Simulator, SimulatorThread

OBJECT = "company-config/department"
PATH = f"/objects/{OBJECT}*"


class Way:
    """A simulator and one way to it."""

    def __init__(self, simulator: Simulator, make: Callable[..., Intacct | AsyncIntacct]) -> None:
        self.simulator = simulator
        self._make = make

    def do(self, method: str, *arguments: Any, **options: Any) -> Any:
        """One call of a client of its own, which waits for nothing between its attempts."""
        client = self._make(**options)
        client._desk.session.jitter = lambda: -1.0
        if isinstance(client, Intacct):
            with client:
                return getattr(client, method)(*arguments)

        async def run() -> Any:
            async with client:
                return await getattr(client, method)(*arguments)

        return asyncio.run(run())

    def fault(self, **rule: Any) -> None:
        self.simulator.traffic.faults.add(Fault(**rule))

    def names(self) -> list[str]:
        rows = self.simulator.company().query(
            {"object": OBJECT, "fields": ["id"]}, self.simulator.company().who("admin")
        )
        return sorted(row["id"] for row in rows.rows)


@pytest.fixture(params=["in process", "in process async", "port", "port async"])
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    with Simulator("empty") as simulator:
        if request.param.startswith("in process"):
            make: Any = simulated_async if "async" in request.param else simulated
            yield Way(simulator, lambda **options: make(simulator=simulator, **options))
        else:
            kind: Any = AsyncIntacct if "async" in request.param else Intacct
            with SimulatorThread(simulator) as server:
                yield Way(simulator, lambda **options: kind(**server.credentials, **options))


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_is_asked_for_again_and_nothing_is_there_twice(way: Way, when: str) -> None:
    way.fault(method="POST", path=PATH, connection="reset", when=when, times=1)
    made = way.do("create", OBJECT, {"id": "A", "name": "A"})
    assert made.id == "A"
    assert way.names() == ["A"]
    tries = way.simulator.traffic.log.find(method="POST", object=OBJECT, path=PATH)
    assert len({entry.key for entry in tries}) == 1
    assert [entry.replayed for entry in tries] == [False, when == "after"]


def test_silence_is_an_outcome_that_nobody_knows(way: Way) -> None:
    way.fault(method="POST", path=PATH, connection="hang", when="after")
    with pytest.raises(OutcomeUnknownError):
        way.do("create", OBJECT, {"id": "A", "name": "A"}, timeout=0.3, deadline=0.5)
    assert way.names() == ["A"]


def test_a_cut_page_is_read_again(way: Way) -> None:
    way.fault(path="/services/core/query", cut=-1, times=1)
    assert way.do("count", OBJECT) == 0
    assert [entry.fault for entry in way.simulator.traffic.log.find(path="/services/core/query")] == [1, 0]


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ({"connection": "reset"}, UnreachableError),
        ({"html": True, "status": 200}, ReplyError),
        ({"body": "", "status": 200}, ReplyError),
        ({"body": '{"ia::result": [', "status": 200}, ReplyError),
        ({"content_length": 5}, ReplyError),
        ({"html": True}, TieoutError),
    ],
)
def test_what_lasts_is_an_error_of_ours(way: Way, rule: dict[str, Any], error: type[Exception]) -> None:
    way.fault(path="/services/core/query", **rule)
    with pytest.raises(error):
        way.do("count", OBJECT)
