"""sageintacctrestsdk 1.9.0 as its users use it: every object class it has, against the demo company.

The client stands for all that do what production code does: nulls for unset references, `filterExpression: null`,
pages by adding 2,000, a token that it takes for expired when a 400 says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.foreign.client import Foreign, ForeignError
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread

CLIENT = {"client_id": "demo-client", "client_secret": "demo-secret"}

ENTRY_LINES = [
    {
        "txnType": kind, "txnAmount": "10.00", "glAccount": {"id": account}, "documentId": None, "description": "d",
        "dimensions": {
            "location": {"id": "E110"}, "department": {"id": "100"}, "employee": {"id": None}, "project": {"id": None},
            "customer": {"id": None}, "vendor": {"id": None}, "item": {"id": None}, "task": {"id": None},
            "costType": {"id": None}, "class": {"id": None},
        },
    }
    for kind, account in (("debit", "6100"), ("credit", "1010"))
]  # fmt: skip
BILL_LINE = {
    "glAccount": {"id": "6100"}, "txnAmount": "12.50", "totalTxnAmount": "12.50", "memo": "paper",
    "dimensions": {"location": {"id": "E110"}, "department": {"id": "100"}, "project": {"id": None}},
}  # fmt: skip

CREATES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "accounts": ({"id": "9{n:03}", "name": "Account {n}"}, {"name": "Renamed"}),
    "allocations": (
        {"id": "ALLOC-{n}", "description": "Halves", "allocateBy": "percentage", "lines": [
            {"value": "50", "dimensions": {"location": {"id": "E110"}}},
            {"value": "50", "dimensions": {"location": {"id": "E120"}}},
        ]},
        {"description": "Other halves"},
    ),
    "ap_payments": (
        {"financialEntity": {"entityId": "BOA-{n}"}, "vendor": {"id": "V-2001"}, "paymentMethod": "printedCheck",
         "paymentDate": "2026-01-31", "baseCurrency": {"currency": "USD"}, "txnCurrency": {"currency": "USD"},
         "details": [{"bill": {"key": "{bill}"}, "txnCurrency": {"paymentAmount": "1.00"}}]},
        {"description": "January"},
    ),
    "attachment_folders": ({"id": "folder-{n}", "description": "Receipts"}, {"description": "All receipts"}),
    "attachments": (
        {"id": "att-{n}", "name": "receipt {n}", "folder": {"id": "{folder}"},
         "files": [{"name": "a.txt", "data": "aGVsbG8="}]},
        {"files": [{"name": "b.txt", "data": "d29ybGQ="}]},
    ),
    "bills": (
        {"billNumber": "B-{n}", "vendor": {"id": "V-2001"}, "createdDate": "2026-01-15", "dueDate": "2026-02-15",
         "currency": {"baseCurrency": "USD", "txnCurrency": "USD"}, "attachment": {"id": None}, "lines": [BILL_LINE]},
        {"description": "stationery"},
    ),
    "charge_card_accounts": (
        {"id": "AMEX-{n}", "vendor": {"id": "V-2001"}, "accounting": {"offsetGLAccount": {"id": "1010"}},
         "accountDetails": {"accountType": "credit", "cardType": "amex", "expirationMonth": "may",
                            "expirationYear": "2029"}},
        {"status": "inactive"},
    ),
    "charge_card_transactions": (
        {"txnDate": "2026-01-10", "creditCardAccount": {"id": "{card}"}, "referenceNumber": "R{n}", "payee": "Cafe",
         "description": "lunch", "currency": {"baseCurrency": "USD", "txnCurrency": "USD"}, "lines": [
             {"glAccount": {"id": "6100"}, "txnAmount": "20.00", "description": "lunch",
              "dimensions": {"location": {"id": "E110"}, "department": {"id": "100"}}}]},
        {"description": "dinner"},
    ),
    "checking_accounts": (
        {"id": "BOA-{n}", "location": {"id": "E110"}, "accounting": {"glAccount": {"id": "1010"}},
         "bankAccountDetails": {"bankName": "First", "currency": "USD"}},
        {"status": "inactive"},
    ),
    "classes": ({"id": "CL{n}", "name": "Class {n}"}, {"description": "changed"}),
    "contacts": ({"id": "Contact {n}", "printAs": "Contact {n}", "lastName": "Doe"}, {"firstName": "Jo"}),
    "cost_types": (
        {"id": "CT-{n}", "name": "Cost type {n}", "project": {"id": "P-1001"}, "task": {"id": "P-1001-01"}},
        {"description": "changed"},
    ),
    "customers": ({"id": "CUST-{n}", "name": "Customer {n}"}, {"name": "Renamed"}),
    "departments": ({"id": "D{n}", "name": "Department {n}"}, {"reportTitle": "changed"}),
    "employees": (
        {"id": "EMP-N{n}", "primaryContact": {"id": "Amelia Patel"}, "location": {"id": "E110"}},
        {"jobTitle": "Lead"},
    ),
    "expense_payment_types": (
        {"id": "Card {n}", "isNonReimbursable": True, "offsetGLAccount": {"id": "2000"}},
        {"description": "changed"},
    ),
    "expense_reports": (
        {"employee": {"id": "EMP-001"}, "createdDate": "2026-01-12", "state": "draft",
         "description": "trip {n}", "lines": [
            {"txnAmount": "30.00", "entryDate": "2026-01-11", "expenseType": {"id": "{type}"},
             "dimensions": {"location": {"id": "E110"}, "department": {"id": "100"}}}]},
        {"memo": "changed"},
    ),
    "expense_types": (
        {"id": "Meals {n}", "description": "Meals", "glAccount": {"id": "6100"}},
        {"description": "changed"},
    ),
    "items": (
        {"id": "ITEM-{n}", "name": "Item {n}", "itemType": "nonInventory", "costMethod": "standard"},
        {"name": "Renamed"},
    ),
    "journal_entries": (
        {"glJournal": {"id": "GJ"}, "postingDate": "2026-01-31", "description": "accrual {n}", "lines": ENTRY_LINES},
        {"description": "changed"},
    ),
    "journals": ({"id": "J{n}", "name": "Journal {n}"}, {"name": "Renamed"}),
    "location_entities": ({"id": "E9{n:02}", "name": "Entity {n}", "federalId": "12-3456789"}, {"name": "Renamed"}),
    "locations": ({"id": "L{n}", "name": "Location {n}"}, {"name": "Renamed"}),
    "projects": ({"id": "PR-{n}", "name": "Project {n}", "category": "contract"}, {"name": "Renamed"}),
    "reporting_periods": (
        {"id": "Period {n}", "columnHeader1": "P{n}", "startDate": "2026-01-01", "endDate": "2026-01-31"},
        {"columnHeader2": "changed"},
    ),
    "roles": ({"id": "Role {n}", "description": "r"}, {"description": "changed"}),
    "savings_accounts": (
        {"id": "SAV-{n}", "location": {"id": "E110"}, "accounting": {"glAccount": {"id": "1020"}},
         "bankAccountDetails": {"bankName": "First", "currency": "USD"}},
        {"status": "inactive"},
    ),
    "tasks": (
        {"id": "T-{n}", "name": "Task {n}", "project": {"id": "P-1001"}, "taskStatus": "planned"},
        {"description": "changed"},
    ),
    "users": (
        {"id": "user{n}", "userName": "User {n}", "accountEmail": "user{n}@example.com",
         "contact": {"id": "Amelia Patel"}},
        {"userName": "Renamed"},
    ),
    "vendors": ({"id": "VEND-{n}", "name": "Vendor {n}"}, {"name": "Renamed"}),
}  # fmt: skip
"""Class -> a body as an application sends it, and a change."""
READ_ONLY = ("permissions", "role_permission_assignments", "role_user_maps", "tax_details")
SERVICES = ("sessions", "dimensions", "multi_entity_preferences", "api_base")
NEEDS = {"bill": "bills", "folder": "attachment_folders", "card": "charge_card_accounts", "type": "expense_types"}
"""Placeholder -> the class whose record it names."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Simulator("demo") as simulator, SimulatorThread(simulator) as server:
        yield server.base_url


