"""What a company's switches and records refuse, and what they supply (REST reference 4.4, 8.4, 9.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.simulator.companies import BILL, admin, bill, group, refused

from tieout.simulator.company import Company

ACCOUNT = "general-ledger/account"
CUSTOMER = "accounts-receivable/customer"
ENTRY = "general-ledger/journal-entry"
INVOICE = "accounts-receivable/invoice"
LABEL = "accounts-receivable/account-label"
TIMESHEET = "time/timesheet"
VENDOR = "accounts-payable/vendor"


@pytest.fixture
def company() -> Iterator[Company]:
    made = group()
    yield made
    made.close()


def line(**more: Any) -> dict[str, Any]:
    return {"txnAmount": "5.00", "glAccount": {"id": "6000"}, "dimensions": {"location": {"id": "L1"}}} | more


def invoice(**more: Any) -> dict[str, Any]:
    body = {"customer": {"id": "C1"}, "invoiceDate": "2026-01-10", "dueDate": "2026-02-01", "lines": [line()]}
    return body | more


def entry(*lines: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    made = [
        {"txnType": kind, "txnAmount": amount, "glAccount": {"id": "6000"}, "dimensions": {"location": {"id": place}}}
        for kind, amount, place in lines
    ]
    return {"glJournal": {"id": "GJ"}, "postingDate": "2026-01-31", "description": "x", "lines": made} | more


def words(refusal: Any) -> str:
    return str(refusal.details[0]["message"])


# ---- closed periods ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("object", "body"),
    [
        (BILL, bill()),
        (INVOICE, invoice()),
        (ENTRY, entry(("debit", "1.00", "L1"), ("credit", "1.00", "L1"))),
    ],
)
def test_closed_books_take_nothing_before_their_day(company: Company, object: str, body: dict[str, Any]) -> None:
    company.settings.set({"books_closed_until": "2026-01-31"})
    refusal = refused(company.create, object, body, admin(company))
    assert refusal.status == 422
    assert "period is closed" in words(refusal)
    assert "Date must be on or after 2026-02-01" in words(refusal)
    company.settings.set({"books_closed_until": "2025-12-31"})
    key = company.create(object, body, admin(company))["key"]
    company.settings.set({"books_closed_until": "2026-01-31"})
    assert refused(company.update, object, key, {"description": "y"}, admin(company)).status == 422
    assert refused(company.delete, object, key, admin(company)).status == 422


def test_a_draft_may_wait_in_a_closed_period_where_the_company_lets_it(company: Company) -> None:
    company.settings.set({"books_closed_until": "2026-01-31", "drafts_need_open_period": False})
    key = company.create(BILL, bill(), admin(company))["key"]
    assert "period is closed" in words(refused(company.act, BILL, "submit", {"key": key}, admin(company)))


def test_an_entity_closes_its_own_books(company: Company) -> None:
    company.load("company-config/entity", [{"key": "9", "id": "E9", "name": "x", "openBooksStartDate": "2026-06-01"}])
    company.load("company-config/location", [{"key": "90", "id": "E9"}, {"id": "L9", "parent": {"key": "90"}}])
    there = invoice(lines=[line(dimensions={"location": {"id": "L9"}})])
    assert "Date must be on or after 2026-06-01" in words(refused(company.create, INVOICE, there, admin(company)))
    company.create(INVOICE, invoice(), admin(company))


# ---- numbers ----------------------------------------------------------------------------------------------------


def test_without_numbering_a_vendor_needs_an_id_with_it_he_gets_the_next_free_one(company: Company) -> None:
    assert refused(company.create, VENDOR, {"name": "x"}, admin(company)).details[0]["target"] == "/id"
    assert refused(company.create, CUSTOMER, {"name": "x"}, admin(company)).details[0]["target"] == "/id"
    company.settings.set({"document_numbering": True})
    company.create(VENDOR, {"id": "V-00002", "name": "x"}, admin(company))
    given = [company.create(VENDOR, {"name": "x"}, admin(company))["id"] for _ in range(2)]
    assert given == ["V-00001", "V-00003"]
    key = company.create(BILL, bill(), admin(company))["key"]
    assert company.read(BILL, key, admin(company))["billNumber"] == "BILL-00001"


def test_a_number_of_a_write_that_was_undone_is_given_again(company: Company) -> None:
    company.settings.set({"document_numbering": True})
    bad = {"name": "x", "term": {"id": "nowhere"}}
    assert refused(company.create, VENDOR, bad, admin(company)).status == 422
    assert company.create(VENDOR, {"name": "x"}, admin(company))["id"] == "V-00001"


def test_a_bill_number_is_given_once_to_a_vendor(company: Company) -> None:
    company.load(VENDOR, [{"id": "V9", "status": "active"}])
    company.create(BILL, bill(billNumber="B1"), admin(company))
    refusal = refused(company.create, BILL, bill(billNumber="B1"), admin(company))
    assert words(refusal) == "Another record with the value already exists"
    other = company.create(BILL, bill(billNumber="B1", vendor={"id": "V9"}), admin(company))["key"]
    assert refused(company.update, BILL, other, {"vendor": {"id": "V1"}}, admin(company)).status == 422
    company.settings.set({"duplicate_bill_numbers": "allowed"})
    company.create(BILL, bill(billNumber="B1"), admin(company))


def test_a_task_id_is_unique_within_its_project_only(company: Company) -> None:
    company.load("projects/project", [{"id": "P1"}, {"id": "P2"}])
    for project in ("P1", "P2"):
        task = {"id": "T", "name": "t", "project": {"id": project}, "taskStatus": "planned"}
        company.create("projects/task", task, admin(company))
        assert refused(company.create, "projects/task", task, admin(company)).status == 422


def test_a_term_supplies_the_due_date_where_the_company_has_it_so(company: Company) -> None:
    terms = (
        ("N30", 30, "fromBillDate", "2026-01-31"),
        ("EOM", 10, "ofNextMonthFromBillDate", "2026-02-10"),
        ("END", 20, "fromBillDateExtendingToEom", "2026-01-31"),
        ("AFT", 5, "afterEndOfMonthOfBillDate", "2026-02-05"),
    )
    body = {name: value for name, value in bill().items() if name != "dueDate"}
    for identity, days, since, expected in terms:
        company.load(
            "accounts-payable/term", [{"id": identity, "status": "active", "due": {"days": days, "from": since}}]
        )
        company.settings.set({"terms_supply_due_date": False})
        assert refused(company.create, BILL, body | {"term": {"id": identity}}, admin(company)).status == 400
        company.settings.set({"terms_supply_due_date": True})
        key = company.create(BILL, body | {"term": {"id": identity}}, admin(company))["key"]
        assert company.read(BILL, key, admin(company))["dueDate"] == expected
    assert refused(company.create, BILL, body, admin(company)).status == 400


# ---- accounts and labels ----------------------------------------------------------------------------------------


def test_an_account_asks_for_dimensions(company: Company) -> None:
    company.load(ACCOUNT, [{"id": "7000", "status": "active", "requireDimensions": {"department": True}}])
    company.load("company-config/department", [{"id": "D1", "status": "active"}])
    refusal = refused(company.create, BILL, bill(lines=[line(glAccount={"id": "7000"})]), admin(company))
    assert (refusal.status, refusal.details[0]["target"]) == (422, "/lines/0/dimensions/department")
    places = {"location": {"id": "L1"}, "department": {"id": "D1"}}
    body = bill(lines=[line(glAccount={"id": "7000"}, dimensions=places)])
    key = company.create(BILL, body, admin(company))["key"]
    mine = company.read(BILL, key, admin(company))["lines"][0]["key"]
    bare = {"lines": [{"key": mine, "dimensions": {"department": None}}]}
    assert refused(company.update, BILL, key, bare, admin(company)).status == 422


def test_labels_of_subtotals_and_overridden_accounts_are_refused_with_their_numbers(company: Company) -> None:
    company.load(
        LABEL,
        [
            {"id": "Sub", "status": "active", "isSubtotal": True},
            {"id": "Fees", "status": "active", "glAccount": {"key": "2"}},
        ],
    )
    subtotal = invoice(lines=[line(accountLabel={"id": "Sub"})])
    assert refused(company.create, INVOICE, subtotal, admin(company)).details[0]["errorId"] == "AR-0148"
    other = invoice(lines=[line(accountLabel={"id": "Fees"})])
    company.create(INVOICE, other, admin(company))
    company.settings.set({"account_override_refused": True, "subtotal_labels": "allowed"})
    assert refused(company.create, INVOICE, other, admin(company)).details[0]["errorId"] == "AR-0279"
    same = invoice(lines=[line(accountLabel={"id": "Fees"}, glAccount={"id": "2000"})])
    company.create(INVOICE, same, admin(company))
    alone = {name: value for name, value in line(accountLabel={"id": "Fees"}).items() if name != "glAccount"}
    bills = "accounts-payable/account-label"
    company.load(bills, [{"id": "Fees", "status": "active", "glAccount": {"key": "2"}}])
    assert refused(company.create, BILL, bill(lines=[alone]), admin(company)).status == 400
    company.settings.set({"account_label_suffices": True})
    key = company.create(BILL, bill(lines=[alone]), admin(company))["key"]
    assert company.read(BILL, key, admin(company))["lines"][0]["glAccount"]["id"] == "2000"


# ---- references -------------------------------------------------------------------------------------------------


def test_a_record_that_is_referred_to_stays(company: Company) -> None:
    key = company.create(BILL, bill(), admin(company))["key"]
    refusal = refused(company.delete, VENDOR, "1", admin(company))
    assert (refusal.status, words(refusal)) == (422, f"{VENDOR} 1 cannot be deleted because it is used by {BILL} {key}")
    assert refused(company.delete, ACCOUNT, "1", admin(company)).status == 422
    company.delete(BILL, key, admin(company))
    company.delete(VENDOR, "1", admin(company))


def test_key_and_id_of_two_records_contradict_each_other(company: Company) -> None:
    refusal = refused(company.create, BILL, bill(vendor={"key": "1", "id": "V2"}), admin(company))
    assert (refusal.status, words(refusal)) == (422, "Key 1 and id V2 are not of the same record")
    company.create(BILL, bill(vendor={"key": "1", "id": "V1"}), admin(company))


def test_what_is_not_for_posting_is_not_posted_to(company: Company) -> None:
    company.load("company-config/location", [{"id": "L8", "status": "activeNonPosting"}])
    body = bill(lines=[line(dimensions={"location": {"id": "L8"}})])
    refusal = refused(company.create, BILL, body, admin(company))
    assert words(refusal) == "The location 'L8' is invalid."
    assert refusal.details[0]["correction"] == "Use a company-config/location that is for posting"


# ---- required ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("object", "body", "targets"),
    [
        (ACCOUNT, {"id": "1", "name": "x", "closingType": "closingAccount"}, ["/closeToGLAccount"]),
        (
            ENTRY,
            {"glJournal": {"id": "GJ"}, "postingDate": "2026-01-01", "description": "x", "lines": []},
            ["/lines", "/lines"],
        ),
        ("accounts-receivable/payment", {"customer": {"id": "C1"}}, ["/undepositedGLAccount", "/financialEntity"]),
        (
            "accounts-receivable/payment",
            {"payerName": "x", "financialEntity": {"entityId": "B"}, "txnCurrency": {"totalAmount": "1.00"}},
            ["/txnCurrency/currency"],
        ),
        ("accounts-payable/payment", {"vendor": {"id": None}}, None),
    ],
)
def test_conditions_of_required_fields(
    company: Company, object: str, body: dict[str, Any], targets: list[str] | None
) -> None:
    refusal = refused(company.create, object, body, admin(company))
    found = [detail["target"] for detail in refusal.details]
    assert found == targets if targets is not None else "/vendor" in found


def test_a_new_line_of_a_patch_must_be_whole(company: Company) -> None:
    key = company.create(BILL, bill(), admin(company))["key"]
    refusal = refused(company.update, BILL, key, {"lines": [{"memo": "x"}]}, admin(company))
    assert [detail["target"] for detail in refusal.details] == [
        "/lines/0/txnAmount",
        "/lines/0/glAccount",
        "/lines/0/dimensions/location",
    ]


def test_what_cannot_work_is_refused_or_not_as_the_switch_says(company: Company) -> None:
    for body in (bill(vendor=None), bill(lines=[])):
        assert refused(company.create, BILL, body, admin(company)).status == 422
        company.settings.set({"incomplete_documents": "accepted"})
        company.create(BILL, body, admin(company))
        company.settings.clear()


def test_a_document_keeps_its_party_and_a_line(company: Company) -> None:
    """A posted entry without lines would be a booking of nothing, a bill without lines owed by nobody."""
    who = admin(company)
    entry_key = company.create(ENTRY, entry(("debit", "1.00", "L1"), ("credit", "1.00", "L1")), who)["key"]
    bill_key = company.create(BILL, bill(state="posted"), who)["key"]
    for object, key in ((ENTRY, entry_key), (BILL, bill_key)):
        before = company.read(object, key, who)
        gone = [{"key": line["key"], "ia::operation": "delete"} for line in before["lines"]]
        assert "without lines" in words(refused(company.update, object, key, {"lines": gone}, who))
        assert company.read(object, key, who) == before
    assert "without vendor" in words(refused(company.update, BILL, bill_key, {"vendor": None}, who))
    *others, last = company.read(BILL, bill_key, who)["lines"]
    for other in others:
        company.delete("accounts-payable/bill-line", other["key"], who)
    assert "without lines" in words(refused(company.delete, "accounts-payable/bill-line", last["key"], who))
    company.settings.set({"incomplete_documents": "accepted"})
    company.delete("accounts-payable/bill-line", last["key"], who)
    assert company.read(BILL, bill_key, who)["totalTxnAmountDue"] == "0.00"


# ---- entries over entities --------------------------------------------------------------------------------------


def test_an_entry_balances_in_each_entity_or_names_a_base_location(company: Company) -> None:
    company.load("company-config/location", [{"id": "E110", "status": "active"}, {"id": "E120", "status": "active"}])
    across = entry(("debit", "1.00", "E110"), ("credit", "1.00", "E120"))
    refusal = refused(company.create, ENTRY, across, admin(company))
    assert refusal.details[1]["errorId"] == "GL-1009"
    assert "E110, E120" in refusal.details[1]["message"]
    company.create(ENTRY, across | {"baseLocation": {"id": "E110"}}, admin(company))
    within = entry(*((kind, "1.00", place) for place in ("E110", "E120") for kind in ("debit", "credit")))
    company.create(ENTRY, within, admin(company))


# ---- states -----------------------------------------------------------------------------------------------------


def test_a_submitted_timesheet_is_closed_to_changes_until_it_comes_back(company: Company) -> None:
    sheet = {
        "beginDate": "2026-01-05",
        "employee": {"id": "EMP1"},
        "lines": [{"entryDate": "2026-01-05", "quantity": 8}],
    }
    key = company.create(TIMESHEET, sheet, admin(company))["key"]
    company.update(TIMESHEET, key, {"description": "x"}, admin(company))
    company.update(TIMESHEET, key, {"state": "submitted", "description": "y"}, admin(company))
    record = company.read(TIMESHEET, key, admin(company))
    assert (record["state"], record["lines"][0]["state"]) == ("submitted", "submitted")
    mine = record["lines"][0]["key"]
    for change in ({"description": "z"}, {"lines": [{"key": mine, "quantity": 9}]}):
        assert refused(company.update, TIMESHEET, key, change, admin(company)).status == 422
    assert refused(company.update, f"{TIMESHEET}-line", mine, {"quantity": 9}, admin(company)).status == 422
    assert refused(company.delete, f"{TIMESHEET}-line", mine, admin(company)).status == 422
    assert refused(company.delete, TIMESHEET, key, admin(company)).status == 422
    company.update(TIMESHEET, key, {"state": "approved"}, admin(company))
    assert refused(company.update, TIMESHEET, key, {"state": "draft"}, admin(company)).status == 400


@pytest.mark.parametrize("state", ["paid", "reversed", "selected"])
def test_states_that_payments_make_are_not_given_at_birth(company: Company, state: str) -> None:
    refusal = refused(company.create, BILL, bill(state=state), admin(company))
    assert (refusal.status, refusal.code) == (400, "invalidParameter")


def test_the_deprecated_action_stands_for_a_state(company: Company) -> None:
    key = company.create(INVOICE, invoice(action="draft"), admin(company))["key"]
    assert company.read(INVOICE, key, admin(company))["state"] == "draft"


# ---- money ------------------------------------------------------------------------------------------------------


def test_base_amounts_follow_the_rate_and_the_rate_must_be_known(company: Company) -> None:
    euros = {"txnCurrency": "EUR"}
    refusal = refused(company.create, BILL, bill(currency=euros), admin(company))
    assert [detail["target"] for detail in refusal.details] == ["/currency/exchangeRate"]
    given = bill(currency=euros | {"exchangeRate": {"rate": 1.5}})
    key = company.create(BILL, given, admin(company))["key"]
    record = company.read(BILL, key, admin(company))
    assert [entry["baseAmount"] for entry in record["lines"]] == ["7.65", "10.50"]
    assert (record["totalTxnAmount"], record["totalBaseAmount"]) == ("12.10", "18.15")
    assert record["lines"][0]["currency"]["txnCurrency"] == "EUR"
    company.update(BILL, key, {"currency": {"exchangeRate": {"rate": 2}}}, admin(company))
    assert company.read(BILL, key, admin(company))["totalBaseAmount"] == "24.20"
    daily = bill(currency=euros | {"exchangeRate": {"typeId": "Intacct Daily Rate"}})
    key = company.create(BILL, daily, admin(company))["key"]
    assert company.read(BILL, key, admin(company))["currency"]["exchangeRate"]["rate"] == 1.0836
    unknown = bill(currency={"txnCurrency": "XXX", "exchangeRate": {"typeId": "Intacct Daily Rate"}})
    assert refused(company.create, BILL, unknown, admin(company)).status == 422


def test_days_overdue_by_the_clock(company: Company) -> None:
    """2026-03-20; recorded invoices count the days overdue too."""
    key = company.create(BILL, bill(dueDate="2026-03-10"), admin(company))["key"]
    open_invoice = company.create(INVOICE, invoice(dueDate="2026-03-30"), admin(company))["key"]
    assert company.read(BILL, key, admin(company))["dueInDays"] == "10"
    assert company.read(INVOICE, open_invoice, admin(company))["dueInDays"] == -10
    company.clock.advance(86400 * 20)
    assert company.read(BILL, key, admin(company))["dueInDays"] == "30"
    late = {"object": INVOICE, "fields": ["key", "dueInDays"], "filters": [{"$gt": {"dueInDays": 0}}]}
    assert company.query(late, admin(company)).rows == [{"key": open_invoice, "dueInDays": 10}]
    company.clock.advance(-86400 * 20)
    assert company.query(late, admin(company)).total == 0


@pytest.mark.parametrize("moves", [True, False])
def test_whether_lines_move_their_owners_stamp_is_a_switch(company: Company, moves: bool) -> None:
    company.settings.set({"owner_stamp_moves": moves})
    key = company.create(BILL, bill(), admin(company))["key"]
    mine = company.read(BILL, key, admin(company))["lines"][0]["key"]
    for change in (
        lambda: company.update(BILL, key, {"lines": [{"key": mine, "memo": "x"}]}, admin(company)),
        lambda: company.update(f"{BILL}-line", mine, {"memo": "y"}, admin(company)),
    ):
        before = company.read(BILL, key, admin(company))["audit"]["modifiedDateTime"]
        company.clock.advance(60)
        change()
        record = company.read(BILL, key, admin(company))
        assert (record["audit"]["modifiedDateTime"] != before) is moves
        assert record["lines"][0]["audit"]["modifiedDateTime"] == company.clock.stamp()


# ---- documents and files ----------------------------------------------------------------------------------------


def test_documents_of_all_definitions_share_keys_and_write_their_names_encoded(company: Company) -> None:
    company.load("inventory-control/item", [{"id": "I1", "status": "active"}])
    company.load("inventory-control/warehouse", [{"id": "W1", "status": "active"}])
    places = {"item": {"id": "I1"}, "warehouse": {"id": "W1"}, "location": {"id": "L1"}}
    item = {"unit": "Each", "unitQuantity": "3", "unitPrice": "2.50", "dimensions": places}
    body = {"txnDate": "2026-01-01", "vendor": {"id": "V1"}, "documentNumber": "7", "lines": [item, item]}
    order = company.create("purchasing/document::Purchase Order", body, admin(company))
    assert order == {
        "key": "1",
        "id": "Purchase Order-7",
        "documentType": "Purchase Order",
        "href": "/objects/purchasing/document::Purchase%20Order/1",
    }
    source = body | {"sourceDocument": {"key": "1"}}
    bought = company.create("purchasing/document::Vendor Invoice", source, admin(company))
    assert bought["key"] == "2"
    record = company.read("purchasing/document::Purchase Order", "1", admin(company))
    assert (record["state"], record["subtotal"], record["total"]) == ("pending", "15.00", "15.00")
    answer = company.act("purchasing/document", "submit", {"key": "2"}, admin(company))
    assert (answer["state"], answer["href"]) == ("submitted", "/objects/purchasing/document::Vendor%20Invoice/2")


def test_files_of_an_attachment_come_and_go(company: Company) -> None:
    company.create("company-config/folder", {"id": "F1"}, admin(company))
    body = {"id": "A1", "name": "n", "folder": {"id": "F1"}, "files": [{"name": "a.txt", "data": "aGVsbG8="}]}
    key = company.create("company-config/attachment", body, admin(company))["key"]
    company.update("company-config/attachment", key, {"files": [{"name": "b.txt", "data": "eA=="}]}, admin(company))
    files = company.read("company-config/attachment", key, admin(company))["files"]
    assert [(file["name"], file["data"], file["size"]) for file in files] == [
        ("a.txt", "aGVsbG8=", 5),
        ("b.txt", "eA==", 1),
    ]
    gone = {"files": [{"key": files[0]["key"], "ia::operation": "delete"}]}
    company.update("company-config/attachment", key, gone, admin(company))
    assert [file["name"] for file in company.read("company-config/attachment", key, admin(company))["files"]] == [
        "b.txt"
    ]
    assert refused(company.update, "company-config/attachment", key, gone, admin(company)).status == 400
    bad = {"files": [{"name": "c", "data": "?"}]}
    assert refused(company.update, "company-config/attachment", key, bad, admin(company)).status == 400
    paid = company.create(BILL, bill(state="posted"), admin(company))["key"]
    company.update(BILL, paid, {"attachment": {"id": "A1"}}, admin(company))
    assert company.read(BILL, paid, admin(company))["attachment"]["id"] == "A1"


def test_a_completed_task_takes_no_time(company: Company) -> None:
    company.load("projects/project", [{"id": "P1", "status": "active"}])
    company.load("projects/task", [{"id": "T1", "project": {"key": "1"}, "taskStatus": "completed"}])
    hours = {"entryDate": "2026-01-05", "quantity": 8, "dimensions": {"task": {"key": "1"}}}
    sheet = {"beginDate": "2026-01-05", "employee": {"id": "EMP1"}, "lines": [hours]}
    assert "completed" in words(refused(company.create, TIMESHEET, sheet, admin(company)))


def test_the_company_has_a_base_currency_of_its_own(company: Company) -> None:
    company.settings.set({"base_currency": "EUR"})
    who = admin(company)
    key = company.create(BILL, bill(), who)["key"]
    made = company.read(BILL, key, who)
    assert made["currency"] == {
        "baseCurrency": "EUR",
        "txnCurrency": "EUR",
        "exchangeRate": {"date": None, "typeId": None, "rate": 1},
    }
    foreign = bill(currency={"txnCurrency": "USD"})
    assert "exchangeRate" in refused(company.create, BILL, foreign, who).details[0]["target"]
