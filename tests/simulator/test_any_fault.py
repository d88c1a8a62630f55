"""Any rule does the same through a socket and in process, and no rule can break the server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.simulator.conftest import NOW
from tests.simulator.doors import Door, InProcess, Lost, Port

from tieout.simulator.app import SimulatorThread
from tieout.simulator.clock import Clock
from tieout.simulator.faults import Fault
from tieout.simulator.server import Simulator

DEPARTMENT = "/objects/company-config/department"
SUPPORT = re.compile(rb'"supportId":"[^"]*"?')

texts = st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=6)
rules = st.fixed_dictionaries(
    {},
    optional={
        "method": st.sampled_from(["POST", "get", "PATCH"]),
        "path": st.sampled_from(["*", DEPARTMENT, "/objects/*", "/services/*", "["]),
        "object": st.sampled_from(["company-config/*", "x", "*"]),
        "company": st.sampled_from(["demo", "other"]),
        "entity": st.sampled_from(["", "E110"]),
        "contains": st.sampled_from(["A", "no such"]),
        "nth": st.integers(1, 3),
        "times": st.integers(1, 3),
        "probability": st.floats(0.1, 1),
        "seed": st.integers(0, 9),
        "when": st.sampled_from(["before", "after"]),
        "status": st.sampled_from([200, 204, 304, 299, 401, 409, 429, 500, 503, 599]),
        "headers": st.dictionaries(st.sampled_from(["X-A", "Retry-After", "content-type"]), texts, max_size=2),
        "body": st.text(max_size=20) | st.none() | st.lists(st.integers(-9, 9), max_size=2),
        "content_type": st.sampled_from(["text/html", "application/json; charset=utf-8", ""]),
        "html": st.booleans(),
        "connection": st.sampled_from(["reset", "close"]),
        "cut": st.integers(-30, 60),
        "content_length": st.integers(0, 400),
        "trickle": st.just(1e6),
        "drop_items": st.integers(0, 4),
        "fail_items": st.lists(st.integers(-5, 5), max_size=2),
        "item_status": st.sampled_from([500, 503, 429]),
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def doors() -> Iterator[tuple[Door, Door]]:
    """Two servers that are alike: one asked in process, one through a socket."""
    with (
        Simulator("empty", clock=Clock(NOW)) as one,
        Simulator("empty", clock=Clock(NOW)) as two,
        SimulatorThread(two) as server,
    ):
        inner, outer = InProcess(one), Port(server.port)
        for door in (inner, outer):
            door.sign_in()
            door.control("POST", "snapshots", {"name": "first"})
        yield inner, outer


def seen(door: Door, method: str, path: str, body: Any) -> object:
    try:
        answer = door.ask(method, path, body)
    except Lost as lost:
        return ("lost", lost.timeout)
    named = {name: answer.headers.get(name) for name in ("content-type", "x-a", "retry-after")}
    return answer.status, named, SUPPORT.sub(b"", answer.body)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given=st.lists(rules, min_size=1, max_size=3))
def test_both_doors_answer_alike(doors: tuple[Door, Door], given: list[dict[str, Any]]) -> None:
    kept = [rule for rule in given if _does_something(rule)]
    results = []
    for door in doors:
        door.control("DELETE", "faults")
        door.control("POST", "restore", {"name": "first"})
        door.control("POST", "faults", kept)
        answers = [
            seen(door, "POST", DEPARTMENT, [{"id": "A", "name": "A"}, {"id": "A"}, {"id": "B", "name": "B"}]),
            seen(door, "GET", DEPARTMENT, None),
            seen(door, "POST", "/services/core/query", {"object": "company-config/department", "fields": ["id"]}),
        ]
        standing = door.control("GET", "faults")["faults"]
        door.control("DELETE", "faults")
        answers.append(seen(door, "GET", DEPARTMENT, None))
        results.append((answers, [(rule["matched"], rule["hits"], rule["fault"]) for rule in standing]))
    assert results[0] == results[1]
    assert isinstance(results[0][0][-1], tuple)
    assert results[0][0][-1][0] == 200


def _does_something(rule: dict[str, Any]) -> bool:
    try:
        msgspec.convert(rule, Fault)
    except msgspec.ValidationError:
        return False
    return True