@pytest.fixture(scope="module")
def sdk(url: str) -> Iterator[Any]:
    foreign = Foreign("sageintacctrestsdk", url)
    foreign.ask(do="connect", **{"as": "admin"}, **{"with": {**CLIENT, "username": "admin@demo"}})

    def call(api: str, method: str, *args: Any, client: str = "admin", **kwargs: Any) -> Any:
        return foreign.ask(do=method, api=api, args=args, kwargs=kwargs, **{"as": client})

    call.connect = lambda name, **given: foreign.ask(do="connect", **{"as": name}, **{"with": {**CLIENT, **given}})
    call.base = url
    call.apis = lambda: foreign.ask(do="apis", **{"as": "admin"})
    yield call
    foreign.close()


numbers = iter(range(10, 1000))


def filled(template: Any, names: dict[str, Any]) -> Any:
    if isinstance(template, dict):
        return {name: filled(value, names) for name, value in template.items()}
    if isinstance(template, list):
        return [filled(value, names) for value in template]
    return template.format(**names) if isinstance(template, str) and "{" in template else template


def body(sdk: Any, api: str, made: dict[str, str] | None = None) -> dict[str, Any]:
    """A body of the class, and the records that it refers to made before it."""
    names: dict[str, Any] = {"n": next(numbers)}
    template = CREATES[api][0]
    text = json.dumps(template)
    for name, needed in NEEDS.items():
        if f"{{{name}}}" in text:
            reference = sdk(needed, "post", body(sdk, needed))["ia::result"]
            if name == "bill":
                approve(sdk, reference["key"])
            names[name] = reference["key" if name == "bill" else "id"]
    if api == "ap_payments":
        bank = body(sdk, "checking_accounts")
        sdk("checking_accounts", "post", bank)
        names["n"] = bank["id"].partition("-")[2]
    return filled(template, names)


