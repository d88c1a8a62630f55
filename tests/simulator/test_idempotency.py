"""The same write under the same key: once, and answered alike (REST reference 7.6)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from tieout.simulator import objects
from tieout.simulator.faults import Fault
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


def message(reply: Response) -> str:
    text: str = reply.json()["ia::result"]["ia::error"]["message"]
    return text


@pytest.mark.parametrize(("words", "kinds"), [("same", 1), ("own", 2)])
def test_conflicts_read_alike_or_each_its_own(caller: Caller, words: str, kinds: int) -> None:
    caller.simulator.settings.set({"conflict_words": words, "token_lifetime": 100 * DAY})
    caller = type(caller)(caller.simulator)
    post(caller, "A", "k1")
    other = message(post(caller, "B", "k1"))
    caller.simulator.clock.advance(50 * HOUR)
    assert len({other, message(post(caller, "A", "k1"))}) == kinds


def test_a_conflict_on_top(caller: Caller) -> None:
    """`ia::error` without `ia::result` around it, kept under the key as it was (REST reference 8.2)."""
    caller.simulator.settings.set({"error_envelope": "flat"})
    post(caller, "A", "k1")
    assert post(caller, "B", "k1").json()["ia::error"]["code"] == "conflict"
    refused = post(caller, "A", "k2")
    assert refused.json()["ia::error"]["errorId"] == "REST-7001"
    assert post(caller, "A", "k2").body == refused.body


@pytest.mark.parametrize(
    ("scope", "elsewhere", "someone_else"), [("path", 201, 409), ("user", 409, 201), ("company", 409, 409)]
)
def test_what_a_key_is_unique_in(caller: Caller, sign_in: Any, scope: str, elsewhere: int, someone_else: int) -> None:
    caller.simulator.settings.set({"idempotency_scope": scope})
    post(caller, "A", "k1")
    assert caller.post("/objects/company-config/class", body("A"), idempotency_key="k1").status == elsewhere
    assert post(sign_in("us@demo"), "B", "k1").status == someone_else


def test_an_object_that_takes_no_key(caller: Caller) -> None:
    """Its model says so, and the key is not looked at: the second create meets the first one's record."""
    caller.simulator.settings.set({"idempotency_unsupported": "company-config/class, company-config/department"})
    model = caller.get("/services/core/model?name=company-config/department").json()["ia::result"]
    assert model["idempotenceSupported"] is False
    assert post(caller, "A", "k1").status == 201
    again = post(caller, "A", "k1")
    assert (again.status, "idempotency-key" in again.headers) == (422, False)
    assert caller.get("/services/core/model?name=accounts-payable/vendor").json()["ia::result"]["idempotenceSupported"]


@pytest.mark.parametrize("kept", [True, False])
def test_whether_a_server_error_is_kept(caller: Caller, kept: bool) -> None:
    caller.simulator.settings.set({"cache_5xx": kept})
    caller.simulator.traffic.faults.add(Fault(method="POST", status=500, times=1))
    assert post(caller, "A", "k1").status == 500
    again = post(caller, "A", "k1")
    assert (again.status, "x-ia-idempotency-cached-date" in again.headers) == ((500, True) if kept else (201, False))


def test_a_lost_answer_is_never_kept_for_an_error(caller: Caller) -> None:
    """The work was done and its answer is what the key repeats, whatever the caller was told."""
    caller.simulator.settings.set({"cache_5xx": True})
    caller.simulator.traffic.faults.add(Fault(method="POST", status=500, when="after", times=1))
    assert post(caller, "A", "k1").status == 500
    again = post(caller, "A", "k1")
    assert (again.status, "x-ia-idempotency-cached-date" in again.headers) == (201, True)


def test_an_error_never_takes_the_place_of_a_kept_answer(caller: Caller) -> None:
    caller.simulator.settings.set({"cache_5xx": True})
    assert post(caller, "A", "k1").status == 201
    caller.simulator.traffic.faults.add(Fault(method="POST", status=503, times=1))
    assert post(caller, "A", "k1").status == 503
    assert post(caller, "A", "k1").status == 201


@pytest.mark.parametrize("kept", [True, False])
def test_whether_an_oversize_batch_uses_its_key_up(caller: Caller, kept: bool) -> None:
    caller.simulator.settings.set({"cache_429": kept, "oversize_batch": "429"})
    many = [body(str(number)) for number in range(501)]
    assert caller.post(DEPARTMENT, many, idempotency_key="k1").status == 429
    caller.simulator.settings.set({"oversize_batch": "400"})
    again = caller.post(DEPARTMENT, many, idempotency_key="k1")
    assert again.status == (429 if kept else 400)


def test_the_second_may_wait_for_the_first(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    caller.simulator.settings.set({"in_flight": "wait"})
    begun, go_on = threading.Event(), threading.Event()
    create = objects.answer

    def slow(call: Any) -> Response:
        begun.set()
        assert go_on.wait(10)
        return create(call)

    monkeypatch.setattr(objects, "answer", slow)
    replies: list[Response] = []
    threads = [threading.Thread(target=lambda: replies.append(post(caller, "A", "k1"))) for _ in range(2)]
    threads[0].start()
    assert begun.wait(10)
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert [reply.status for reply in replies] == [201, 201]
    assert sum("x-ia-idempotency-cached-date" in reply.headers for reply in replies) == 1
    assert count(caller) == 1
