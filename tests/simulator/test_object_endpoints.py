"""Every route under /objects, one record and many, with the answers of REST reference 4."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.simulator.conftest import Caller

DEPARTMENT = "/objects/company-config/department"
TOTALS = {"totalCount": 1, "totalSuccess": 1, "totalError": 0}


def department(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "name": f"Department {name}", **more}


def error(reply: Any) -> dict[str, Any]:
    found: dict[str, Any] = reply.json()["ia::result"]["ia::error"]
    return found


def names(caller: Caller) -> list[str]:
    rows = caller.query(object="company-config/department", fields=["id"], orderBy=[{"key": "asc"}]).json()
    return [row["id"] for row in rows["ia::result"]]


def test_one_record_through_its_life(caller: Caller) -> None:
    created = caller.post(DEPARTMENT, department("D1"))
    assert created.status == 201
    reference = created.json()["ia::result"]
    key = reference["key"]
    assert created.json() == {
        "ia::result": {"key": key, "id": "D1", "href": f"{DEPARTMENT}/{key}"},
        "ia::meta": TOTALS,
    }

    read = caller.get(f"{DEPARTMENT}/{key}")
    assert read.status == 200
    assert read.json()["ia::meta"] == TOTALS
    assert read.json()["ia::result"]["name"] == "Department D1"
    assert read.json()["ia::result"]["audit"]["createdDateTime"] == "2026-03-20T10:00:00Z"

    changed = caller.patch(f"{DEPARTMENT}/{key}", {"name": "Renamed"})
    assert (changed.status, changed.json()) == (200, {"ia::result": reference, "ia::meta": TOTALS})
    assert caller.get(f"{DEPARTMENT}/{key}").json()["ia::result"]["name"] == "Renamed"

    gone = caller.delete(f"{DEPARTMENT}/{key}")
    assert (gone.status, gone.body) == (204, b"")
    missing = caller.get(f"{DEPARTMENT}/{key}")
    assert missing.status == 404
    assert error(missing)["code"] == "notFound"
    assert missing.json()["ia::meta"] == {"totalCount": 1, "totalSuccess": 0, "totalError": 1}
    assert caller.delete(f"{DEPARTMENT}/{key}").status == 404
    assert caller.patch(f"{DEPARTMENT}/{key}", {"name": "x"}).status == 404


def test_the_list_holds_references_a_hundred_a_page(caller: Caller) -> None:
    caller.post(DEPARTMENT, [department(f"D{number:03}") for number in range(120)])
    body = caller.get(DEPARTMENT).json()
    assert body["ia::meta"] == {"totalCount": 120, "start": 1, "pageSize": 100, "next": 101, "previous": None}
    assert len(body["ia::result"]) == 100
    assert all(set(entry) == {"key", "id", "href"} for entry in body["ia::result"])
    assert caller.get(f"{DEPARTMENT}?start=101&size=5").json() == body


def test_many_created_answer_by_position(caller: Caller) -> None:
    reply = caller.post(DEPARTMENT, [department("B"), department("A")])
    assert reply.status == 201
    body = reply.json()
    assert body["ia::meta"] == {"totalCount": 2, "totalSuccess": 2, "totalError": 0}
    assert [entry["id"] for entry in body["ia::result"]] == ["B", "A"]
    assert all(entry["ia::status"] == 201 and entry["href"].startswith(DEPARTMENT) for entry in body["ia::result"])


def test_a_mixed_batch_keeps_the_good_ones(caller: Caller) -> None:
    caller.post(DEPARTMENT, department("TAKEN"))
    reply = caller.post(
        DEPARTMENT, [department("A"), department("TAKEN"), department("B", newDate="x"), department("C")]
    )
    assert reply.status == 207
    body = reply.json()
    assert body["ia::meta"] == {"totalCount": 4, "totalSuccess": 2, "totalError": 2}
    first, duplicate, unknown, last = body["ia::result"]
    assert (first["id"], first["ia::status"], last["id"], last["ia::status"]) == ("A", 201, "C", 201)
    assert duplicate["ia::status"] == 422
    assert duplicate["ia::error"]["code"] == "operationFailed"
    assert duplicate["ia::error"]["errorId"] == "REST-7001"
    assert "Another record with the value already exists" in duplicate["ia::error"]["details"][0]["message"]
    assert set(duplicate) == {"ia::error", "ia::status"}
    assert unknown["ia::status"] == 400
    assert [(d["errorId"], d["target"]) for d in unknown["ia::error"]["details"]] == [("REST-1043", "/newDate")]
    assert names(caller) == ["TAKEN", "A", "C"]


def test_a_batch_that_fails_alike_has_that_status(caller: Caller) -> None:
    caller.post(DEPARTMENT, department("TAKEN"))
    reply = caller.post(DEPARTMENT, [department("TAKEN"), department("TAKEN")])
    assert reply.status == 422
    assert reply.json()["ia::meta"] == {"totalCount": 2, "totalSuccess": 0, "totalError": 2}
    assert len(reply.json()["ia::result"]) == 2


def test_the_same_id_twice_in_one_batch(caller: Caller) -> None:
    reply = caller.post(DEPARTMENT, [department("A"), department("A")])
    assert [entry["ia::status"] for entry in reply.json()["ia::result"]] == [201, 422]


def test_atomic_means_all_or_nothing(caller: Caller) -> None:
    """REST reference 4.7: the innocents are answered `unprocessed`, word for word."""
    caller.post(DEPARTMENT, department("TAKEN"))
    records = [department("A"), department("TAKEN"), department("B")]
    reply = caller.post(DEPARTMENT, records, x_ia_api_param_transaction="true")
    assert reply.status == 422
    before, culprit, after = reply.json()["ia::result"]
    for innocent in (before, after):
        assert innocent == {
            "ia::error": {"code": "unprocessed", "message": "Operation skipped due to atomic transaction failure"},
            "ia::status": 422,
        }
    assert culprit["ia::error"]["code"] == "operationFailed"
    assert reply.json()["ia::meta"] == {"totalCount": 3, "totalSuccess": 0, "totalError": 3}
    assert names(caller) == ["TAKEN"]
    fine = caller.post(DEPARTMENT, [department("A"), department("B")], x_ia_api_param_transaction="true")
    assert fine.status == 201
    assert names(caller) == ["TAKEN", "A", "B"]


def test_many_updated_each_with_its_key(caller: Caller) -> None:
    made = caller.post(DEPARTMENT, [department("A"), department("B")]).json()["ia::result"]
    reply = caller.patch(
        DEPARTMENT, [{"key": made[1]["key"], "name": "second"}, {"key": int(made[0]["key"]), "name": "first"}]
    )
    assert reply.status == 200
    assert [entry["id"] for entry in reply.json()["ia::result"]] == ["B", "A"]
    assert caller.get(f"{DEPARTMENT}/{made[0]['key']}").json()["ia::result"]["name"] == "first"
    mixed = caller.patch(
        DEPARTMENT, [{"name": "no key"}, {"key": "99999", "name": "x"}, {"key": made[0]["key"], "name": "y"}]
    )
    assert mixed.status == 207
    assert [entry["ia::status"] for entry in mixed.json()["ia::result"]] == [400, 404, 200]


def test_several_keys_are_read_in_their_order(caller: Caller) -> None:
    keys = [entry["key"] for entry in caller.post(DEPARTMENT, [department("A"), department("B")]).json()["ia::result"]]
    reply = caller.get(f"{DEPARTMENT}/{keys[1]},{keys[0]}")
    assert reply.status == 200
    assert [entry["id"] for entry in reply.json()["ia::result"]] == ["B", "A"]
    assert caller.get(f"{DEPARTMENT}/{keys[1]}%2C{keys[0]}").json()["ia::meta"]["totalCount"] == 2
    partly = caller.get(f"{DEPARTMENT}/{keys[0]},99999,{keys[1]}")
    assert partly.status == 207
    found, missing, other = partly.json()["ia::result"]
    assert (found["id"], other["id"]) == ("A", "B")
    assert (missing["ia::status"], missing["ia::error"]["code"]) == (404, "notFound")
    assert partly.json()["ia::meta"] == {"totalCount": 3, "totalSuccess": 2, "totalError": 1}
    assert caller.get(f"{DEPARTMENT}/99998,99999").status == 404


def test_several_keys_are_deleted(caller: Caller) -> None:
    keys = [
        entry["key"] for entry in caller.post(DEPARTMENT, [department(name) for name in "ABC"]).json()["ia::result"]
    ]
    assert caller.delete(f"{DEPARTMENT}/{keys[0]},{keys[1]}").status == 204
    partly = caller.delete(f"{DEPARTMENT}/{keys[0]},{keys[2]}")
    assert partly.status == 207
    missing, deleted = partly.json()["ia::result"]
    assert missing["ia::status"] == 404
    assert deleted == {"ia::status": 204}
    assert names(caller) == []


def test_an_atomic_delete_spares_all(caller: Caller) -> None:
    key = caller.post(DEPARTMENT, department("A")).json()["ia::result"]["key"]
    assert caller.delete(f"{DEPARTMENT}/{key},99999", x_ia_api_param_transaction="true").status == 207
    assert names(caller) == ["A"]


def test_no_more_than_five_hundred(caller: Caller) -> None:
    records = [department(f"D{number}") for number in range(501)]
    reply = caller.post(DEPARTMENT, records)
    assert reply.status == 429
    assert "retry-after" not in reply.headers
    assert names(caller) == []
    keys = ",".join(str(number) for number in range(501))
    assert caller.get(f"{DEPARTMENT}/{keys}").status == 429
    assert caller.delete(f"{DEPARTMENT}/{keys}").status == 429
    assert caller.patch(DEPARTMENT, [{"key": "1"}] * 501).status == 429
    assert caller.post(DEPARTMENT, records[:500]).status == 201


def test_bodies_that_are_missing_or_broken(caller: Caller) -> None:
    for reply in (caller.post(DEPARTMENT), caller.post(DEPARTMENT, b"  "), caller.post(DEPARTMENT, [])):
        assert reply.status == 400
        assert error(reply)["message"] == "A POST request requires a payload"
        assert error(reply)["errorId"] == "REST-1028"
    for broken in (b"{", b"{'id': 1}", b"\xff\xfe\x00", b"[1,", b"[" * 100_000):
        reply = caller.post(DEPARTMENT, broken)
        assert (reply.status, error(reply)["errorId"]) == (400, "REST-1030")
    for odd in (b"3", b'"text"', b"null"):
        assert caller.post(DEPARTMENT, odd).status == 400
    mixed = caller.post(DEPARTMENT, [department("A"), 7, None])
    assert [entry["ia::status"] for entry in mixed.json()["ia::result"]] == [201, 400, 400]


def test_a_failed_create_has_the_recorded_shape(caller: Caller) -> None:
    """REST reference 8.4: an unbalanced journal entry."""
    caller.post("/objects/general-ledger/journal", {"id": "GJ", "name": "General"})
    account = {"name": "Cash", "accountType": "balanceSheet", "normalBalance": "debit"}
    caller.post("/objects/general-ledger/account", [{"id": "1000", **account}, {"id": "1100", **account}])

    def line(kind: str, number: str, amount: str) -> dict[str, Any]:
        return {"txnType": kind, "txnAmount": amount, "glAccount": {"id": number}}

    reply = caller.post(
        "/objects/general-ledger/journal-entry",
        {
            "glJournal": {"id": "GJ"},
            "postingDate": "2026-01-31",
            "description": "unbalanced",
            "lines": [line("debit", "1000", "10.00"), line("credit", "1100", "9.99")],
        },
    )
    assert reply.status == 422, reply.json()
    found = error(reply)
    del found["supportId"]
    assert found == {
        "code": "operationFailed",
        "message": "POST request on objects/general-ledger/journal-entry object was unsuccessful",
        "errorId": "REST-7001",
        "additionalInfo": {
            "messageId": "IA.REQUEST_ON_OBJECT_FAILED",
            "placeholders": {"OPERATION": "POST", "RESOURCE_NAME": "objects/general-ledger/journal-entry"},
            "propertySet": {},
        },
        "details": [
            {
                "errorId": "GL-0951",
                "code": "unableToCreateRecordError",
                "message": "Could not create GLBatch record.",
                "additionalInfo": {
                    "messageId": "IA.COULD_NOT_CREATE_GLBATCH_RECORD",
                    "placeholders": {},
                    "propertySet": {},
                },
            },
            {
                "errorId": "GL-1009",
                "code": "invalidConfiguration",
                "message": "Transactions do not balance for Place ,",
                "additionalInfo": {
                    "messageId": "IA.TRANSACTIONS_DO_NOT_BALANCE_FOR",
                    "placeholders": {"RENAMED_TEXT": "Place", "ERR_STR": ", "},
                    "propertySet": {},
                },
            },
        ],
    }


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", DEPARTMENT, 405),
        ("POST", f"{DEPARTMENT}/1", 405),
        ("GET", "/objects/company-config/no-such-object", 404),
        ("GET", "/objects/company-config", 404),
        ("GET", "/objects", 404),
        ("GET", f"{DEPARTMENT}/1/2", 404),
        ("GET", "/nothing/at/all", 404),
        ("POST", "/services/query", 404),
        ("DELETE", DEPARTMENT, 400),
    ],
)
def test_paths_and_methods_that_are_not_there(caller: Caller, method: str, path: str, status: int) -> None:
    reply = caller.call(method, path, department("X"))
    assert reply.status == status
    assert error(reply)["supportId"]


def test_a_method_that_this_object_lacks(caller: Caller) -> None:
    """Sage documents only GET for audit history."""
    assert caller.post("/objects/company-config/audit-history", {"x": 1}).status == 405


def test_other_versions_are_refused(caller: Caller) -> None:
    from tieout.simulator.http import Request

    reply = caller.simulator.handle(Request.of("GET", "/ia/api/v2/objects/company-config/entity", caller.headers))
    assert reply.status == 400
    assert error(reply)["code"] == "invalidRequest"