def approve(sdk: Any, key: str) -> None:
    """A bill is born a draft; only a posted one can be paid (REST reference 4.4, 4.8). The client has no workflows,
    so its own request method is used."""
    base = sdk.base
    sdk("bills", "_make_request", f"{base}/workflows/accounts-payable/bill/submit", "POST", {"key": key})


def test_every_class_of_the_client_is_tried(sdk: Any) -> None:
    assert set(sdk.apis()) == {*CREATES, *READ_ONLY, *SERVICES}


@pytest.mark.parametrize("api", sorted((*CREATES, *READ_ONLY)))
def test_model_list_and_count(sdk: Any, api: str) -> None:
    model = sdk(api, "get_model")["ia::result"]
    assert {"fields", "groups", "refs", "lists", "httpMethods", "apiObject", "type"} <= set(model)
    fields = [name for name in ("key", "id", "href", "status") if name in model["fields"]]
    rows = sdk(api, "get_all_generator", fields)
    assert len(rows) == sdk(api, "count")
    assert all(set(row) == set(fields) for row in rows)
    assert len({row["key"] for row in rows}) == len(rows)
    some = sdk(api, "get_all_generator", fields, [{"$ne": {"key": "0"}}], order_by=[{"key": "desc"}])
    assert sorted(row["key"] for row in some) == sorted(row["key"] for row in rows)


@pytest.mark.parametrize("api", sorted(CREATES))
def test_a_record_is_created_read_changed_found_and_deleted(sdk: Any, api: str) -> None:
    sent = body(sdk, api)
    before = sdk(api, "count")
    made = sdk(api, "post", sent)
    reference = made["ia::result"]
    assert set(reference) >= {"key", "id", "href"}
    assert made["ia::meta"] == {"totalCount": 1, "totalSuccess": 1, "totalError": 0}
    assert sdk(api, "count") == before + 1
    key = reference["key"]
    read = sdk(api, "get_by_key", key)["ia::result"]
    assert read["key"] == key
    for name, value in sent.items():
        if isinstance(value, str) and name in read:  # a payment's date is write-only
            assert read[name] == value, name
    assert len(read.get("lines") or ()) == len(sent.get("lines") or read.get("lines") or ())
    changes = CREATES[api][1]
    assert sdk(api, "update", key, changes)["ia::result"]["key"] == key
    changed = sdk(api, "get_by_key", key)["ia::result"]
    for name, value in changes.items():
        if isinstance(value, str):
            assert changed[name] == value
    rows = sdk(api, "get_all_generator", ["key", "id"], [{"$eq": {"id": reference["id"]}}])
    assert {"key": key, "id": reference["id"]} in rows
    if api in ("ap_payments",):
        return  # a payment that was made is reversed, not deleted
    assert sdk(api, "delete", key) is None
    with pytest.raises(ForeignError) as gone:
        sdk(api, "get_by_key", key)
    assert gone.value.kind == "BadRequestError"
    assert json.loads(gone.value.response)["ia::result"]["ia::error"]["code"] == "notFound"
    assert sdk(api, "count") == before


