"""Query and model over the wire (REST reference 5.5, 6). What filters select is tested with the company."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.simulator.conftest import Caller

DEPARTMENT = "company-config/department"


@pytest.fixture
def filled(caller: Caller) -> Caller:
    records = [{"id": f"D{number}", "name": f"Department {number}"} for number in range(1, 6)]
    assert caller.post(f"/objects/{DEPARTMENT}", records).status == 201
    return caller


def error(reply: Any) -> dict[str, Any]:
    found: dict[str, Any] = reply.json()["ia::result"]["ia::error"]
    return found


def test_rows_are_flat_and_pages_know_their_neighbours(filled: Caller) -> None:
    reply = filled.query(
        object=DEPARTMENT, fields=["id", "name", "parent.id"], orderBy=[{"id": "asc"}], start=3, size=2
    )
    assert reply.status == 200
    assert reply.json() == {
        "ia::result": [
            {"id": "D3", "name": "Department 3", "parent.id": None},
            {"id": "D4", "name": "Department 4", "parent.id": None},
        ],
        "ia::meta": {"totalCount": 5, "start": 3, "pageSize": 2, "next": 5, "previous": 1},
    }


def test_nothing_found_is_an_empty_page(filled: Caller) -> None:
    reply = filled.query(object=DEPARTMENT, fields=["id"], filters=[{"$eq": {"id": "nobody"}}])
    assert reply.json() == {
        "ia::result": [],
        "ia::meta": {"totalCount": 0, "start": 1, "pageSize": 100, "next": None, "previous": None},
    }


def test_the_recorded_refusal_of_a_field(filled: Caller) -> None:
    """REST-1106, word for word (REST reference 8.4)."""
    reply = filled.query(object="accounts-receivable/invoice", fields=["action", "createAPBill", "id"])
    assert reply.status == 400
    found = error(reply)
    del found["supportId"]
    assert found == {
        "code": "invalidRequest",
        "message": "The action field in accounts-receivable/invoice object cannot be used in query in version 1",
        "errorId": "REST-1106",
        "additionalInfo": {
            "messageId": "IA.THE_FIELD_IN_OBJECT_CANNOT_BE_USED_IN_QUERY",
            "placeholders": {"FIELD": "action", "OBJECT": "accounts-receivable/invoice", "VERSION": "1"},
            "propertySet": {},
        },
    }


def test_a_misplaced_parameter_is_named(filled: Caller) -> None:
    reply = filled.query(object=DEPARTMENT, fields=["id"], includePrivate=True)
    assert (reply.status, error(reply)["message"]) == (400, "Unrecognized key includePrivate in query payload")


def test_queries_that_are_none(filled: Caller) -> None:
    assert error(filled.post("/services/core/query"))["errorId"] == "REST-1028"
    assert error(filled.post("/services/core/query", b"{"))["errorId"] == "REST-1030"
    assert filled.post("/services/core/query", b'"text"').status == 400
    assert filled.get("/services/core/query").status == 405


def test_several_queries_in_one_request(filled: Caller) -> None:
    good = {"object": DEPARTMENT, "fields": ["id"], "size": 1, "orderBy": [{"id": "asc"}]}
    both = filled.post("/services/core/query", [good, good])
    assert both.status == 200
    assert [part["ia::result"] for part in both.json()["ia::result"]] == [[{"id": "D1"}], [{"id": "D1"}]]
    mixed = filled.post("/services/core/query", [good, {"object": DEPARTMENT, "fields": ["nonsense"]}])
    assert mixed.status == 207
    fine, refused = mixed.json()["ia::result"]
    assert fine["ia::meta"]["totalCount"] == 5
    assert (refused["ia::status"], refused["ia::error"]["errorId"]) == (400, "REST-1106")


@pytest.mark.parametrize(
    "name", ["accounts-payable/vendor", "accounts-payable%2Fvendor", "objects/accounts-payable/vendor"]
)
def test_a_model_by_any_spelling_of_its_name(caller: Caller, name: str) -> None:
    body = caller.get(f"/services/core/model?name={name}&schema=true").json()
    assert body["ia::meta"] == {"totalCount": 1, "totalSuccess": 1, "totalError": 0}
    model = body["ia::result"]
    assert model["apiObject"] == "objects/accounts-payable/vendor"
    assert model["href"] == "/services/core/model?version=v1&name=objects/accounts-payable/vendor"
    assert model["fields"]["totalDue"]["format"] == "decimal-precision-2"
    assert model["fields"]["totalDue"]["required"] is False
    assert isinstance(model["lists"], list | dict)
    assert "OPTIONS" in model["httpMethods"].split(",")


def test_an_unknown_model_is_an_empty_array(caller: Caller) -> None:
    reply = caller.get("/services/core/model?name=accounts-payable/no-such-thing")
    assert (reply.status, reply.json()["ia::result"]) == (200, [])


def test_the_list_of_models(caller: Caller) -> None:
    everything = caller.get("/services/core/model").json()["ia::result"]
    assert len(everything) >= 518
    assert set(everything[0]) == {"apiObject", "type", "httpMethods", "href"}
    owned = caller.get("/services/core/model?type=ownedObject").json()["ia::result"]
    assert 0 < len(owned) < len(everything)
    assert {entry["type"] for entry in owned} == {"ownedObject"}
    time = caller.get("/services/core/model?filter=objects/time/").json()["ia::result"]
    assert {"objects/time/timesheet", "objects/time/timesheet-line"} <= {entry["apiObject"] for entry in time}
    assert all(entry["apiObject"].startswith("objects/time/") for entry in time)
    whole = caller.get("/services/core/model?filter=time/timesheet$&schema=true").json()["ia::result"]
    assert "fields" in whole[0]
    assert caller.get("/services/core/model?filter=(").status == 400


def test_model_forms_and_versions(caller: Caller) -> None:
    short = caller.get("/services/core/model?name=time/timesheet&schema=false").json()["ia::result"]
    assert set(short) == {"apiObject", "type", "httpMethods", "href"}
    assert caller.get("/services/core/model?name=time/timesheet&version=v9").status == 400
    versions = caller.get("/services/core/model?name=time/timesheet&version=all").json()["ia::result"]
    assert versions[0]["version"] == "v1"
    assert caller.post("/services/core/model", {}).status == 405


def test_workflow_actions_and_services_are_listed_by_their_kind(caller: Caller) -> None:
    listed = caller.get("/services/core/model?type=workflow&filter=accounts-payable/bill/").json()["ia::result"]
    assert {"submit", "approve", "decline", "recall", "reverse"} <= {
        entry["apiObject"].rpartition("/")[2] for entry in listed
    }
    for entry in listed:
        assert (entry["type"], entry["httpMethods"]) == ("workflow", "OPTIONS,POST")
        assert entry["href"] == f"/services/core/model?version=v1&name={entry['apiObject']}"
    services = {entry["apiObject"] for entry in caller.get("/services/core/model?type=service").json()["ia::result"]}
    assert {"services/core/query", "services/core/model", "services/core/session/id"} <= services
    both = caller.get("/services/core/model?type=rootObject,ownedObject").json()
    assert both == caller.get("/services/core/model?type=object").json() == caller.get("/services/core/model").json()


@pytest.mark.parametrize("choice", ["first", "refused"])
def test_whether_a_query_may_start_at_zero_is_a_switch(filled: Caller, choice: str) -> None:
    filled.simulator.settings.set({"start_zero": choice})
    reply = filled.query(object=DEPARTMENT, fields=["id"], orderBy=[{"id": "asc"}], start=0, size=2)
    if choice == "refused":
        assert (reply.status, error(reply)["code"]) == (400, "invalidRequest")
    else:
        assert [row["id"] for row in reply.json()["ia::result"]] == ["D1", "D2"]
        assert reply.json()["ia::meta"]["start"] == 1
    for odd in (-1, False, "0"):
        assert filled.query(object=DEPARTMENT, fields=["id"], start=odd).status == 400
