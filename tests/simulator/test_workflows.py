"""Workflow actions: what they move, what they answer, and from where they are refused (REST reference 4.8)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.simulator.companies import BILL, admin, bill, group, refused

from tieout.simulator.actions import ACTIONS, STATED
from tieout.simulator.company import Company

if TYPE_CHECKING:
    from tests.simulator.conftest import Caller

INVOICE = "accounts-receivable/invoice"
AP_PAYMENT = "accounts-payable/payment"
AR_PAYMENT = "accounts-receivable/payment"
VENDOR = "accounts-payable/vendor"
NOTES = Path(__file__).parents[2].parent / "shared" / "reference" / "objects" / "_services-and-workflows.json"


@pytest.fixture
def company() -> Iterator[Company]:
    made = group()
    yield made
    made.close()


def invoice(**more: Any) -> dict[str, Any]:
    line = {"txnAmount": "10.00", "glAccount": {"id": "6000"}, "dimensions": {"location": {"id": "L1"}}}
    body = {"customer": {"id": "C1"}, "invoiceDate": "2026-01-10", "dueDate": "2026-02-01", "lines": [line]}
    return body | more


def payment(bill_key: str, amount: str, **more: Any) -> dict[str, Any]:
    return {
        "financialEntity": {"entityId": "B1"},
        "vendor": {"id": "V1"},
        "paymentMethod": "creditCard",
        "paymentDate": "2026-02-01",
        "details": [{"bill": {"key": bill_key}, "txnCurrency": {"paymentAmount": amount}}],
    } | more


def receipt(invoice_key: str, amount: str, **more: Any) -> dict[str, Any]:
    return {
        "financialEntity": {"entityId": "B1"},
        "customer": {"id": "C1"},
        "paymentDetails": [{"arInvoice": {"key": invoice_key}, "txnCurrency": {"paymentAmount": amount}}],
    } | more


def state(company: Company, object: str, key: str) -> str:
    return str(company.read(object, key, admin(company))["state"])


def act(company: Company, object: str, word: str, key: str, **more: Any) -> dict[str, Any]:
    return company.act(object, word, {"key": key} | more, admin(company))


@pytest.mark.skipif(not NOTES.exists(), reason=f"no notes on Sage's documentation at {NOTES}")
def test_every_documented_action_is_there() -> None:
    paths = [entry["path"] for entry in json.loads(NOTES.read_text())]
    documented = {path.removeprefix("/workflows/") for path in paths if path.startswith("/workflows/")}
    assert documented <= {f"{object}/{word}" for object, word in (*ACTIONS, *STATED)}


# ---- bills ------------------------------------------------------------------------------------------------------


def test_a_bill_is_born_a_draft_and_posted_by_submit(company: Company) -> None:
    key = company.create(BILL, bill(), admin(company))["key"]
    assert company.read(VENDOR, "1", admin(company))["totalDue"] == "10.00"
    answer = act(company, BILL, "submit", key)
    assert answer == {"key": key, "id": key, "href": f"/objects/{BILL}/{key}", "state": "posted"}
    vendor = company.read(VENDOR, "1", admin(company))
    assert vendor["totalDue"] == "22.10"
    refusal = refused(act, company, BILL, "submit", key)
    assert (refusal.status, refusal.error_id) == (422, "REST-7001")
    assert refusal.details[0]["message"] == f"{BILL} {key} is posted and cannot be submitted"


def test_a_company_that_approves_its_bills(company: Company) -> None:
    company.settings.set({"bill_approval": True})
    key = company.create(BILL, bill(), admin(company))["key"]
    assert act(company, BILL, "submit", key)["state"] == "submitted"
    assert refused(company.update, BILL, key, {"description": "x"}, admin(company)).status == 422
    assert act(company, BILL, "recall", key)["state"] == "draft"
    act(company, BILL, "submit", key)
    assert act(company, BILL, "decline", key, notes="no")["state"] == "declined"
    act(company, BILL, "submit", key)
    assert act(company, BILL, "approve", key)["state"] == "approved"
    assert state(company, BILL, key) == "posted"
    born = company.create(BILL, bill(state="posted"), admin(company))["key"]
    assert state(company, BILL, born) == "submitted"


def test_a_vendor_that_is_not_approved_has_drafts_only(company: Company) -> None:
    company.settings.set({"vendor_approval": True})
    new = company.create(VENDOR, {"id": "V7", "name": "x"}, admin(company))["key"]
    key = company.create(BILL, bill(vendor={"id": "V7"}), admin(company))["key"]
    assert "not approved" in refused(act, company, BILL, "submit", key).details[0]["message"]
    assert act(company, VENDOR, "approve", new)["state"] == "approved"
    assert state(company, VENDOR, new) == "a"
    act(company, BILL, "submit", key)


def test_a_reversed_bill_stays_and_its_reversal_stands_beside_it(company: Company) -> None:
    key = company.create(BILL, bill(state="posted"), admin(company))["key"]
    assert refused(act, company, BILL, "reverse", key).details[0]["target"] == "/reverseDate"
    assert refused(act, company, BILL, "reverse", key, reversedDate="2026-02-01").status == 400
    early = refused(act, company, BILL, "reverse", key, reverseDate="2025-12-31")
    assert (early.status, early.details[0]["code"]) == (422, "invalidDate")
    answer = act(company, BILL, "reverse", key, reverseDate="2026-02-01", notes="twice")
    assert (answer["key"], answer["state"]) == (key, "reversed")
    fields = ["key", "state", "totalTxnAmount", "totalTxnAmountDue"]
    rows = company.query({"object": BILL, "fields": fields, "orderBy": [{"key": "asc"}]}, admin(company)).rows
    assert [tuple(row.values()) for row in rows] == [
        (key, "reversed", "12.10", "0.00"),
        (rows[1]["key"], "reversal", "-12.10", "0.00"),
    ]
    first, second = (company.read(BILL, row["key"], admin(company)) for row in rows)
    assert first["webURL"] != second["webURL"]
    assert company.read(VENDOR, "1", admin(company))["totalDue"] == "10.00"
    assert refused(act, company, BILL, "reverse", key, reverseDate="2026-02-01").status == 422
    assert refused(company.update, BILL, key, {"description": "x"}, admin(company)).status == 422


@pytest.mark.parametrize(("chosen", "same"), [("documented", True), ("original", True), ("reversal", False)])
def test_which_record_a_reversal_answers_is_a_switch(company: Company, chosen: str, same: bool) -> None:
    company.settings.set({"reversal_answer": chosen})
    key = company.create(INVOICE, invoice(), admin(company))["key"]
    answer = act(company, INVOICE, "reverse", key, reversedDate="2026-02-01")
    assert ((answer["key"] == key), answer["state"]) == (same, "reversed")


# ---- payments ---------------------------------------------------------------------------------------------------


def test_a_payment_is_selected_paid_and_given_back(company: Company) -> None:
    key = company.create(BILL, bill(state="posted"), admin(company))["key"]
    paid = company.create(AP_PAYMENT, payment(key, "5.00"), admin(company))["key"]
    assert (state(company, AP_PAYMENT, paid), state(company, BILL, key)) == ("draft", "posted")
    company.settings.set({"payment_approval": True})
    assert act(company, AP_PAYMENT, "submit", paid)["state"] == "submitted"
    record = company.read(BILL, key, admin(company))
    assert record["state"] == "selected"
    assert record["paymentInformation"]["totalTxnAmountSelectedForPayment"] == "5.00"
    assert act(company, AP_PAYMENT, "approve", paid)["state"] == "approved"
    assert act(company, AP_PAYMENT, "confirm", paid)["state"] == "confirmed"
    record = company.read(BILL, key, admin(company))
    assert (record["state"], record["totalTxnAmountDue"]) == ("partiallyPaid", "7.10")
    assert company.read(VENDOR, "1", admin(company))["totalDue"] == "17.10"
    for call in (
        lambda: company.update(BILL, key, {"description": "x"}, admin(company)),
        lambda: company.delete(BILL, key, admin(company)),
        lambda: act(company, BILL, "reverse", key, reverseDate="2026-02-01"),
    ):
        assert refused(call).status == 422
    assert company.read(AP_PAYMENT, paid, admin(company))["txnCurrency"]["totalPaid"] == "5.00"
    assert act(company, AP_PAYMENT, "reverse", paid)["state"] == "reversed"
    assert state(company, AP_PAYMENT, paid) == "voided"
    record = company.read(BILL, key, admin(company))
    assert (record["state"], record["totalTxnAmountDue"]) == ("posted", "12.10")


def test_a_printed_check_waits_to_be_printed(company: Company) -> None:
    key = company.create(BILL, bill(state="posted"), admin(company))["key"]
    body = payment(key, "12.10", paymentMethod="Printed Check")
    check = company.create(AP_PAYMENT, body, admin(company))["key"]
    assert act(company, AP_PAYMENT, "submit", check)["state"] == "submitted"
    assert act(company, AP_PAYMENT, "print", check)["state"] == "delivered"
    record = company.read(BILL, key, admin(company))
    assert (record["state"], record["paymentInformation"]["fullyPaidDate"]) == ("paid", "2026-02-01")


def test_a_payment_takes_no_more_than_is_due_and_from_its_own_party(company: Company) -> None:
    key = company.create(BILL, bill(state="posted"), admin(company))["key"]
    draft = company.create(BILL, bill(), admin(company))["key"]
    company.load(VENDOR, [{"id": "V9", "status": "active"}])
    for body in (
        payment(key, "12.11", state="submitted"),
        payment(draft, "1.00", state="submitted"),
        payment(key, "0.00"),
        payment(key, "1.00", vendor={"id": "V9"}),
    ):
        assert refused(company.create, AP_PAYMENT, body, admin(company)).status == 422
    assert company.query({"object": AP_PAYMENT, "fields": ["key"]}, admin(company)).total == 0


def test_a_receipt_pays_at_once_and_its_reversal_answers_the_new_record(company: Company) -> None:
    key = company.create(INVOICE, invoice(), admin(company))["key"]
    got = company.create(AR_PAYMENT, receipt(key, "10.00"), admin(company))["key"]
    assert (state(company, AR_PAYMENT, got), state(company, INVOICE, key)) == ("complete", "paid")
    answer = act(company, AR_PAYMENT, "reverse", got, reversedDate="2026-03-01")
    assert (answer["state"], answer["key"] != got) == ("reversal", True)
    assert (state(company, AR_PAYMENT, got), state(company, INVOICE, key)) == ("reversed", "posted")
    draft = company.create(AR_PAYMENT, receipt(key, "4.00", state="draft"), admin(company))["key"]
    assert state(company, INVOICE, key) == "posted"
    assert act(company, AR_PAYMENT, "submit", draft)["state"] == "completed"
    assert state(company, INVOICE, key) == "partiallyPaid"


# ---- others -----------------------------------------------------------------------------------------------------


def test_reclassifying_changes_accounts_and_words_but_no_amounts(company: Company) -> None:
    key = company.create(INVOICE, invoice(), admin(company))["key"]
    mine = company.read(INVOICE, key, admin(company))["lines"][0]["key"]
    company.create(AR_PAYMENT, receipt(key, "10.00"), admin(company))
    lines = [{"key": mine, "glAccount": {"id": "2000"}}]
    answer = act(company, INVOICE, "reclassify", key, description="d", lines=lines)
    record = company.read(INVOICE, key, admin(company))
    assert (answer["state"], record["state"], record["description"]) == ("posted", "paid", "d")
    assert record["lines"][0]["glAccount"]["id"] == "2000"
    more = [{"key": mine, "txnAmount": "11.00"}]
    assert refused(act, company, INVOICE, "reclassify", key, lines=more).status == 422
    assert company.read(INVOICE, key, admin(company))["totalTxnAmount"] == "10.00"


def test_a_line_is_released_and_a_pdf_has_an_address(company: Company) -> None:
    key = company.create(BILL, bill(state="posted"), admin(company))["key"]
    mine = company.read(BILL, key, admin(company))["lines"][0]["key"]
    assert act(company, f"{BILL}-line", "release", mine)["releaseToPay"] is True
    assert company.read(f"{BILL}-line", mine, admin(company))["releaseToPay"] is True
    sent = company.create(INVOICE, invoice(), admin(company))["key"]
    assert act(company, INVOICE, "generate-pdf", sent)["downloadURL"].startswith("/services/core/content/download?")


def test_an_action_known_by_its_answer_only(company: Company) -> None:
    company.load("contracts/contract", [{"key": "5", "id": "CT1"}])
    assert act(company, "contracts/contract", "renew", "5")["state"] == "renewed"


# ---- over the wire ----------------------------------------------------------------------------------------------


def test_one_or_many_over_the_wire(caller: Caller) -> None:
    company = caller.simulator.company()
    company.load(VENDOR, [{"key": str(key), "id": f"V{key}", "state": "s"} for key in (1, 2)])
    reply = caller.post(f"/workflows/{VENDOR}/approve", {"key": "1", "notes": "ok"})
    assert (reply.status, reply.json()["ia::result"]["state"]) == (200, "approved")
    reply = caller.post(f"/workflows/{VENDOR}/approve", [{"key": "2"}, {"key": "1"}, {"key": "9"}])
    assert [entry["ia::status"] for entry in reply.json()["ia::result"]] == [200, 422, 404]
    assert reply.status == 207
    for body, status in (({}, 400), ({"key": ""}, 400), ({"key": "1", "oddly": 1}, 400), ([], 400), ("x", 400)):
        assert caller.post(f"/workflows/{VENDOR}/approve", body).status == status
    assert caller.post(f"/workflows/{VENDOR}/applaud", {"key": "1"}).status == 404
    assert caller.get(f"/workflows/{VENDOR}/approve").status == 405
    header = {"x_ia_api_param_transaction": "true"}
    company.load(VENDOR, [{"key": "3", "id": "V3", "state": "s"}])
    reply = caller.post(f"/workflows/{VENDOR}/approve", [{"key": "3"}, {"key": "9"}], **header)
    assert reply.status >= 207
    assert company.read(VENDOR, "3", admin(company))["state"] == "s"


def test_the_small_services(caller: Caller) -> None:
    company = caller.simulator.company()
    sequence = {"id": "AR Inv", "printTitle": "x", "fixedPrefix": "INV", "prefixSeparator": "-", "startingNumber": 15}
    key = caller.post("/objects/company-config/document-sequence", sequence).json()["ia::result"]["key"]
    path = "/services/company-config/document-sequence/generate-next-value"
    assert caller.post(path, {"id": "AR Inv"}).json()["ia::result"] == {"id": "AR Inv", "nextValue": "INV-15"}
    assert caller.post(path, {"key": key, "fiscalYear": 2024}).json()["ia::result"] == {
        "key": key,
        "id": "AR Inv",
        "nextValue": "INV-16-2024",
        "fiscalYear": 2024,
    }
    assert caller.post(path, {"id": "nothing"}).status == 404
    assert caller.post(path, {}).status == 400
    dimensions = caller.get("/services/company-config/dimensions/list").json()
    assert dimensions["ia::meta"]["totalCount"] == str(len(dimensions["ia::result"]))
    assert dimensions["ia::result"][0] == {
        "dimensionName": "LOCATION",
        "dimensionLabel": "Location",
        "termName": "Location",
        "isUserDefinedDimension": False,
        "isEnabledInGL": True,
        "dimensionEndpoint": "/objects/company-config/location",
    }
    session = caller.get("/services/core/session/id").json()["ia::result"]
    assert (session["expiresIn"], len(session["sessionId"])) == (21600, 56)
    company.load(BILL, [{"key": "1", "state": "paid"}, {"key": "2", "state": "draft"}])
    asked = {"object": BILL, "keys": ["1", "2", "3"], "operations": ["canView", "canEdit", "canDelete"]}
    rows = caller.post("/services/core/allowed-operations/list", asked).json()["ia::result"]
    assert [row["operations"] for row in rows] == [["canView"], ["canView", "canEdit", "canDelete"], []]
    assert caller.post("/services/core/session/id", {}).status == 405