@pytest.mark.parametrize("api", sorted(CREATES.keys() - {"ap_payments"}))
def test_a_batch_of_which_one_is_refused(sdk: Any, api: str) -> None:
    bodies = [body(sdk, api), {"noSuchField": 1}, body(sdk, api)]
    answer = sdk(api, "post", bodies)
    good, bad, other = answer["ia::result"]
    assert answer["ia::meta"] == {"totalCount": 3, "totalSuccess": 2, "totalError": 1}
    assert good["key"]
    assert other["key"] not in ("", good["key"])
    assert bad["ia::status"] == 400
    assert bad["ia::error"]["details"][0]["errorId"] == "REST-1043"


def test_an_attachment_gets_its_second_file_by_update_and_hangs_on_a_bill(sdk: Any) -> None:
    made = sdk("attachments", "post", body(sdk, "attachments"))["ia::result"]
    sdk("attachments", "update", made["key"], CREATES["attachments"][1])
    files = sdk("attachments", "get_by_key", made["key"])["ia::result"]["files"]
    assert [(file["name"], file["data"]) for file in files] == [("a.txt", "aGVsbG8="), ("b.txt", "d29ybGQ=")]
    bill = sdk("bills", "post", body(sdk, "bills"))["ia::result"]
    sdk("bills", "update_attachment", bill["key"], made["id"])
    assert sdk("bills", "get_by_key", bill["key"])["ia::result"]["attachment"]["id"] == made["id"]


def test_more_rows_than_a_page_are_read_once_each(sdk: Any) -> None:
    rows = sdk("bills", "get_all_generator", ["key"], [], None, {"includePrivate": True}, [{"key": "asc"}])
    assert len(rows) == sdk("bills", "count", [], None, {"includePrivate": True})
    lines = sdk(
        "journal_entries", "get_all_generator", ["key", "description"], [{"$gte": {"postingDate": "2020-01-01"}}]
    )
    assert len({row["key"] for row in lines}) == len(lines) > 0


def test_the_same_idempotency_key_creates_once(sdk: Any) -> None:
    sent = body(sdk, "vendors")
    first = sdk("vendors", "post", sent, idempotent_key="expense-report-17")
    again = sdk("vendors", "post", sent, idempotent_key="expense-report-17")
    assert first == again
    assert sdk("vendors", "count", [{"$eq": {"id": sent["id"]}}]) == 1


def test_services(sdk: Any) -> None:
    session = sdk("sessions", "get_session_id")
    assert session["sessionId"]
    assert session["expiresIn"] == 21600
    dimensions = sdk("dimensions", "list")
    assert {"dimensionName", "dimensionLabel", "isUserDefinedDimension", "dimensionEndpoint"} <= set(dimensions[0])
    assert "DEPARTMENT" in {dimension["dimensionName"] for dimension in dimensions}
    assert "isModuleConfigured" in sdk("multi_entity_preferences", "get")


def test_permissions_of_a_role(sdk: Any) -> None:
    role = sdk("roles", "post", body(sdk, "roles"))["ia::result"]
    permissions = sdk("permissions", "get_all_generator", ["key"])
    if not permissions:
        pytest.fail("a company has permissions that a role can be given")
    given = [{"permission_key": permissions[0]["key"], "access_rights": ["list", "readonly"]}]
    assert sdk("roles", "update_permission_assignments", role["key"], given)["ia::result"]["key"] == role["key"]


