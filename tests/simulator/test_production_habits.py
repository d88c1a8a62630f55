"""What applications in production send, and the words and numbers that they go by."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from tests.simulator.companies import BILL, admin, bill, group, refused

from tieout.catalogue import load
from tieout.simulator.company import Company

QUOTE = "order-entry/document::18-Sales Quotation"
EMPLOYEE = "company-config/employee"
CONTACT = "company-config/contact"
ACCOUNT = "general-ledger/account"


@pytest.fixture
def company() -> Iterator[Company]:
    made = group()
    made.load("inventory-control/item", [{"id": "I1", "sales": {"basePrice": "106.0000000000"}}, {"id": "I2"}])
    made.load("inventory-control/warehouse", [{"id": "W1", "status": "active"}])
    yield made
    made.close()


def quote(**more: Any) -> dict[str, Any]:
    """As an order desk posts it: no price, that is Sage's business."""
    lines = [
        {
            "dimensions": {"item": {"id": item}, "warehouse": {"id": "W1"}, "location": {"id": "L1"}},
            "unit": "Each",
            "unitQuantity": "3",
        }
        for item in ("I1", "I2")
    ]
    return {"customer": {"id": "C1"}, "txnDate": "2026-01-05", "dueDate": "2026-02-05", "lines": lines} | more


# ---- sales documents --------------------------------------------------------------------------------------------


def test_a_sales_line_without_a_price_has_the_items(company: Company) -> None:
    key = company.create(QUOTE, quote(), admin(company))["key"]
    record = company.read(QUOTE, key, admin(company))
    assert [line["unitPrice"] for line in record["lines"]] == ["106.0000000000", "0.0000000000"]
    assert record["total"] == "318.00"


def test_a_given_price_goes_before_the_items(company: Company) -> None:
    body = quote()
    body["lines"][0]["unitPrice"] = "2.50"
    key = company.create(QUOTE, body, admin(company))["key"]
    assert company.read(QUOTE, key, admin(company))["total"] == "7.50"


def test_a_purchase_line_needs_its_price(company: Company) -> None:
    body = quote(vendor={"id": "V1"})
    del body["customer"]
    refusal = refused(company.create, "purchasing/document::Purchase Order", body, admin(company))
    assert "/lines/0/unitPrice" in {detail["target"] for detail in refusal.details}


def test_a_quote_is_closed_by_patch_and_not_made_inactive(company: Company) -> None:
    key = company.create(QUOTE, quote(), admin(company))["key"]
    company.update(QUOTE, key, {"status": "inactive"}, admin(company))
    assert company.read(QUOTE, key, admin(company))["status"] == "active"
    company.update(QUOTE, key, {"state": "closed"}, admin(company))
    assert company.read(QUOTE, key, admin(company))["state"] == "closed"
    assert refused(company.update, QUOTE, key, {"state": "pending"}, admin(company)).status == 400


def test_a_draft_quote_becomes_pending(company: Company) -> None:
    key = company.create(QUOTE, quote(state="draft"), admin(company))["key"]
    company.update(QUOTE, key, {"state": "pending"}, admin(company))
    assert company.read(QUOTE, key, admin(company))["state"] == "pending"
    assert refused(company.update, QUOTE, key, {"state": "converted"}, admin(company)).status == 400


# ---- queries ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("object", "path"),
    [
        (BILL, "lines.glAccount.id"),
        (BILL, "lines.txnAmount"),
        ("order-entry/document", "lines.item.id"),
        ("accounts-payable/vendor", "contactList.categoryName"),
    ],
)
@pytest.mark.parametrize("part", ["fields", "filters", "orderBy"])
def test_a_path_through_a_list_is_told_from_an_unknown_one(company: Company, object: str, path: str, part: str) -> None:
    given: dict[str, Any] = {"fields": [path], "filters": [{"$eq": {path: "x"}}], "orderBy": [{path: "asc"}]}
    asked = {"object": object, "fields": ["key"]} | {part: given[part]}
    refusal = refused(company.query, asked, admin(company))
    assert (refusal.status, refusal.error_id) == (400, "REST-1107")
    assert path in refusal.message


@pytest.mark.parametrize("path", ["lines", "nonsense", "nonsense.id", "vendor.nonsense", "lines_.id"])
def test_an_unknown_path_and_a_list_itself_are_not_queryable(company: Company, path: str) -> None:
    assert refused(company.query, {"object": BILL, "fields": [path]}, admin(company)).error_id == "REST-1106"


def test_tax_details_are_read_by_their_modification_date(company: Company) -> None:
    asked = {
        "object": "tax/tax-detail",
        "fields": ["id", "taxPercent", "taxSolution.id", "taxType", "status"],
        "filters": [{"$gte": {"audit.modifiedDateTime": "2025-05-01T00:00:00Z"}}],
    }
    assert company.query(asked, admin(company)).total == 0
    assert load("tax/tax-detail").groups["audit"].fields["modifiedDateTime"].inferred


