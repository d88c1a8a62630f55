"""Whatever goes wrong on the way, a batch run and its retry account for every record: posted exactly once, or not."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rest.conftest import World
from tieout.errors import TieoutError
from tieout.in_process import SimulatedTransport
from tieout.rest import BatchResult, ClientCredentials, CountingMeter, Session, writing
from tieout.rest.batch import cut, cut_keys
from tieout.rest.desk import Desk
from tieout.rest.memory import ProcessMemory
from tieout.rest.models import keys_work
from tieout.rest.writing import create_many, delete_many, retry_unknown
from tieout.simulator import Simulator
from tieout.simulator.faults import Fault

FAULTS: list[dict[str, Any]] = [
    {"connection": "reset"},
    {"connection": "reset", "when": "after"},
    {"status": 500},
    {"status": 500, "when": "after"},
    {"status": 503, "html": True, "when": "after"},
    {"status": 429},
    {"status": 403},
    {"body": "", "when": "after"},
    {"cut": 40},
    {"drop_items": 1},
    {"fail_items": [0]},
    {"fail_items": [-1], "item_status": 503},
]
MANY = 23


@pytest.fixture(scope="module", autouse=True)
def small_batches() -> Iterator[None]:
    """Ten records a request, so that an example takes no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "cut", partial(cut, most=10))
        patch.setattr(writing, "cut_keys", partial(cut_keys, most=10))
        yield


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator("empty") as inner:
        yield inner


class Scene:
    """Exchanges carried out against a simulator, with waits that take no time."""

    def __init__(self, simulator: Simulator) -> None:
        simulator.reset()
        self.simulator = simulator
        self.transport = SimulatedTransport(simulator, close=False)
        self.memory = ProcessMemory()

    def run(self, make: Any, *args: Any, **options: Any) -> Any:
        world = World(*[lambda request: self.transport.send(request, 60)] * 500)
        tokens = ClientCredentials(client_id="demo-client", client_secret="demo-secret", user="admin", company="demo")
        session = Session(
            base_url=self.simulator.origin + "/ia/api/v1",
            tokens=tokens,
            meter=CountingMeter(),
            clock=lambda: world.now,
            jitter=lambda: 1.0,
            keys_work=partial(keys_work, self.memory),
        )
        return world.run(make(Desk(session=session, memory=self.memory), *args, **options))

    def settled(self, result: BatchResult) -> BatchResult:
        self.simulator.traffic.faults.clear()
        return self.run(retry_unknown, result) if result.unknown else result

    def held(self) -> dict[str, str]:
        company = self.simulator.company()
        found = company.list("accounts-receivable/customer", company.who("admin"), 1, 4000)
        return {str(row["key"]): str(row["id"]) for row in found.rows}


troubles = st.lists(st.tuples(st.sampled_from(FAULTS), st.integers(1, 4), st.integers(1, 6)), max_size=3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(troubles, st.integers(1, 3))
def test_every_record_is_posted_once_or_known_not_to_be(
    simulator: Simulator, faults: list[tuple[dict[str, Any], int, int]], at_once: int
) -> None:
    scene = Scene(simulator)
    for fault, nth, times in faults:
        rule = Fault(method="POST", path="/objects/*", nth=nth, times=times, **fault)
        simulator.traffic.faults.add(rule)
    mine = [{"id": f"F-{n:04}", "name": "n"} for n in range(MANY)]
    try:
        result = scene.run(create_many, "customers", mine, in_flight=at_once)
    except TieoutError:
        simulator.traffic.faults.clear()
        assert scene.held() == {}
        return
    result = scene.settled(result)
    held = scene.held()
    assert not result.unknown
    assert {o.key: record["id"] for record, o in result.posted} == held
    assert len(result) == MANY


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(troubles)
def test_every_record_is_deleted_or_known_not_to_be(
    simulator: Simulator, faults: list[tuple[dict[str, Any], int, int]]
) -> None:
    scene = Scene(simulator)
    made = scene.run(create_many, "customers", [{"id": f"D-{n:04}", "name": "n"} for n in range(MANY)])
    keys = [outcome.key for outcome in made]
    for fault, nth, times in faults:
        simulator.traffic.faults.add(Fault(method="DELETE", path="/objects/*", nth=nth, times=times, **fault))
    try:
        result = scene.run(delete_many, "customers", keys)
    except TieoutError:
        simulator.traffic.faults.clear()
        assert set(scene.held()) == set(keys)
        return
    result = scene.settled(result)
    assert not result.unknown
    assert {o.key for o in result if o.state != "posted"} == set(scene.held())


def test_where_intacct_keeps_no_keys_nothing_is_sent_twice(simulator: Simulator) -> None:
    scene = Scene(simulator)
    simulator.settings.set({"idempotency_unsupported": "accounts-receivable/customer"})
    try:
        simulator.traffic.faults.add(Fault(method="POST", path="/objects/*", connection="reset", when="after", times=1))
        lost = scene.run(create_many, "customers", [{"id": "K-1", "name": "n"}])
        assert [o.state for o in lost] == ["unknown"]
        still = scene.settled(lost)
        assert [o.state for o in still] == ["unknown"]
        assert "no idempotency keys" in str(still[0].error)
        assert len(scene.held()) == 1
    finally:
        simulator.settings.set({"idempotency_unsupported": ""})