def test_entities_as_the_client_asks_for_them(sdk: Any) -> None:
    sdk.connect("ca", username="admin@demo", entity_id="E120")
    everywhere = sdk("location_entities", "get_all_generator", ["key", "id"])
    assert sdk("location_entities", "get_all_generator", ["key", "id"], client="ca") == everywhere
    assert 0 < sdk("bills", "count", client="ca") < sdk("bills", "count", [], None, {"includePrivate": True})


def test_signing_in(sdk: Any) -> None:
    first = sdk.connect("first", username="admin@demo")
    again = sdk.connect("again", refresh_token=first["refresh_token"], use_client_credentials_auth=False)
    assert sdk("vendors", "count", client="again") == sdk("vendors", "count")
    assert again["access_token"] != first["access_token"]
    with pytest.raises(ForeignError) as wrong:
        sdk.connect("wrong", username="admin@demo", client_secret="nonsense")
    assert wrong.value.kind == "BadRequestError"
    with pytest.raises(ForeignError) as nobody:
        sdk.connect("nobody", username="admin")
    assert "expected user@company" in nobody.value.response


def test_a_dead_token_is_recognised(sdk: Any) -> None:
    sdk.connect("dead", access_token="nonsense")
    with pytest.raises(ForeignError) as refused:
        sdk("vendors", "count", client="dead")
    assert refused.value.kind == "InvalidTokenError"


def test_an_unbalanced_entry_is_refused_in_the_words_that_applications_look_for(sdk: Any) -> None:
    sent = body(sdk, "journal_entries")
    sent["lines"] = [sent["lines"][0], {**sent["lines"][1], "txnAmount": "9.00"}]
    with pytest.raises(ForeignError) as refused:
        sdk("journal_entries", "post", sent)
    error = json.loads(refused.value.response)["ia::result"]["ia::error"]
    assert [error["errorId"], *(detail["errorId"] for detail in error["details"])] == [
        "REST-7001",
        "GL-0951",
        "GL-1009",
    ]


# ---- as an expense application uses the client -----------------------------------------------------------------------

UNSET = {name: {"id": None} for name in ("project", "customer", "item", "task", "costType", "class")}
AT = {"location": {"id": "E110"}, "department": {"id": "100"}, **UNSET}


