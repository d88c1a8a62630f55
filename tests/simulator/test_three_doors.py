"""In process, in a thread, stand-alone: one behaviour, faults included."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.simulator.doors import DOORS, Door, Lost, opened

DEPARTMENT = "/objects/company-config/department"


@pytest.fixture(scope="module", params=DOORS)
def shared_door(request: pytest.FixtureRequest) -> Iterator[Door]:
    with opened(request.param) as door:
        yield door


@pytest.fixture
def door(shared_door: Door) -> Door:
    """A door whose server is as it was when it started."""
    shared_door.timeout = 10.0
    shared_door.control("POST", "reset")
    shared_door.control("DELETE", "switches")
    shared_door.sign_in()
    return shared_door


def body(name: str) -> dict[str, Any]:
    return {"id": name, "name": name}


def ids(door: Door) -> list[str]:
    return sorted(row["id"] for row in door.ask("GET", DEPARTMENT).json()["ia::result"])


def test_a_record_is_written_and_read(door: Door) -> None:
    made = door.ask("POST", DEPARTMENT, body("A"))
    assert made.status == 201
    key = made.json()["ia::result"]["key"]
    read = door.ask("GET", f"{DEPARTMENT}/{key}", x_ia_api_param_entity="")
    assert read.json()["ia::result"]["name"] == "A"
    assert read.headers["content-type"] == "application/json"
    assert int(read.headers["content-length"]) == len(read.body)
    assert read.headers["date"].endswith("GMT")


def test_a_status_stands_for_the_work(door: Door) -> None:
    door.fault(method="POST", path="/objects/*", status=500, times=1)
    assert door.ask("POST", DEPARTMENT, body("A")).status == 500
    assert ids(door) == []
    assert door.ask("POST", DEPARTMENT, body("A")).status == 201


def test_a_status_after_the_work_hides_it(door: Door) -> None:
    door.fault(method="POST", object="company-config/*", status=502, html=True, when="after")
    reply = door.ask("POST", DEPARTMENT, body("A"))
    assert (reply.status, reply.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert b"<html>" in reply.body
    assert ids(door) == ["A"]


@pytest.mark.parametrize("connection", ["reset", "close"])
@pytest.mark.parametrize(("when", "written"), [("before", []), ("after", ["A"])])
def test_a_lost_connection(door: Door, connection: str, when: str, written: list[str]) -> None:
    """Before the commit nothing is there, after it everything is; the caller cannot tell."""
    door.fault(method="POST", connection=connection, when=when)
    with pytest.raises(Lost) as caught:
        door.ask("POST", DEPARTMENT, body("A"), idempotency_key="k")
    assert not caught.value.timeout
    assert ids(door) == written
    door.control("DELETE", "faults")
    again = door.ask("POST", DEPARTMENT, body("A"), idempotency_key="k")
    assert again.status == 201
    assert ("x-ia-idempotency-cached-date" in again.headers) == (when == "after")
    assert ids(door) == ["A"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_silence_until_the_caller_gives_up(door: Door, when: str) -> None:
    door.fault(method="POST", connection="hang", when=when)
    door.timeout = 0.3
    with pytest.raises(Lost) as caught:
        door.ask("POST", DEPARTMENT, body("A"))
    assert caught.value.timeout
    door.timeout = 10
    assert ids(door) == (["A"] if when == "after" else [])


def test_silence_ends_with_its_cap(door: Door) -> None:
    door.fault(method="POST", connection="hang", cap=0.1)
    with pytest.raises(Lost) as caught:
        door.ask("POST", DEPARTMENT, body("A"))
    assert caught.value.timeout == (type(door).__name__ == "InProcess")


@pytest.mark.parametrize("cut", [0, 10, -1])
def test_a_body_is_cut(door: Door, cut: int) -> None:
    door.fault(method="GET", path=f"{DEPARTMENT}*", cut=cut)
    with pytest.raises(Lost) as caught:
        door.ask("GET", DEPARTMENT)
    assert not caught.value.timeout


def test_a_wrong_length(door: Door) -> None:
    rule = door.fault(method="GET", path=DEPARTMENT, content_length=10)
    assert len(door.ask("GET", DEPARTMENT).body) == 10
    door.control("DELETE", f"faults/{rule}")
    door.fault(method="GET", path=DEPARTMENT, content_length=100_000)
    with pytest.raises(Lost):
        door.ask("GET", DEPARTMENT)


def test_bodies_of_every_kind(door: Door) -> None:
    for given, arrives in (("", b""), ("{", b"{"), ({"a": 1}, b'{"a":1}'), (None, b"null"), ([], b"[]")):
        rule = door.fault(method="GET", body=given, status=200, content_type="text/plain", headers={"X-One": "1"})
        reply = door.ask("GET", DEPARTMENT)
        assert (reply.status, reply.body) == (200, arrives)
        assert (reply.headers["content-type"], reply.headers["x-one"]) == ("text/plain", "1")
        door.control("DELETE", f"faults/{rule}")


def test_an_answer_that_is_late_or_slow_is_whole(door: Door) -> None:
    door.fault(method="GET", path=DEPARTMENT, delay=0.1, trickle=1000, times=1)
    assert door.ask("GET", DEPARTMENT).json()["ia::meta"]["totalCount"] == 0


def test_a_late_answer_reaches_nobody_but_the_work_is_done(door: Door) -> None:
    door.fault(method="POST", path=DEPARTMENT, delay=0.5, when="after")
    door.timeout = 0.1
    with pytest.raises(Lost) as caught:
        door.ask("POST", DEPARTMENT, body("A"))
    assert caught.value.timeout
    door.timeout = 10
    assert ids(door) == ["A"]


def test_entries_of_a_batch_go_missing_or_fail(door: Door) -> None:
    door.fault(method="POST", path=DEPARTMENT, drop_items=1, nth=1, times=1)
    door.fault(method="POST", path=DEPARTMENT, fail_items=[0, -1], item_status=503)
    first = door.ask("POST", DEPARTMENT, [body("A"), body("B"), body("C")]).json()
    assert len(first["ia::result"]) == 2
    second = door.ask("POST", DEPARTMENT, [body("D"), body("E"), body("F")])
    assert second.status == 207
    assert [entry["ia::status"] for entry in second.json()["ia::result"]] == [503, 201, 503]
    assert ids(door) == ["A", "B", "C", "D", "E", "F"]


def test_rules_are_counted_listed_and_removed(door: Door) -> None:
    one = door.fault(method="GET", path=DEPARTMENT, status=503, nth=2, times=1)
    two = door.fault(user="nobody", status=500)
    assert [door.ask("GET", DEPARTMENT).status for _ in range(4)] == [200, 503, 200, 200]
    standing = {rule["id"]: rule for rule in door.control("GET", "faults")["faults"]}
    assert (standing[one]["matched"], standing[one]["hits"]) == (4, 1)
    assert standing[one]["fault"] == {"method": "GET", "path": DEPARTMENT, "status": 503, "nth": 2, "times": 1}
    assert (standing[two]["matched"], standing[two]["hits"]) == (0, 0)
    assert [rule["id"] for rule in door.control("DELETE", f"faults/{one}")["faults"]] == [two]


def test_dice_fall_the_same_again(door: Door) -> None:
    runs = []
    for _ in range(2):
        rule = door.fault(method="GET", path=DEPARTMENT, probability=0.5, seed=7, status=503)
        runs.append([door.ask("GET", DEPARTMENT).status for _ in range(20)])
        door.control("DELETE", f"faults/{rule}")
    assert runs[0] == runs[1]
    assert set(runs[0]) == {200, 503}


def test_a_request_that_holds_something(door: Door) -> None:
    door.fault(contains='"B"', method="POST", status=500)
    assert [door.ask("POST", DEPARTMENT, body(name)).status for name in "AB"] == [201, 500]


def test_an_entity_and_a_query_can_be_meant(door: Door) -> None:
    door.fault(object="company-config/department", entity="E110", status=503)
    query = {"object": "company-config/department", "fields": ["id"]}
    assert door.ask("POST", "/services/core/query", query).status == 200
    assert door.ask("POST", "/services/core/query", query, x_ia_api_param_entity="E110").status == 503
    model = "/services/core/model?name=company-config%2Fdepartment"
    assert door.ask("GET", model, x_ia_api_param_entity="E110").status == 503


def test_head_and_options_and_strange_methods(door: Door) -> None:
    whole = door.ask("GET", DEPARTMENT)
    head = door.ask("HEAD", DEPARTMENT)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"]
    options = door.ask("OPTIONS", DEPARTMENT)
    assert (options.status, set(options.headers["allow"].split(", "))) == (
        200,
        {"OPTIONS", "GET", "POST", "PATCH", "DELETE"},
    )
    for method in ("PUT", "PROPFIND"):
        refused = door.ask(method, DEPARTMENT)
        assert refused.status == 405
        assert "PATCH" in refused.headers["allow"]
        assert refused.json()["ia::result"]["ia::error"]["code"] == "invalidRequest"


def test_headers_and_paths_as_strangers_write_them(door: Door) -> None:
    token = door.headers["authorization"]
    door.ask("POST", DEPARTMENT, body("A"))
    for path in (f"{DEPARTMENT}/", "/objects/company%2Dconfig/department", f"{DEPARTMENT}?start=1"):
        reply = door.send("GET", f"/ia/api/v1{path}", {"AUTHORIZATION": token.replace("Bearer", "bearer")})
        assert reply.json()["ia::meta"]["totalCount"] == 1, path
    kind = {"Content-Type": "application/json; charset=UTF-8", "Authorization": token}
    posted = door.send("POST", f"/ia/api/v1{DEPARTMENT}", kind, json.dumps({"id": "Ü", "name": "Ü"}).encode())
    assert posted.status == 201
    assert ids(door) == ["A", "Ü"]


def test_the_log_has_no_secrets(door: Door) -> None:
    door.control("POST", "switches", {"log_bodies": True})
    door.sign_in()
    door.ask("POST", DEPARTMENT, body("A"), idempotency_key="very-secret-key", x_ia_api_param_entity="E110")
    door.ask("POST", DEPARTMENT, {"id": "A", "no": 1})
    entries = door.requests()
    text = json.dumps(entries)
    for secret in ("demo-secret", door.headers["authorization"][7:], "very-secret-key"):
        assert secret not in text
    last = door.requests("?path=/objects/*&limit=1")[0]
    assert (last["status"], last["errorId"], last["user"], last["company"]) == (400, "REST-1064", "admin", "demo")
    assert [entry["transactions"] for entry in door.requests("?entity=E110")] == [1]
    assert door.requests("?status=5*") == []
    assert door.requests(f"?since={entries[-1]['number']}") == []


def test_transactions_are_counted(door: Door) -> None:
    door.control("POST", "clock", {"freeze": "2026-03-20T10:00:00Z"})
    door.sign_in()
    door.ask("POST", DEPARTMENT, [body("A"), body("B"), body("A")])  # two written, one refused
    door.ask("POST", "/services/core/query", {"object": "company-config/department", "fields": ["id"]})
    key = door.ask("POST", DEPARTMENT, body("C"), idempotency_key="k").json()["ia::result"]["key"]
    door.ask("POST", DEPARTMENT, body("C"), idempotency_key="k")  # repeated: nothing
    door.ask("DELETE", f"{DEPARTMENT}/{key}")
    door.ask("GET", "/services/core/model?name=company-config/department")
    months = door.control("GET", "transactions")["months"]
    assert months == [
        {"company": "demo", "client": "demo-client", "month": "2026-03", "transactions": 5, "included": None}
    ]


def test_a_snapshot_brings_everything_back(door: Door) -> None:
    door.ask("POST", DEPARTMENT, body("A"), idempotency_key="k")
    door.control("POST", "switches", {"tier": "1"})
    door.control("POST", "snapshots", {"name": "one"})
    now = door.control("POST", "clock", {"freeze": "2030-01-01T00:00:00Z"})["clock"]["now"]
    door.sign_in()
    door.ask("POST", DEPARTMENT, body("B"))
    door.control("POST", "switches", {"tier": "off"})
    door.control("POST", "companies", {"name": "second"})
    status = door.control("POST", "restore", {"name": "one"})
    assert status["clock"]["now"] < now
    assert [company["name"] for company in status["companies"]] == ["demo"]
    door.sign_in()
    assert ids(door) == ["A"]
    assert "x-ia-idempotency-cached-date" in door.ask("POST", DEPARTMENT, body("A"), idempotency_key="k").headers
    switches = {switch["name"]: switch["value"] for switch in door.control("GET", "switches")["switches"]}
    assert switches["tier"] == "1"
    assert door.ask("POST", DEPARTMENT, body("B")).status == 201
