"""Limits by tier, by minute and hour, and the many ways to say 429 (REST reference 8.6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulator.conftest import API, NOW, Caller

from tieout.simulator.behaviour import Settings
from tieout.simulator.clients import DEMO_CLIENT, Client
from tieout.simulator.clock import Clock
from tieout.simulator.http import Request, Response
from tieout.simulator.server import Simulator
from tieout.simulator.sighting import Sighting
from tieout.simulator.throttle import TIERS, Place, Throttle
from tieout.simulator.traffic import Exchange

DEPARTMENT = "/objects/company-config/department"
CLIENTS = (DEMO_CLIENT, Client(id="other-client", secret="other-secret"))


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator("empty", clock=Clock(NOW), clients=CLIENTS) as made:
        yield made


def other(caller: Caller) -> dict[str, str]:
    """Headers of the same user through another application."""
    reply = caller.sign_in(username="admin@demo", client_id="other-client", client_secret="other-secret")
    return {"authorization": f"Bearer {reply.json()['access_token']}"}


def start(caller: Caller, headers: dict[str, str] | None = None) -> Exchange:
    """A request that is under way: it takes its time before it does anything."""
    exchange = caller.simulator.exchange(Request.of("GET", API + DEPARTMENT, headers or caller.headers))
    assert next(exchange) > 0
    return exchange


def end(exchange: Exchange) -> Response:
    try:
        while True:
            next(exchange)
    except StopIteration as stop:
        answer: Response = stop.value
        return answer


def slow(simulator: Simulator, **switches: object) -> None:
    simulator.settings.set({"latency_from": 1, "latency_to": 1, **switches})


@pytest.mark.parametrize("tier", list(TIERS))
def test_one_more_than_the_tier_allows_an_application(caller: Caller, tier: str) -> None:
    _, app, _ = TIERS[tier]
    slow(caller.simulator, tier=tier)
    under_way = [start(caller) for _ in range(app)]
    refused = end(start(caller))
    assert refused.status == 429
    assert refused.headers["x-ia-throttle-limit"] == str(app)
    assert refused.headers["x-ia-throttle-limit-remaining"] == "0"
    assert refused.headers["x-ia-throttle-limit-retry-after"] == "1"
    assert "retry-after" not in refused.headers
    assert end(under_way.pop()).status == 200
    assert end(start(caller)).status == 200
    assert [end(exchange).status for exchange in under_way] == [200] * (app - 1)
    assert caller.simulator.traffic.throttle.running() == {"demo": 0}
    assert caller.simulator.traffic.throttle.highest["demo"] == app


def test_all_applications_share_the_companys_limit(caller: Caller) -> None:
    slow(caller.simulator, tier="1")
    second = other(caller)
    under_way = [start(caller) for _ in range(6)] + [start(caller, second) for _ in range(2)]
    refused = end(start(caller, second))
    assert refused.status == 429
    assert refused.headers["x-ia-tenant-throttle-limit"] == "8"
    assert refused.headers["x-ia-tenant-throttle-limit-retry-after"] == "1"
    assert "x-ia-throttle-limit-retry-after" not in refused.headers
    for exchange in under_way:
        end(exchange)


def test_other_companies_and_signing_in_are_not_held_up(caller: Caller) -> None:
    caller.simulator.add_company("second")
    elsewhere = Caller(caller.simulator, "admin@second")
    slow(caller.simulator, concurrency_app=1)
    under_way = start(caller)
    assert end(start(caller)).status == 429
    assert end(start(elsewhere)).status == 200
    assert caller.sign_in(username="admin@demo").status == 200
    end(under_way)


def test_a_company_can_have_a_tier_of_its_own(caller: Caller) -> None:
    slow(caller.simulator)
    caller.simulator.company().settings.set({"concurrency_company": 1})
    under_way = start(caller)
    assert end(start(caller)).status == 429
    assert end(under_way).status == 200


def test_a_request_that_fails_gives_its_place_back(caller: Caller) -> None:
    slow(caller.simulator, concurrency_app=1)
    exchange = start(caller)
    exchange.close()  # its caller went away
    assert caller.get("/objects/no/such").status == 404
    assert caller.get(DEPARTMENT).status == 200


def test_a_soft_limit_is_announced_a_hard_one_refuses(caller: Caller) -> None:
    caller.simulator.settings.set({"minute_limit": 2, "hour_limit": 4, "retry_after": "both", "cpu_headers": True})
    caller.simulator.clock.freeze(NOW.replace(minute=58))
    remaining = []
    for _ in range(4):
        reply = caller.get(DEPARTMENT)
        assert reply.status == 200
        remaining.append(
            (reply.headers["x-ia-minute-rate-limit-remaining"], reply.headers["x-ia-hour-rate-limit-remaining"])
        )
    assert remaining == [("1", "3"), ("0", "2"), ("0", "1"), ("0", "0")]
    assert "x-ia-cpu-limit-remaining" in reply.headers
    refused = caller.get(DEPARTMENT)
    assert refused.status == 429
    assert refused.headers["x-ia-hour-rate-limit-retry-after"] == refused.headers["retry-after"] == "120"
    caller.simulator.clock.advance(119)
    assert caller.get(DEPARTMENT).status == 429
    caller.simulator.clock.advance(1)
    assert caller.get(DEPARTMENT).status == 200


def test_nothing_is_said_where_nothing_is_limited(caller: Caller) -> None:
    assert [name for name in caller.get(DEPARTMENT).headers if name.startswith("x-ia")] == []


BODIES: dict[str, Callable[[Response], Any]] = {
    "envelope": lambda reply: reply.json()["ia::result"]["ia::error"]["message"],
    "flat": lambda reply: reply.json()["ia::error"]["message"],
    "gateway": lambda reply: reply.json()["error"]["errorId"] == "GW-0010",
    "kong": lambda reply: reply.json()["message"],
    "html": lambda reply: b"<html>" in reply.body and reply.headers["content-type"].startswith("text/html"),
    "empty": lambda reply: reply.body == b"",
}


@pytest.mark.parametrize("shape", BODIES)
@pytest.mark.parametrize(("limit", "status"), [("concurrency_app", 429), ("overload_at", 503)])
def test_every_shape_of_a_refusal(caller: Caller, shape: str, limit: str, status: int) -> None:
    slow(caller.simulator, throttle_body=shape, **{limit: 1})
    under_way = start(caller)
    refused = end(start(caller))
    assert refused.status == status
    assert BODIES[shape](refused)
    end(under_way)


@pytest.mark.parametrize("how", ["named", "plain", "both", "none"])
@pytest.mark.parametrize("spelling", ["hyphen", "joined"])
def test_every_way_to_say_wait(caller: Caller, how: str, spelling: str) -> None:
    slow(caller.simulator, concurrency_app=1, retry_after=how, retry_after_spelling=spelling, throttle_wait=7)
    under_way = start(caller)
    headers = end(start(caller)).headers
    end(under_way)
    named = "x-ia-throttle-limit-retry-after" if spelling == "hyphen" else "x-ia-throttle-limit-retryafter"
    waits = {name: value for name, value in headers.items() if "retry" in name}
    assert waits == {
        **({named: "7"} if how in ("named", "both") else {}),
        **({"retry-after": "7"} if how in ("plain", "both") else {}),
    }


@pytest.mark.parametrize("kept", [True, False])
def test_whether_a_429_is_kept_under_the_key(caller: Caller, kept: bool) -> None:
    slow(caller.simulator, concurrency_app=1, cache_429=kept)
    under_way = start(caller)
    body = {"id": "A", "name": "A"}
    assert caller.post(DEPARTMENT, body, idempotency_key="k").status == 429
    end(under_way)
    again = caller.post(DEPARTMENT, body, idempotency_key="k")
    assert again.status == (429 if kept else 201)
    assert ("x-ia-idempotency-cached-date" in again.headers) == kept
    assert caller.post(DEPARTMENT, {"id": "B", "name": "B"}, idempotency_key="k2").status == 201


people = st.sampled_from([("one", "a"), ("one", "b"), ("two", "a")])


@settings(deadline=None)
@given(
    steps=st.lists(st.one_of(people, st.integers(0, 5)), max_size=60), app=st.integers(0, 3), whole=st.integers(0, 4)
)
def test_never_more_than_allowed_and_every_place_comes_back(
    steps: list[tuple[str, str] | int], app: int, whole: int
) -> None:
    """A plain count beside it says who may come in, whatever comes and goes in whatever order."""
    throttle, chosen = Throttle(), Settings({"concurrency_app": app, "concurrency_company": whole})
    inside: list[Place] = []
    for step in steps:
        if isinstance(step, int):
            if inside:
                throttle.leave(inside.pop(step % len(inside)))
            continue
        seen = Sighting(Request("GET", "/ia/api/v1/objects/a/b"))
        seen.company, seen.client = step
        same = [place for place in inside if place.company == step[0]]
        mine = [place for place in same if place.client == step[1]]
        free = not (app and len(mine) >= app) and not (whole and len(same) >= whole)
        place = throttle.enter(seen, chosen, 0)
        assert (place.rejection is None) == free
        if free:
            inside.append(place)
        else:
            throttle.leave(place)
    for place in inside:
        throttle.leave(place)
    assert set(throttle.running().values()) <= {0}