def refusal_of(call: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
    with pytest.raises(ForeignError) as refused:
        call(*args, **kwargs)
    assert refused.value.kind == "BadRequestError"
    error: dict[str, Any] = json.loads(refused.value.response)["ia::result"]["ia::error"]
    return error


def test_a_person_is_looked_for_by_name_and_made_from_a_contact(sdk: Any) -> None:
    name = f"Ada Byron {next(numbers)}"
    by_name = [["id", "name", "location.id", "department.id", "primaryContact.email1"], [{"$eq": {"name": name}}]]
    assert sdk("employees", "get_all_generator", *by_name) == []
    contact = {"id": name, "printAs": name, "email1": "ada@example.com", "firstName": "Ada", "lastName": None}
    sdk("contacts", "post", contact)
    sent = {"id": name, "primaryContact": {"id": name}, "location": {"id": "E110"}, "department": {"id": None}}
    key = sdk("employees", "post", sent)["ia::result"]["key"]
    assert sdk("employees", "get_by_key", key)["ia::result"]["name"] == name
    assert sdk("employees", "get_all_generator", *by_name) == [
        {"id": name, "name": name, "location.id": "E110", "department.id": None,
         "primaryContact.email1": "ada@example.com"}
    ]  # fmt: skip


def test_a_vendor_that_is_there_is_told_in_the_words_looked_for_and_found(sdk: Any) -> None:
    name = f"Café Nero {next(numbers)}"
    default = {"printAs": name, "email1": None, "firstName": "Café", "lastName": None}
    sent = {"id": name, "name": name, "contacts": {"default": default}}
    sdk("vendors", "post", sent)
    assert "Another record with the value" in str(refusal_of(sdk, "vendors", "post", sent)["details"])
    rows = sdk(
        "vendors", "get_all_generator", ["id", "name", "status", "contacts.default.email1"],
        [{"$in": {"name": [name, "nobody"]}}, {"$eq": {"status": "active"}}], None, None,
        [{"audit.modifiedDateTime": "desc"}],
    )  # fmt: skip
    assert [row["id"] for row in rows] == [name]


@pytest.mark.parametrize("by", ["expenseType", "glAccount"])
def test_an_expense_report_names_a_type_or_an_account_and_nulls(sdk: Any, by: str) -> None:
    meals = sdk("expense_types", "post", body(sdk, "expense_types"))["ia::result"]["id"]
    line = {
        "expenseType": {"id": meals if by == "expenseType" else None},
        "glAccount": {"id": None if by == "expenseType" else "6100"},
        "paymentType": {"id": None}, "isBillable": None, "txnAmount": "30.0", "entryDate": "2026-01-11",
        "paidTo": "Cafe", "dimensions": AT,
    }  # fmt: skip
    sent = {
        "state": "submitted", "createdDate": "2026-01-12", "description": "trip", "employee": {"id": "EMP-001"},
        "attachment": {"id": None}, "basePayment": {"baseCurrency": "USD"},
        "reimbursement": {"reimbursementCurrency": "USD"}, "lines": [line, line],
    }  # fmt: skip
    key = sdk("expense_reports", "post", sent)["ia::result"]["key"]
    read = sdk("expense_reports", "get_by_key", key)["ia::result"]
    assert (read["state"], len(read["lines"])) == ("submitted", 2)
    assert read["lines"][0]["txnAmount"] == "30.00"


def test_a_journal_entry_with_one_credit_line_and_a_base_location(sdk: Any) -> None:
    debits = [
        {"txnType": "debit", "txnAmount": amount, "isBillable": None, "description": "d", "glAccount": {"id": "6100"},
         "allocation": {"id": None}, "dimensions": {**AT, "vendor": {"id": None}, "employee": {"id": None}},
         "taxEntries": [{"txnTaxAmount": None, "taxDetail": {"id": None}}]}
        for amount in ("10.0", "5.55")
    ]  # fmt: skip
    credit = {
        "txnType": "credit", "txnAmount": "15.55", "glAccount": {"id": "1010"}, "description": "Total",
        "dimensions": {"vendor": {"id": "V-2001"}, "location": {"id": "E120"}, "employee": {"id": None}},
    }  # fmt: skip
    sent = {"glJournal": {"id": "GJ"}, "postingDate": "2026-01-31", "description": "x", "attachment": {"id": None},
            "lines": [*debits, credit]}  # fmt: skip
    error = refusal_of(sdk, "journal_entries", "post", sent)
    assert [detail["errorId"] for detail in error["details"]] == ["GL-0951", "GL-1009"]
    key = sdk("journal_entries", "post", {**sent, "baseLocation": {"id": "E110"}})["ia::result"]["key"]
    assert sdk("journal_entries", "get_by_key", key)["ia::result"]["state"] == "posted"


def test_payments_go_as_a_batch_of_one(sdk: Any) -> None:
    sent = {**body(sdk, "ap_payments"), "paymentMethod": "cash"}
    answer = sdk("ap_payments", "post", [sent])
    assert answer["ia::meta"] == {"totalCount": 1, "totalSuccess": 1, "totalError": 0}
    assert answer["ia::result"][0]["key"]


def test_a_folder_is_made_where_the_query_for_it_is_empty(sdk: Any) -> None:
    folder = f"Receipts {next(numbers)}"
    wanted = [["id", "status"], [{"$eq": {"id": folder}}]]
    assert sdk("attachment_folders", "get_all_generator", *wanted) == []
    sdk("attachment_folders", "post", {"id": folder})
    assert sdk("attachment_folders", "get_all_generator", *wanted) == [{"id": folder, "status": "active"}]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"vendor": {"id": "V-NONE"}}, "Vendor 'V-NONE' specified is not valid."),
        ({"lines": [BILL_LINE | {"glAccount": {"id": "0"}}]}, "Account 0 is not valid"),
        (
            {"lines": [BILL_LINE | {"dimensions": {**AT, "department": {"id": None}}}]},
            "This transaction is missing the Department dimension for the Account 6100",
        ),
    ],
)
def test_a_refused_bill_is_explained_in_the_words_that_applications_look_for(
    sdk: Any, change: dict[str, Any], words: str
) -> None:
    error = refusal_of(sdk, "bills", "post", body(sdk, "bills") | change)
    assert words in {detail["message"] for detail in error["details"]}
