"""Create, update and delete: what Sage fills in, what it refuses, and how lines follow their owner."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.simulator.companies import BILL, PART, THING, admin, bill, group, refused, things

from tieout.simulator.company import Company

LINE = "accounts-payable/bill-line"
VENDOR = "accounts-payable/vendor"
ENTRY = "general-ledger/journal-entry"
INVOICE = "accounts-receivable/invoice"


@pytest.fixture
def company() -> Iterator[Company]:
    made = group()
    yield made
    made.close()


@pytest.fixture
def parts() -> Iterator[Company]:
    made = things()
    yield made
    made.close()


def invoice(**more: Any) -> dict[str, Any]:
    line = {"txnAmount": "5.10", "glAccount": {"id": "6000"}, "dimensions": {"location": {"id": "L1"}}}
    body = {"customer": {"id": "C1"}, "invoiceDate": "2026-01-01", "dueDate": "2026-02-01", "lines": [line]}
    return body | more


def entry(*amounts: tuple[str, str], **more: Any) -> dict[str, Any]:
    lines = [
        {"txnType": kind, "txnAmount": amount, "glAccount": {"id": "6000"}, "dimensions": {"location": {"id": "L1"}}}
        for kind, amount in amounts
    ]
    return {"glJournal": {"id": "GJ"}, "postingDate": "2026-01-31", "description": "x", "lines": lines} | more


# ---- create -----------------------------------------------------------------------------------------------------


def test_a_bill_gets_key_state_totals_and_stamps(company: Company) -> None:
    reference = company.create(BILL, bill(), admin(company))
    assert reference == {"key": "1", "id": "1", "href": "/objects/accounts-payable/bill/1"}
    record = company.read(BILL, "1", admin(company))
    assert record["state"] == "draft"
    assert record["recordType"] == "pi"
    assert record["postingDate"] == "2026-01-01"
    for total in ("totalTxnAmount", "totalBaseAmount", "totalTxnAmountDue", "totalBaseAmountDue"):
        assert record[total] == "12.10"
    assert record["vendor"]["name"] == "Müller & O'Brien"
    assert record["vendor"]["href"] == "/objects/accounts-payable/vendor/1"
    assert record["term"] == {"key": None, "id": None}
    audit = record["audit"]
    assert audit["createdDateTime"] == audit["modifiedDateTime"] == "2026-03-20T10:00:00Z"
    assert audit["createdByUser"]["id"] == "admin"
    assert [line["lineNumber"] for line in record["lines"]] == ["1", "2"]
    assert [line["baseAmount"] for line in record["lines"]] == ["5.10", "7.00"]
    assert record["lines"][0]["bill"] == {"key": "1", "id": "1", "href": "/objects/accounts-payable/bill/1"}
    assert record["lines"][0]["dimensions"]["location"]["name"] == "Boston"
    assert record["lines"][0]["dimensions"]["project"] == {"key": None, "id": None}
    assert record["lines"][0]["audit"]["createdDateTime"] == "2026-03-20T10:00:00Z"


@pytest.mark.parametrize(
    ("object", "body", "state"),
    [
        (BILL, bill(), "draft"),
        (INVOICE, invoice(), "posted"),
        (ENTRY, entry(("debit", "1.00"), ("credit", "1.00")), "posted"),
        ("time/timesheet", {"beginDate": "2026-01-05", "employee": {"id": "EMP1"}}, "draft"),
        ("time/timesheet", {"beginDate": "2026-01-05", "state": "submitted", "employee": {"id": "EMP1"}}, "submitted"),
    ],
)
def test_the_state_without_one_differs_per_object(
    company: Company, object: str, body: dict[str, Any], state: str
) -> None:
    key = company.create(object, body, admin(company))["key"]
    assert company.read(object, key, admin(company))["state"] == state


def test_a_timesheet_covers_seven_days(company: Company) -> None:
    key = company.create("time/timesheet", {"beginDate": "2025-12-29", "employee": {"id": "EMP1"}}, admin(company))[
        "key"
    ]
    assert company.read("time/timesheet", key, admin(company))["endDate"] == "2026-01-04"
    company.update("time/timesheet", key, {"beginDate": "2026-01-05"}, admin(company))
    assert company.read("time/timesheet", key, admin(company))["endDate"] == "2026-01-11"


def test_master_data_keeps_its_id_and_takes_the_key_without_one(company: Company) -> None:
    assert company.create(VENDOR, {"id": "V9", "name": "x"}, admin(company))["id"] == "V9"
    record = company.read(VENDOR, "3", admin(company))
    assert (record["status"], record["totalDue"]) == ("active", "0.00")
    project = {"name": "x", "category": "contract"}
    created = company.create("projects/project", project, admin(company))
    assert created["id"] == created["key"] == "1"


def test_money_is_answered_with_its_digits_however_it_was_sent(parts: Company) -> None:
    for given, answered in ((7, "7.00"), ("7.5", "7.50"), (0.1, "0.10"), ("-0.00", "0.00"), ("2.6700", "2.67")):
        key = parts.create(THING, {"name": "n", "amount": given}, admin(parts))["key"]
        assert parts.read(THING, key, admin(parts))["amount"] == answered


@pytest.mark.parametrize("given", ["5.005", "-0.001", 2.675])
def test_money_with_more_digits_than_the_field_is_refused_not_rounded(parts: Company, given: object) -> None:
    refusal = refused(parts.create, THING, {"name": "n", "amount": given}, admin(parts))
    assert refusal.status == 400


def test_keys_only_grow_also_after_a_delete_and_a_restart(tmp_path: Any) -> None:
    path = tmp_path / "grow.company"
    keys = []
    for _ in range(3):
        company = Company("grow", path)
        company.add_user("admin")
        keys.append(company.create(VENDOR, {"id": "V1", "name": "x"}, admin(company))["key"])
        company.delete(VENDOR, keys[-1], admin(company))
        company.close()
    assert keys == ["1", "2", "3"]


# ---- refusals ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "details"),
    [
        ({"newDate": "x"}, ["/newDate is not a valid field"]),
        (
            {"id": "x", "audit": {"createdBy": "1"}},
            ["/id is a read-only field", "/audit/createdBy is a read-only field"],
        ),
        ({"dueDate": None}, ["/dueDate is a required field"]),
        ({"dueDate": "01/02/2026"}, ["/dueDate is not valid: a date YYYY-MM-DD expected"]),
        ({"dueDate": "2026-02-30"}, ["/dueDate is not valid: a date YYYY-MM-DD expected"]),
        ({"isOnHold": "no"}, ["/isOnHold is not valid: true or false expected"]),
        ({"paymentPriority": "soon"}, ["/paymentPriority is not valid: one of urgent, high, normal, low expected"]),
        ({"vendor": {"id": ""}}, ["/vendor/id cannot be blank"]),
        ({"vendor": "V1"}, ["/vendor is not valid: an object with key or id expected"]),
        ({"lines": {}}, ["/lines is not valid: an array expected"]),
        ({"lines": [{"txnAmount": "7,5"}]}, None),
        ({"lines": ["x"]}, ["/lines/0 is not valid: an object expected"]),
    ],
)
def test_every_mistake_of_a_body_is_named(company: Company, more: dict[str, Any], details: list[str] | None) -> None:
    refusal = refused(company.create, BILL, bill(**more), admin(company))
    assert (refusal.status, refusal.error_id) == (400, "REST-1064")
    messages = [entry["message"] for entry in refusal.details]
    if details is None:
        details = [
            "/lines/0/txnAmount is not valid: a decimal with 2 digits expected",
            "/lines/0/glAccount is a required field",
            "/lines/0/dimensions/location is a required field",
        ]
    assert messages == details
    assert company.query({"object": BILL, "fields": ["key"]}, admin(company)).total == 0


def test_a_reference_is_resolved_by_key_or_id_or_refused(company: Company) -> None:
    key = company.create(BILL, bill(vendor={"key": "1"}), admin(company))["key"]
    assert company.read(BILL, key, admin(company))["vendor"]["id"] == "V1"
    for project in ({"id": None}, None, {"key": None, "id": None}):
        body = bill()
        body["lines"][0]["dimensions"] |= {"project": project}
        key = company.create(BILL, body, admin(company))["key"]
        assert company.read(BILL, key, admin(company))["lines"][0]["dimensions"]["project"] == {"key": None, "id": None}
    refusal = refused(company.create, BILL, bill(vendor={"id": "V77"}), admin(company))
    assert (refusal.status, refusal.error_id) == (422, "REST-7001")
    assert refusal.details[0]["message"] == "Vendor 'V77' specified is not valid."
    assert refusal.details[0]["target"] == "/vendor/id"


def test_inactive_master_data_is_refused_in_transactions_only(company: Company) -> None:
    refusal = refused(company.create, BILL, bill(vendor={"id": "V2"}), admin(company))
    assert (refusal.status, refusal.details[0]["target"]) == (422, "/vendor")
    assert refusal.details[0]["message"] == "Activate the vendor V2, then try again."
    company.create(VENDOR, {"id": "V3", "name": "Child", "parent": {"id": "V2"}}, admin(company))
    company.update(VENDOR, "2", {"status": "active"}, admin(company))
    company.create(BILL, bill(vendor={"id": "V2"}), admin(company))


def test_an_id_is_given_once(company: Company) -> None:
    refusal = refused(company.create, VENDOR, {"id": "V1", "name": "x"}, admin(company))
    assert (refusal.status, refusal.error_id) == (422, "REST-7001")
    assert refusal.details[0]["message"] == "Another record with the value already exists"
    company.create(VENDOR, {"id": "v1", "name": "x"}, admin(company))


@pytest.mark.parametrize("state", ["posted", "approved", "nonsense"])
def test_an_invoice_or_entry_may_only_say_draft(company: Company, state: str) -> None:
    body = entry(("debit", "1.00"), ("credit", "1.00"), state=state)
    assert refused(company.create, ENTRY, body, admin(company)).status == 400
    company.create(ENTRY, body | {"state": "draft"}, admin(company))


def test_a_state_is_not_patched(company: Company) -> None:
    key = company.create(BILL, bill(), admin(company))["key"]
    refusal = refused(company.update, BILL, key, {"state": "posted"}, admin(company))
    assert refusal.details[0]["message"] == "/state is a read-only field"


def test_an_entry_that_does_not_balance_leaves_nothing_behind(company: Company) -> None:
    refusal = refused(company.create, ENTRY, entry(("debit", "1.00"), ("credit", "0.99")), admin(company))
    assert [detail["errorId"] for detail in refusal.details] == ["GL-0951", "GL-1009"]
    for object in (ENTRY, "general-ledger/journal-entry-line"):
        assert company.query({"object": object, "fields": ["key"]}, admin(company)).total == 0
    company.create(ENTRY, entry(("debit", "1.00"), ("credit", "0.99"), ("credit", "0.01")), admin(company))


# ---- update and delete ------------------------------------------------------------------------------------------


def test_what_is_not_named_stays_and_null_clears(company: Company) -> None:
    key = company.create(BILL, bill(description="d", billNumber="B1"), admin(company))["key"]
    company.clock.advance(60)
    company.settings.set({"incomplete_documents": "accepted"})
    assert company.update(BILL, key, {"description": None, "vendor": {"id": None}}, admin(company))["key"] == key
    record = company.read(BILL, key, admin(company))
    assert (record["description"], record["billNumber"]) == (None, "B1")
    assert record["vendor"] == {"key": None, "id": None}
    assert record["audit"]["createdDateTime"] == "2026-03-20T10:00:00Z"
    assert record["audit"]["modifiedDateTime"] == "2026-03-20T10:01:00Z"


def test_what_is_settable_on_create_only_is_not_patched(company: Company) -> None:
    refusal = refused(company.update, VENDOR, "1", {"id": "V8"}, admin(company))
    assert refusal.details[0]["message"] == "/id is a read-only field"
    refused_key = refused(company.update, VENDOR, "77", {"name": "x"}, admin(company))
    assert (refused_key.status, refused_key.code) == (404, "notFound")


def test_lines_are_added_changed_and_deleted_through_the_owner(company: Company) -> None:
    key = company.create(BILL, bill(), admin(company))["key"]
    first, second = (line["key"] for line in company.read(BILL, key, admin(company))["lines"])
    company.clock.advance(60)
    new = {"txnAmount": "1.00", "glAccount": {"id": "2000"}, "dimensions": {"location": {"id": "L1"}}}
    lines = [{"key": first, "memo": "m"}, {"key": second, "ia::operation": "delete"}, new]
    company.update(BILL, key, {"lines": lines}, admin(company))
    record = company.read(BILL, key, admin(company))
    assert [(line["key"], line["memo"], line["txnAmount"]) for line in record["lines"]] == [
        (first, "m", "5.10"),
        ("3", None, "1.00"),
    ]
    assert record["totalTxnAmount"] == record["totalTxnAmountDue"] == "6.10"
    stamps = [line["audit"]["modifiedDateTime"] for line in record["lines"]]
    assert stamps == ["2026-03-20T10:01:00Z"] * 2
    assert record["lines"][0]["audit"]["createdDateTime"] == "2026-03-20T10:00:00Z"


def test_a_line_of_another_owner_is_not_changed(company: Company) -> None:
    mine, other = (company.create(BILL, bill(), admin(company))["key"] for _ in range(2))
    line = company.read(BILL, other, admin(company))["lines"][0]["key"]
    refusal = refused(company.update, BILL, mine, {"memo": "x", "lines": [{"key": line}]}, admin(company))
    assert refusal.status == 400
    refusal = refused(company.update, BILL, mine, {"lines": [{"key": line, "memo": "x"}]}, admin(company))
    assert (refusal.status, refusal.details[0]["target"]) == (422, "/lines/0/key")
    odd = {"lines": [{"key": line, "ia::operation": "drop"}]}
    assert refused(company.update, BILL, mine, odd, admin(company)).status == 400


def test_lines_can_be_addressed_themselves(company: Company) -> None:
    key = company.create(BILL, bill(), admin(company))["key"]
    body = {"txnAmount": "3.00", "glAccount": {"id": "6000"}, "dimensions": {"location": {"id": "L1"}}}
    assert refused(company.create, LINE, body, admin(company)).status == 400
    line = company.create(LINE, body | {"bill": {"key": key}}, admin(company))["key"]
    assert company.read(BILL, key, admin(company))["totalTxnAmount"] == "15.10"
    assert company.read(BILL, key, admin(company))["lines"][2]["lineNumber"] == "3"
    company.update(LINE, line, {"txnAmount": "4.00"}, admin(company))
    assert company.read(BILL, key, admin(company))["totalTxnAmount"] == "16.10"
    assert refused(company.update, LINE, line, {"bill": {"key": "2"}}, admin(company)).status == 400
    company.delete(LINE, line, admin(company))
    assert company.read(BILL, key, admin(company))["totalTxnAmount"] == "12.10"


def test_lines_go_with_their_owner(company: Company) -> None:
    key = company.create(BILL, bill(), admin(company))["key"]
    kept = company.create(BILL, bill(), admin(company))["key"]
    company.delete(BILL, key, admin(company))
    assert refused(company.read, BILL, key, admin(company)).status == 404
    assert refused(company.delete, BILL, key, admin(company)).status == 404
    rows = company.query({"object": LINE, "fields": ["bill.key"]}, admin(company)).rows
    assert rows == [{"bill.key": kept}] * 2


def test_recorded_totals_stay_until_a_line_is_edited(company: Company) -> None:
    company.load(
        BILL, [{"key": "9", "totalTxnAmount": "99.00", "totalTxnAmountDue": "50.00", "lines": [{"txnAmount": "1.00"}]}]
    )
    company.update(BILL, "9", {"description": "x"}, admin(company))
    record = company.read(BILL, "9", admin(company))
    assert (record["totalTxnAmount"], record["totalTxnAmountDue"]) == ("99.00", "50.00")
    company.update(BILL, "9", {"lines": [{"key": record["lines"][0]["key"], "txnAmount": "2.00"}]}, admin(company))
    assert company.read(BILL, "9", admin(company))["totalTxnAmount"] == "2.00"


def test_a_reading_of_an_invoice_hides_its_subtotals(company: Company) -> None:
    lines = [{"txnAmount": "1.00"}, {"txnAmount": "1.00", "isSubtotal": "subtotal"}]
    company.load(INVOICE, [{"key": "1", "lines": lines}])
    assert len(company.read(INVOICE, "1", admin(company))["lines"]) == 1
    assert company.query({"object": f"{INVOICE}-line", "fields": ["key"]}, admin(company)).total == 2


def test_inline_lists_and_nested_values_are_kept(parts: Company) -> None:
    body = {"name": "n", "notes": [{"text": "a"}], "tags": ["x"], "box": {"colour": "red", "Colour": "RED"}}
    key = parts.create(THING, body | {"parts": [{"weight": 1}]}, admin(parts))["key"]
    record = parts.read(THING, key, admin(parts))
    assert (record["notes"], record["tags"]) == ([{"text": "a"}], ["x"])
    assert record["box"] == {"colour": "red", "Colour": "RED"}
    assert record["parts"][0]["thing"]["id"] == key
    has = {"object": THING, "fields": ["key"], "filters": [{"$has": {"tags": "x"}}]}
    assert parts.query(has, admin(parts)).total == 1
    assert parts.read(PART, "1", admin(parts))["weight"] == 1


# ---- all or nothing ---------------------------------------------------------------------------------------------


def test_a_batch_that_fails_is_undone_and_the_company_goes_on(company: Company) -> None:
    company.create(VENDOR, {"id": "V5", "name": "x"}, admin(company))

    def batch() -> None:
        with company.atomically():
            company.create(BILL, bill(), admin(company))
            company.create("company-config/department", {"id": "D1", "name": "d"}, admin(company))
            company.create(VENDOR, {"id": "V5", "name": "again"}, admin(company))

    assert refused(batch).status == 422
    for object in (BILL, LINE, "company-config/department"):
        assert company.query({"object": object, "fields": ["key"]}, admin(company)).total == 0
    company.create("company-config/department", {"id": "D1", "name": "d"}, admin(company))
    company.create(BILL, bill(), admin(company))
    assert company.query({"object": BILL, "fields": ["vendor.id"]}, admin(company)).rows == [{"vendor.id": "V1"}]


def test_one_failing_record_does_not_undo_the_others(company: Company) -> None:
    with company.atomically():
        company.create(VENDOR, {"id": "A", "name": "x"}, admin(company))
        assert refused(company.create, VENDOR, {"id": "A", "name": "y"}, admin(company)).status == 422
        company.create(VENDOR, {"id": "B", "name": "x"}, admin(company))
    ids = company.query({"object": VENDOR, "fields": ["id"], "orderBy": [{"key": "asc"}]}, admin(company)).rows
    assert [row["id"] for row in ids] == ["V1", "V2", "A", "B"]


def test_a_field_that_only_the_examples_make_look_read_only(caller: Any, simulator: Any) -> None:
    card = {"id": "NON-REIMB", "isNonReimbursable": True}
    path = "/objects/expenses/employee-expense-payment-type"
    key = caller.post(path, card).json()["ia::result"]["key"]
    assert caller.get(f"{path}/{key}").json()["ia::result"]["isNonReimbursable"] is True
    assert caller.post(path, {"id": "X", "href": "/objects/x"}).status == 400
    simulator.settings.set({"guessed_read_only": "refused"})
    details = caller.post(path, {**card, "id": "OTHER"}).json()["ia::result"]["ia::error"]["details"]
    assert [detail["errorId"] for detail in details] == ["REST-1050"]
