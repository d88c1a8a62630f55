"""The same write under the same key: once, and answered alike (REST reference 7.6)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tieout.simulator import objects
from tieout.simulator.http import Response

if TYPE_CHECKING:
    from tests.simulator.conftest import Caller

DEPARTMENT = "/objects/company-config/department"
HOUR = 3600
DAY = 24 * HOUR


def body(name: str) -> dict[str, Any]:
    return {"id": name, "name": name}


def count(caller: Caller) -> int:
    total: int = caller.get(DEPARTMENT).json()["ia::meta"]["totalCount"]
    return total


def post(caller: Caller, name: str, key: str) -> Response:
    return caller.post(DEPARTMENT, body(name), idempotency_key=key)


def test_a_repeated_write_is_done_once(caller: Caller) -> None:
    first = post(caller, "A", "k1")
    caller.simulator.clock.advance(48 * HOUR - 43200)
    fresh = type(caller)(caller.simulator)
    caller.simulator.clock.advance(43199)
    again = post(fresh, "A", "k1")
    assert (again.status, again.body) == (first.status, first.body)
    assert first.headers["idempotency-key"] == again.headers["idempotency-key"] == "k1"
    assert "x-ia-idempotency-cached-date" not in first.headers
    assert again.headers["x-ia-idempotency-cached-date"] == "Fri, 20 Mar 2026 10:00:00 GMT"
    assert count(fresh) == 1


def test_a_failure_is_replayed_too(caller: Caller) -> None:
    post(caller, "A", "k1")
    failed = post(caller, "A", "k2")
    assert failed.status == 422
    key = caller.get(DEPARTMENT).json()["ia::result"][0]["key"]
    caller.delete(f"{DEPARTMENT}/{key}")
    assert (post(caller, "A", "k2").status, post(caller, "A", "k2").body) == (422, failed.body)
    assert post(caller, "A", "k3").status == 201


def test_another_body_is_a_conflict(caller: Caller) -> None:
    post(caller, "A", "k1")
    reply = post(caller, "B", "k1")
    assert reply.status == 409
    assert count(caller) == 1


@pytest.mark.parametrize(("age", "status"), [(48 * HOUR, 409), (60 * DAY - 1, 409), (60 * DAY, 422)])
def test_a_key_stays_reserved_for_sixty_days(caller: Caller, age: int, status: int) -> None:
    post(caller, "A", "k1")
    caller.simulator.clock.advance(age)
    assert post(type(caller)(caller.simulator), "A", "k1").status == status


def test_keys_belong_to_their_path_and_method(caller: Caller) -> None:
    post(caller, "A", "k1")
    assert caller.post("/objects/company-config/class", body("A"), idempotency_key="k1").status == 201
    key = caller.get(DEPARTMENT).json()["ia::result"][0]["key"]
    changed = caller.patch(f"{DEPARTMENT}/{key}", {"name": "B"}, idempotency_key="k1")
    assert changed.status == 200
    caller.patch(f"{DEPARTMENT}/{key}", {"name": "C"})
    caller.patch(f"{DEPARTMENT}/{key}", {"name": "B"}, idempotency_key="k1")
    assert caller.get(f"{DEPARTMENT}/{key}").json()["ia::result"]["name"] == "C"


def test_queries_and_reads_take_no_key(caller: Caller) -> None:
    query = {"object": "company-config/department", "fields": ["id"]}
    assert caller.post("/services/core/query", query, idempotency_key="k").json()["ia::result"] == []
    post(caller, "A", "w")
    found = caller.post("/services/core/query", query, idempotency_key="k")
    assert found.json()["ia::result"] == [{"id": "A"}]
    assert "idempotency-key" not in found.headers


def test_an_overlong_key_is_refused(caller: Caller) -> None:
    assert post(caller, "A", "k" * 257).status == 400
    assert post(caller, "A", "k" * 256).status == 201


def test_two_at_once_are_not_done_twice(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the first is under way the second gets an error, not a second record."""
    begun, go_on = threading.Event(), threading.Event()
    create = objects.answer

    def slow(call: Any) -> Response:
        begun.set()
        assert go_on.wait(10)
        return create(call)

    monkeypatch.setattr(objects, "answer", slow)
    replies: list[Response] = []
    first = threading.Thread(target=lambda: replies.append(post(caller, "A", "k1")))
    first.start()
    assert begun.wait(10)
    second = post(caller, "A", "k1")
    go_on.set()
    first.join()
    assert second.status == 409
    assert replies[0].status == 201
    assert count(caller) == 1
