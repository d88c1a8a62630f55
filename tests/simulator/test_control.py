"""The control API: what it refuses, and what a test would miss if it did not do it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.simulator.conftest import NOW, Caller

from tieout.simulator.behaviour.settings import SWITCHES
from tieout.simulator.clock import Clock
from tieout.simulator.delivery import LostAnswerError
from tieout.simulator.faults import Fault
from tieout.simulator.http import Request, Response
from tieout.simulator.server import Simulator
from tieout.simulator.snapshots import Snapshot, SnapshotError

if TYPE_CHECKING:
    from tieout.simulator.traffic import Exchange

DEPARTMENT = "/objects/company-config/department"
JSON = {"content-type": "application/json"}


def control(simulator: Simulator, method: str, path: str, body: Any = None, **headers: str) -> Response:
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return simulator.handle(Request.of(method, f"/_simulator/{path}", {**JSON, **headers}, content))


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("POST", "switches", {"rotaton": "strict"}, 400, "rotation"),
        ("POST", "switches", {"rotation": "often"}, 400, "lenient, strict"),
        ("POST", "switches", {"tier": 1}, 400, "tier"),
        ("POST", "switches", {"throttle_wait": "soon"}, 400, "number"),
        ("POST", "switches", {"throttle_wait": True}, 400, "number"),
        ("POST", "switches", {"cache_429": 2}, 400, "true or false"),
        ("POST", "switches", ["rotation"], 400, "object"),
        ("POST", "switches", b"{", 400, "fit"),
        ("POST", "switches?company=no", {"rotation": "strict"}, 404, "company"),
        ("PATCH", "switches", {}, 405, "POST"),
        ("POST", "faults", {}, 400, "does nothing"),
        ("POST", "faults", [{"status": 503}, {"stauts": 503}], 400, "stauts"),
        ("POST", "faults", {"status": 100}, 400, "status"),
        ("POST", "faults", {"status": 503, "probability": 0}, 400, "probability"),
        ("POST", "faults", {"delay": 1e9}, 400, "delay"),
        ("POST", "faults", {"status": 503, "headers": {"a b": "c"}}, 400, "a b"),
        ("POST", "faults", {"status": 503, "headers": {"a": "b\r\nc: d"}}, 400, "header"),
        ("POST", "faults", {"status": 503, "content_type": "text/€"}, 400, "header"),
        ("DELETE", "faults/7", None, 404, "7"),
        ("DELETE", "faults/seven", None, 404, "seven"),
        ("GET", "requests?colour=red", None, 400, "colour"),
        ("GET", "requests?since=soon", None, 400, "soon"),
        ("POST", "snapshots", {}, 400, "name"),
        ("POST", "snapshots", {"name": "x", "file": "/no/such/folder/x"}, 400, "No such file"),
        ("POST", "restore", {"name": "x"}, 404, "x"),
        ("POST", "restore", {"file": "/no/such/file"}, 400, "cannot be read"),
        ("DELETE", "snapshots/x", None, 404, "x"),
        ("POST", "clock", {"advance": 1e300}, 400, "clock"),
        ("POST", "clock", {"run": True, "advance": 1}, 400, "exactly one"),
        ("GET", "nothing", None, 404, "nothing"),
        ("GET", "faults/1/2", None, 404, "faults"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    simulator: Simulator, method: str, path: str, body: Any, status: int, words: str
) -> None:
    reply = control(simulator, method, path, body)
    assert reply.status == status
    assert words in reply.json()["error"]
    assert simulator.settings.own() == {}
    assert simulator.traffic.faults.standing() == ()
    assert simulator.clock.stamp() == "2026-03-20T10:00:00Z"


@pytest.mark.parametrize("path", ["switches", "faults", "snapshots", "restore", "reset"])
def test_web_pages_and_forms_are_refused(simulator: Simulator, path: str) -> None:
    assert control(simulator, "POST", path, {"rotation": "strict"}, origin="https://evil.example").status == 403
    if path != "reset":
        form = {"content-type": "text/plain"}
        assert control(simulator, "POST", path, {"rotation": "strict"}, **form).status == 400
    assert simulator.settings.own() == {}


names = st.text(max_size=5) | st.sampled_from([*SWITCHES, *Fault.__struct_fields__, "name", "advance", "freeze"])
fuzz = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(["switches", "faults", "clock", "companies"]), body=fuzz)
def test_no_body_can_break_it(simulator: Simulator, path: str, body: Any) -> None:
    if path == "companies" and isinstance(body, dict):
        body.pop("path", None)
    reply = control(simulator, "POST", path, body)
    assert reply.status in (200, 201, 400)
    assert isinstance(reply.json(), dict)
    assert control(simulator, "GET", path if path in ("switches", "faults") else "").status == 200


def test_a_company_may_choose_for_itself(caller: Caller) -> None:
    simulator = caller.simulator
    simulator.add_company("second")
    control(simulator, "POST", "switches", {"list_paging": True, "page_end": "zero"})
    control(simulator, "POST", "switches?company=second", {"page_end": "absent"})

    def found(path: str) -> dict[str, tuple[Any, bool]]:
        listed = control(simulator, "GET", path).json()["switches"]
        return {switch["name"]: (switch["value"], switch["set"]) for switch in listed}

    assert found("switches?company=second")["page_end"] == ("absent", True)
    assert found("switches?company=second")["list_paging"] == (True, False)
    assert found("switches?company=demo")["page_end"] == ("zero", False)
    assert "next" not in Caller(simulator, "admin@second").get(DEPARTMENT).json()["ia::meta"]
    assert caller.get(DEPARTMENT).json()["ia::meta"]["next"] == 0
    control(simulator, "DELETE", "switches?company=second")
    assert found("switches?company=second")["page_end"] == ("zero", False)


def test_a_false_value_is_a_choice_too(simulator: Simulator) -> None:
    """A company may turn off what its server turned on."""
    control(simulator, "POST", "switches", {"list_paging": True})
    control(simulator, "POST", "switches?company=demo", {"list_paging": "off"})
    assert simulator.company().settings.on("list_paging") is False


def test_a_snapshot_file_goes_to_another_server_with_its_tokens(caller: Caller, tmp_path: Path) -> None:
    file = tmp_path / "one.snapshot"
    caller.post(DEPARTMENT, {"id": "A", "name": "A"}, idempotency_key="k")
    control(caller.simulator, "POST", "snapshots", {"name": "one", "file": str(file)})
    assert file.stat().st_mode & 0o777 == 0o600
    caller.post(DEPARTMENT, {"id": "B", "name": "B"})
    with Simulator("empty", path=tmp_path / "other.company") as other:
        assert control(other, "POST", "restore", {"file": str(file)}).status == 200
        caller.simulator = other
        assert [row["id"] for row in caller.get(DEPARTMENT).json()["ia::result"]] == ["A"]
        again = caller.post(DEPARTMENT, {"id": "A", "name": "A"}, idempotency_key="k")
        assert "x-ia-idempotency-cached-date" in again.headers
        assert caller.post(DEPARTMENT, {"id": "C", "name": "C"}).status == 201
    with Simulator("empty", path=tmp_path / "other.company", clock=Clock(NOW)) as kept:
        caller.simulator = kept
        assert len(caller.get(DEPARTMENT).json()["ia::result"]) == 2


def test_a_company_file_can_be_taken_and_put_into_memory(tmp_path: Path) -> None:
    with Simulator("empty", path=tmp_path / "one.company") as kept, Simulator("empty") as other:
        Caller(kept).post(DEPARTMENT, {"id": "A", "name": "A"})
        Snapshot.take(kept).put_back(other)
        assert [row["id"] for row in Caller(other).get(DEPARTMENT).json()["ia::result"]] == ["A"]


def test_who_was_signed_in_then_is_signed_in_again_and_nobody_else(caller: Caller) -> None:
    simulator = caller.simulator
    first = Snapshot.take(simulator)
    later = Caller(simulator)
    gone = {"client_id": "demo-client", "client_secret": "demo-secret", "token": caller.tokens["refresh_token"]}
    caller.post("/oauth2/revoke", gone, content_type="application/json")
    assert caller.get(DEPARTMENT).status == 401
    first.put_back(simulator)
    assert caller.get(DEPARTMENT).status == 200
    assert later.get(DEPARTMENT).status == 401


def test_a_caller_who_went_away_stays_away(caller: Caller) -> None:
    """Its patience ended at the first wait; that the second one is short brings it no answer."""
    caller.simulator.settings.set({"latency_from": 60, "latency_to": 60})
    caller.simulator.traffic.faults.add(Fault(path=DEPARTMENT, delay=0.001, when="after"))
    with pytest.raises(LostAnswerError) as caught:
        caller.simulator.answer("GET", f"/ia/api/v1{DEPARTMENT}", caller.headers, b"", 0.05)
    assert caught.value.timeout
    assert caller.simulator.traffic.log.find(status="200", path=DEPARTMENT)


def test_a_snapshot_outlives_what_comes_after_it(caller: Caller) -> None:
    """Restored twice, it is the same both times; companies come back that were closed meanwhile."""
    simulator = caller.simulator
    simulator.add_company("second")
    first = Snapshot.take(simulator)
    for _ in range(2):
        Caller(simulator).post(DEPARTMENT, {"id": "A", "name": "A"})
        simulator.drop_company("second")
        first.put_back(simulator)
        assert Caller(simulator).get(DEPARTMENT).json()["ia::meta"]["totalCount"] == 0
        assert Caller(simulator, "admin@second").get(DEPARTMENT).status == 200


@pytest.mark.parametrize("content", [b"", b"\x80", b"not a snapshot", b"\x81\xa6format\x63"])
def test_a_file_that_is_no_snapshot(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(SnapshotError, match="not a snapshot"):
        Snapshot.read(tmp_path / "x")


def test_the_log_finds_what_it_is_asked(caller: Caller) -> None:
    caller.get(DEPARTMENT)
    caller.get("/objects/no/such")
    caller.post(DEPARTMENT, {"id": "A", "name": "A"}, idempotency_key="k")
    caller.post(DEPARTMENT, {"id": "A", "name": "A"}, idempotency_key="k")
    caller.call("POST", DEPARTMENT, None, authorization="Bearer nonsense")

    def numbers(query: str) -> list[int]:
        reply = control(caller.simulator, "GET", f"requests?{query}").json()
        return [entry["number"] for entry in reply["requests"]]

    assert numbers("") == [1, 2, 3, 4, 5, 6]
    assert numbers("path=/objects/*/department&method=POST") == [4, 5, 6]
    assert numbers("status=404") == [3]
    assert numbers("replayed=true") == [5]
    assert numbers("errorId=REST-*") == [6]
    assert numbers("user=admin&limit=2") == [4, 5]
    assert numbers("limit=0") == []
    assert numbers("since=4") == [5, 6]
    for odd, word in (("limit=x", "whole number"), ("colour=red", "errorId")):
        assert word in control(caller.simulator, "GET", f"requests?{odd}").json()["error"]
    control(caller.simulator, "DELETE", "requests")
    caller.get(DEPARTMENT)
    assert numbers("") == [7]


def test_a_reset_forgets_what_was_under_way(caller: Caller) -> None:
    """A request that ends after the reset is in no book of the new time."""
    simulator = caller.simulator
    simulator.traffic.faults.add(Fault(path=DEPARTMENT, delay=0.001, when="after"))
    late: Exchange = simulator.exchange(Request.of("GET", f"/ia/api/v1{DEPARTMENT}", caller.headers))
    next(late)
    control(simulator, "POST", "reset")
    assert list(late) == []
    assert simulator.traffic.usage.months() == ()
    assert simulator.traffic.log.find() == []
    assert set(simulator.traffic.throttle.running().values()) <= {0}
    assert simulator.traffic.faults.standing() == ()


def test_latency_is_drawn_the_same_again(caller: Caller) -> None:
    caller.simulator.settings.set({"latency_from": 10, "latency_to": 30})
    draws = []
    for _ in range(2):
        caller.simulator.traffic.reset()
        request = Request.of("GET", f"/ia/api/v1{DEPARTMENT}", caller.headers)
        draws.append([next(caller.simulator.exchange(request)) for _ in range(5)])
    assert draws[0] == draws[1]
    assert len(set(draws[0])) == 5
    assert all(0.010 <= wait <= 0.030 for wait in draws[0])
