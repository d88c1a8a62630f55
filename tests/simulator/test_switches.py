"""What the reference leaves open of queries, lists and batches: every choice shows on the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.simulator.conftest import Caller

DEPARTMENT = "company-config/department"
PATH = f"/objects/{DEPARTMENT}"
INVOICE = "accounts-receivable/invoice"


def choose(caller: Caller, **switches: object) -> None:
    caller.simulator.company().settings.set(switches)


@pytest.fixture
def filled(caller: Caller) -> Caller:
    """Three departments; C has no description."""
    records = [{"id": name, "name": name, "reportTitle": title} for name, title in (("A", "x"), ("B", "y"))]
    assert caller.post(PATH, [*records, {"id": "C", "name": "C"}]).status == 201
    return caller


def query(caller: Caller, **more: Any) -> Any:
    return caller.query(**{"object": DEPARTMENT, "fields": ["id"], "orderBy": [{"id": "asc"}], **more}).json()


@pytest.mark.parametrize(("on", "part", "size"), [(False, slice(0, 3), 100), (True, slice(1, 2), 1)])
def test_paging_of_lists(filled: Caller, on: bool, part: slice, size: int) -> None:
    whole = [row["id"] for row in filled.get(PATH).json()["ia::result"]]
    choose(filled, list_paging=on)
    content = filled.get(f"{PATH}?start=2&size=1").json()
    assert [row["id"] for row in content["ia::result"]] == whole[part]
    assert content["ia::meta"]["pageSize"] == size
    for odd in ("start=0&size=x", "size=-1", "start=9999999999999999999", "size=99999"):
        assert filled.get(f"{PATH}?{odd}").status == 200


@pytest.mark.parametrize(("how", "status", "length"), [("item", 207, 3), ("omit", 200, 2), ("refuse", 404, None)])
def test_a_missing_key_among_several(filled: Caller, how: str, status: int, length: int | None) -> None:
    choose(filled, missing_of_several=how)
    keys = [row["key"] for row in filled.get(PATH).json()["ia::result"]]
    reply = filled.get(f"{PATH}/{keys[0]},987654,{keys[1]}")
    assert reply.status == status
    if length is not None:
        assert len(reply.json()["ia::result"]) == length


def test_an_array_of_queries(filled: Caller) -> None:
    queries = [{"object": DEPARTMENT, "fields": ["id"]}, {"object": DEPARTMENT, "fields": ["no"]}]
    for shape, has_status in (("items", True), ("bare", False)):
        choose(filled, query_array=shape)
        first, second = filled.post("/services/core/query", queries).json()["ia::result"]
        assert ("ia::status" in first) == has_status
        assert first["ia::meta"]["totalCount"] == 3
        assert second["ia::error"]["errorId"] == "REST-1106"
    choose(filled, query_array="refuse")
    assert filled.post("/services/core/query", queries).status == 400


@pytest.mark.parametrize(
    ("how", "names"),
    [
        ("asked", {"count:id", "name"}),
        ("field", {"id", "name"}),
        ("underscore", {"count_id", "name"}),
    ],
)
def test_the_key_of_an_aggregate(filled: Caller, how: str, names: set[str]) -> None:
    choose(filled, aggregate_key=how)
    rows = query(filled, fields=["name", "count:id"], orderBy=[{"name": "asc"}])["ia::result"]
    assert [set(row) for row in rows] == [names] * 3


def test_an_unclear_aggregate_keeps_its_name(filled: Caller) -> None:
    choose(filled, aggregate_key="field")
    rows = query(filled, fields=["id", "count:id"], orderBy=[{"id": "asc"}])["ia::result"]
    assert set(rows[0]) == {"id", "count:id"}
    rows = query(filled, fields=["min:id", "max:id", "min:id"], orderBy=[])["ia::result"]
    assert rows == [{"min:id": "A", "max:id": "C"}]


@pytest.mark.parametrize(
    ("how", "end"), [("null", {"next": None, "previous": None}), ("zero", {"next": 0, "previous": 0}), ("absent", {})]
)
def test_the_end_of_all_pages(filled: Caller, how: str, end: dict[str, Any]) -> None:
    choose(filled, page_end=how)
    for meta in (query(filled)["ia::meta"], filled.get(PATH).json()["ia::meta"]):
        assert {name: meta[name] for name in ("next", "previous") if name in meta} == end
    middle = query(filled, start=2, size=1)["ia::meta"]
    assert (middle["next"], middle["previous"]) == (3, 1)


def test_a_page_that_is_too_large(filled: Caller) -> None:
    assert filled.query(object=DEPARTMENT, fields=["id"], size=4001).status == 400
    choose(filled, oversize_page="cap")
    assert query(filled, size=4001)["ia::meta"]["pageSize"] == 4000
    assert filled.query(object=DEPARTMENT, fields=["id"], size=0).status == 400


@pytest.mark.parametrize("status", [400, 404, 422])
def test_the_status_for_an_unknown_object(filled: Caller, status: int) -> None:
    choose(filled, unknown_object=str(status))
    assert filled.query(object="no/such", fields=["id"]).status == status
    several = filled.post("/services/core/query", [{"object": "no/such", "fields": ["id"]}]).json()
    assert several["ia::result"][0]["ia::status"] == status


@pytest.mark.parametrize("status", [400, 422])
def test_the_status_for_a_wrong_filter(filled: Caller, status: int) -> None:
    choose(filled, bad_filter=str(status))
    for part in (
        {"filters": [{"$ge": {"id": "A"}}]},
        {"filters": [{"$eq": {"id": []}}]},
        {"filters": [{"$eq": {"id": "A"}}], "filterExpression": "1 and 2"},
    ):
        assert filled.query(object=DEPARTMENT, fields=["id"], **part).status == status


def test_deprecated_fields(filled: Caller) -> None:
    for part in (
        {"fields": ["documentId"]},
        {"fields": ["id"], "orderBy": [{"documentId": "asc"}]},
        {"fields": ["id"], "filters": [{"$eq": {"documentId": "x"}}]},
    ):
        assert filled.query(object=INVOICE, **part).status == 200
    choose(filled, deprecated_queryable=False)
    for part in (
        {"fields": ["documentId"]},
        {"fields": ["id"], "orderBy": [{"documentId": "asc"}]},
        {"fields": ["id"], "filters": [{"$eq": {"documentId": "x"}}]},
    ):
        assert filled.query(object=INVOICE, **part).json()["ia::result"]["ia::error"]["errorId"] == "REST-1106"
    assert filled.query(object=INVOICE, fields=["id"], filters=[[], {"$eq": 1}, "x"], orderBy=["x"]).status == 400


def test_a_column_that_nobody_asked_for(caller: Caller) -> None:
    caller.simulator.company().load(INVOICE, [{"id": "1"}])
    asked = {"object": INVOICE, "fields": ["id", "webURL"], "filterParameters": {"includePrivate": True}}
    assert set(caller.query(**asked).json()["ia::result"][0]) == {"id", "webURL", "API_QUERY_ALIAS__3"}
    choose(caller, stray_columns=False)
    assert set(caller.query(**asked).json()["ia::result"][0]) == {"id", "webURL"}


@pytest.mark.parametrize(("how", "up", "down"), [("smallest", "CAB", "BAC"), ("largest", "ABC", "CBA")])
def test_where_nothing_stands_in_an_order(filled: Caller, how: str, up: str, down: str) -> None:
    choose(filled, null_order=how)
    for way, expected in (("asc", up), ("desc", down)):
        rows = query(filled, orderBy=[{"reportTitle": way}, {"key": "asc"}])["ia::result"]
        assert "".join(row["id"] for row in rows) == expected
        paged = [query(filled, orderBy=[{"reportTitle": way}, {"key": "asc"}], start=n, size=1) for n in (1, 2, 3)]
        assert "".join(page["ia::result"][0]["id"] for page in paged) == expected


@pytest.mark.parametrize(
    ("day", "macro", "found"),
    [
        ("monday", "currentWeek", ["2026-03-16", "2026-03-22"]),
        ("sunday", "currentWeek", ["2026-03-15", "2026-03-16"]),
        ("monday", "lastWeek", ["2026-03-09", "2026-03-14", "2026-03-15"]),
        ("sunday", "lastWeek", ["2026-03-08", "2026-03-09", "2026-03-14"]),
    ],
)
def test_the_day_a_week_begins_with(caller: Caller, day: str, macro: str, found: list[str]) -> None:
    days = ["2026-03-08", "2026-03-09", "2026-03-14", "2026-03-15", "2026-03-16", "2026-03-22"]
    caller.simulator.company().load(INVOICE, [{"id": each, "invoiceDate": each} for each in days])
    choose(caller, week_start=day)
    rows = caller.query(
        object=INVOICE,
        fields=["invoiceDate"],
        filters=[{"$eq": {"invoiceDate": macro}}],
        filterParameters={"asOfDate": "2026-03-20", "includePrivate": True},
        orderBy=[{"invoiceDate": "asc"}],
    ).json()["ia::result"]
    assert [row["invoiceDate"] for row in rows] == found


@pytest.mark.parametrize("status", [429, 400, 413])
def test_the_status_of_too_many_records(caller: Caller, status: int) -> None:
    choose(caller, oversize_batch=str(status))
    reply = caller.post(PATH, [{"id": str(n), "name": "x"} for n in range(501)])
    assert reply.status == status
    assert [name for name in reply.headers if "retry" in name] == []
    assert caller.get(f"{PATH}/{','.join(str(n) for n in range(501))}").status == status
    assert caller.get(PATH).json()["ia::meta"]["totalCount"] == 0


GOOD, BAD = {"id": "N", "name": "N"}, {"id": "A", "name": "A"}


def entry(item: dict[str, Any]) -> str:
    """Which shape an entry has."""
    inner = item.get("ia::result")
    if inner is None:
        return "error" if "ia::error" in item else "flat"
    return "error inside" if "ia::error" in inner else "inside"


@pytest.mark.parametrize(
    ("shape", "seen"),
    [
        ("flat", ["error", "flat"]),
        ("nested", ["error", "inside"]),
        ("all_nested", ["error inside", "inside"]),
    ],
)
@pytest.mark.parametrize("status", ["always", "mixed"])
def test_the_entries_of_a_batch(filled: Caller, shape: str, seen: list[str], status: str) -> None:
    choose(filled, batch_items=shape, batch_item_status=status)
    mixed = filled.post(PATH, [BAD, GOOD])
    assert mixed.status == 207
    assert [entry(item) for item in mixed.json()["ia::result"]] == seen
    assert [item["ia::status"] for item in mixed.json()["ia::result"]] == [422, 201]
    assert mixed.json()["ia::meta"] == {"totalCount": 2, "totalSuccess": 1, "totalError": 1}
    good = filled.post(PATH, [{"id": "O", "name": "O"}, {"id": "P", "name": "P"}]).json()["ia::result"]
    assert [entry(item) for item in good] == [seen[1]] * 2
    assert all(("ia::status" in item) == (status == "always") for item in good)


@pytest.mark.parametrize(("how", "status"), [("common", 422), ("207", 207)])
def test_a_batch_in_which_all_fail(filled: Caller, how: str, status: int) -> None:
    choose(filled, batch_status=how)
    assert filled.post(PATH, [BAD, BAD]).status == status
    assert filled.post(PATH, [GOOD]).status == 201


def test_a_body_that_is_too_long(caller: Caller) -> None:
    choose(caller, request_limit=60)
    assert caller.post(PATH, {"id": "A", "name": "A"}).status == 201
    refused = caller.post(PATH, {"id": "B", "name": "B" * 60})
    assert (refused.status, refused.json()["ia::result"]["ia::error"]["code"]) == (413, "invalidRequest")


def test_which_fields_can_be_counted(filled: Caller) -> None:
    def answers() -> list[int]:
        return [filled.query(object=DEPARTMENT, fields=[f"count:{name}"]).status for name in ("key", "name", "status")]

    assert answers() == [200, 200, 200]
    choose(filled, countable="typed")
    assert answers() == [400, 400, 200]
    assert filled.query(object=DEPARTMENT, fields=["min:name"]).status == 200


def test_which_fields_have_a_latest_value(filled: Caller) -> None:
    def answer() -> int:
        return filled.query(object=DEPARTMENT, fields=["count:key", "max:audit.modifiedDateTime"]).status

    assert answer() == 200
    choose(filled, extremes="numbers")
    assert answer() == 400


@pytest.mark.parametrize(
    ("how", "found"),
    [("start", {"$eq": 0, "$gt": 3, "$lte": 0}), ("day", {"$eq": 3, "$gt": 0, "$lte": 3}), ("refuse", None)],
)
def test_a_date_in_a_filter_on_a_date_time(filled: Caller, how: str, found: dict[str, int] | None) -> None:
    choose(filled, date_on_date_time=how)
    for operator, count in (found or {"$eq": 0, "$gt": 0, "$lte": 0}).items():
        reply = filled.query(
            object=DEPARTMENT, fields=["id"], filters=[{operator: {"audit.createdDateTime": "2026-03-20"}}]
        )
        assert reply.status == (400 if found is None else 200)
        assert found is None or reply.json()["ia::meta"]["totalCount"] == count
    assert filled.query(object=DEPARTMENT, fields=["id"], filters=[{"$eq": {"audit.createdDateTime": "today"}}]).json()[
        "ia::meta"
    ] == {"totalCount": 3, "start": 1, "pageSize": 100, "next": None, "previous": None}


def test_a_filter_on_a_field_that_is_not_there(filled: Caller) -> None:
    def answer() -> Any:
        return filled.query(object=DEPARTMENT, fields=["id"], filters=[{"$eq": {"location.id": "1"}}])

    assert answer().json()["ia::result"]["ia::error"]["additionalInfo"]["placeholders"]["FIELD"] == "location.id"
    choose(filled, unknown_filter_field="FIELD_PATH")
    assert answer().status == 422
    details = answer().json()["ia::result"]["ia::error"]["details"]
    assert [entry["additionalInfo"]["placeholders"] for entry in details] == [{"FIELD_PATH": "LOCATION"}]
    assert filled.query(object=DEPARTMENT, fields=["location.id"]).status == 400


@pytest.mark.parametrize("how", ["entries", "error"])
def test_an_atomic_batch_that_failed(filled: Caller, how: str) -> None:
    choose(filled, atomic_failure=how)
    records = [{"id": "N", "name": "N"}, {"id": "A", "name": "again"}]
    reply = filled.post(PATH, records, x_ia_api_param_transaction="true")
    assert reply.status == 422
    result = reply.json()["ia::result"]
    if how == "error":
        assert result["ia::error"]["errorId"] == "REST-7001"
    else:
        assert [entry["ia::error"]["code"] for entry in result] == ["unprocessed", "operationFailed"]
    assert query(filled)["ia::meta"]["totalCount"] == 3


@pytest.mark.parametrize("status", [422, 400])
def test_the_status_of_a_business_refusal(filled: Caller, status: int) -> None:
    choose(filled, failed_status=str(status))
    again = {"id": "A", "name": "again"}
    assert filled.post(PATH, again).status == status
    entries = filled.post(PATH, [again, {"id": "N", "name": "N"}]).json()["ia::result"]
    assert [entry["ia::status"] for entry in entries] == [status, 201]


@pytest.mark.parametrize(("how", "status"), [("same", 400), ("409", 409)])
def test_the_status_of_a_duplicate(filled: Caller, how: str, status: int) -> None:
    choose(filled, failed_status="400", duplicate_status=how)
    reply = filled.post(PATH, {"id": "A", "name": "again"}, idempotency_key="k")
    assert reply.status == status
    assert reply.json()["ia::result"]["ia::error"]["details"][0]["code"] == "duplicateRecord"
    assert filled.post(PATH, {"id": "A", "name": "again"}, idempotency_key="k").status == status


@pytest.mark.parametrize("shape", ["envelope", "gateway"])
def test_the_body_of_a_403(filled: Caller, sign_in: Any, shape: str) -> None:
    choose(filled, forbidden_body=shape)
    reply = sign_in("us@demo").get(PATH, x_ia_api_param_entity="E120")
    assert reply.status == 403
    content = reply.json()
    error = content["error"] if shape == "gateway" else content["ia::result"]["ia::error"]
    assert error["code"] == "forbidden"


@pytest.mark.parametrize(("how", "status"), [("refuse", 400), ("round", 201)])
def test_an_amount_with_more_decimals_than_it_has_room_for(filled: Caller, how: str, status: int) -> None:
    choose(filled, excess_decimals=how)
    for given, kept in (("0.005", "0.01"), (0.1 + 0.2, "0.30"), ("-2.675", "-2.68")):
        body = {"name": "x", "projectCurrency": "USD", "category": "contract", "contractAmount": given}
        reply = filled.post("/objects/projects/project", {"id": f"P{given}", **body})
        assert reply.status == status, reply.body
        if status == 201:
            project = filled.get(f"/objects/projects/project/{reply.json()['ia::result']['key']}").json()["ia::result"]
            assert project["contractAmount"] == kept