# ---- people -----------------------------------------------------------------------------------------------------


def test_an_employee_is_found_by_the_name_of_the_contact(company: Company) -> None:
    company.create(CONTACT, {"id": "C-7", "printAs": "Ada Byron", "lastName": "Byron"}, admin(company))
    body = {"id": "E-7", "primaryContact": {"id": "C-7"}, "location": {"id": "L1"}, "department": {"id": None}}
    key = company.create(EMPLOYEE, body, admin(company))["key"]
    assert company.read(EMPLOYEE, key, admin(company))["name"] == "Ada Byron"
    asked = {"object": EMPLOYEE, "fields": ["key"], "filters": [{"$eq": {"name": "Ada Byron"}}]}
    assert company.query(asked, admin(company)).rows == [{"key": key}]


def test_a_name_that_is_given_stays(company: Company) -> None:
    company.create(CONTACT, {"id": "C-7", "printAs": "Ada Byron"}, admin(company))
    body = {"id": "E-7", "name": "A. B.", "primaryContact": {"id": "C-7"}, "location": {"id": "L1"}}
    key = company.create(EMPLOYEE, body, admin(company))["key"]
    assert company.read(EMPLOYEE, key, admin(company))["name"] == "A. B."


# ---- the words that applications look for -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "reference", "words"),
    [
        (("vendor",), {"id": "V9"}, "Vendor 'V9' specified is not valid."),
        (("vendor",), {"id": "V2"}, "Activate the vendor V2, then try again."),
        (("lines", "glAccount"), {"id": "9"}, "Account 9 is not valid"),
        (("lines", "dimensions", "location"), {"id": "X"}, "The location 'X' is invalid."),
        (("lines", "dimensions", "department"), {"id": "D"}, "The department 'D' is invalid."),
        (("lines", "dimensions", "employee"), {"id": "E"}, "The employee 'E' is invalid."),
        (("lines", "dimensions", "customer"), {"id": "C9"}, "Customer 'C9' specified is not valid."),
        (("lines", "dimensions", "project"), {"id": "P"}, "Project 'P' specified is not valid."),
        (("lines", "dimensions", "costType"), {"id": "T"}, "Cost type 'T' specified is not valid."),
        (("term",), {"id": "N"}, "Term 'N' specified is not valid."),
    ],
)
def test_a_reference_that_does_not_hold_is_named(
    company: Company, place: tuple[str, ...], reference: dict[str, str], words: str
) -> None:
    body = bill()
    at: Any = body
    for name in place[:-1]:
        at = at[name][0] if name == "lines" else at.setdefault(name, {})
    at[place[-1]] = reference
    refusal = refused(company.create, BILL, body, admin(company))
    assert (refusal.status, refusal.error_id) == (422, "REST-7001")
    assert refusal.details[0]["message"] == words


@pytest.mark.parametrize(
    ("dimension", "named"), [("department", "Department"), ("costType", "Cost Type"), ("class", "Class")]
)
def test_a_dimension_that_the_account_asks_for_is_named(company: Company, dimension: str, named: str) -> None:
    account = {"id": "6200", "name": "Meals", "requireDimensions": {dimension: True}}
    company.create(ACCOUNT, account, admin(company))
    body = bill()
    body["lines"][1]["glAccount"] = {"id": "6200"}
    refusal = refused(company.create, BILL, body, admin(company))
    words = f"This transaction is missing the {named} dimension for the Account 6200"
    assert refusal.details[0]["message"] == words
    assert refusal.details[0]["target"] == f"/lines/1/dimensions/{dimension}"


# ---- what filters by `status` find ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("object", "body"),
    [
        ("company-config/folder", {"id": "F1"}),
        ("company-config/class", {"id": "K1", "name": "K"}),
        ("accounts-receivable/shipping-method", {"id": "S1"}),
    ],
)
def test_a_new_record_is_active(company: Company, object: str, body: dict[str, Any]) -> None:
    key = company.create(object, body, admin(company))["key"]
    asked = {"object": object, "fields": ["key"], "filters": [{"$eq": {"status": "active"}}]}
    assert {"key": key} in company.query(asked, admin(company)).rows


def test_a_record_has_a_page_of_its_own(company: Company) -> None:
    keys = [company.create(BILL, bill(), admin(company))["key"] for _ in range(2)]
    first, second = (company.read(BILL, key, admin(company))["webURL"] for key in keys)
    assert re.fullmatch(r"https://www\.intacct\.com/ia/acct/ur\.phtml\?\.r=[\w-]{43}", first)
    assert first != second
