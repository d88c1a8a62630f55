"""What a create body must hold: the formal lists of REST reference 9.2, with their conditions."""

from __future__ import annotations

import pytest

from tieout import catalogue
from tieout.catalogue.model import ListOf, Node

# object -> (in every body or in every line, only under a condition)
REFERENCE = {
    "accounts-payable/vendor": ("name", "id bankFiles"),
    "accounts-payable/bill": (
        "createdDate dueDate lines[].txnAmount lines[].glAccount lines[].dimensions.location",
        "vendor.id billNumber currency.txnCurrency currency.exchangeRate",
    ),
    "accounts-receivable/invoice": (
        "invoiceDate dueDate lines[].txnAmount",
        "customer.id lines[].glAccount.id lines[].dimensions.location.id currency.exchangeRate",
    ),
    "accounts-receivable/customer": ("name", "id"),
    "general-ledger/journal-entry": (
        "glJournal postingDate description lines[] lines[].txnAmount lines[].txnType lines[].glAccount",
        "lines[] baseLocation tax.taxSolution",
    ),
    "general-ledger/account": ("id name", "closeToGLAccount"),
    "general-ledger/journal": ("id name", ""),
    "time/timesheet": ("beginDate", "employee"),
    "time/timesheet-line": ("entryDate quantity", "timesheet"),
    "time/time-type": ("id", ""),
    "company-config/employee": ("id primaryContact.id", "location bankFile.paymentCountryCode"),
    "company-config/contact": ("id printAs", ""),
    "company-config/department": ("id name", ""),
    "company-config/location": ("id name", ""),
    "company-config/class": ("id name", ""),
    "company-config/entity": ("id name federalId", ""),
    "company-config/attachment": ("name folder", ""),
    "company-config/user": ("id accountEmail contact", ""),
    "projects/project": ("name category", ""),
    "projects/task": ("name project taskStatus", "timeType item"),
    "inventory-control/item": ("id name itemType costMethod", "contractTerm.numberOfPeriods"),
    "accounts-payable/term": ("id description", ""),
    "accounts-payable/bill-line": ("txnAmount glAccount", "bill.key allocation dimensions.location"),
    "accounts-receivable/payment": (
        "paymentDetails[].arInvoice paymentDetails[].txnCurrency.paymentAmount",
        "customer payerName undepositedGLAccount financialEntity paymentSummary.receiptDate txnCurrency.currency",
    ),
    "order-entry/document::{documentName}": (
        "txnDate lines[].unit lines[].unitQuantity lines[].unitPrice"
        " lines[].dimensions.item lines[].dimensions.warehouse lines[].dimensions.location",
        "customer.id",
    ),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_required_on_create_is_what_the_reference_says(name: str) -> None:
    always, conditional = REFERENCE[name]
    required = catalogue.load(name).required
    assert {r.path for r in required if not r.when} == set(always.split())
    assert {r.path for r in required if r.when} == set(conditional.split())


def test_conditions_are_kept_in_words() -> None:
    when = {r.path: r.when for r in catalogue.load("accounts-payable/bill").required}
    assert when["vendor.id"] == "when vendor is sent"
    assert when["billNumber"] == "unless document sequencing is configured"
    assert {r.path: r.when for r in catalogue.load("time/timesheet").required}["employee"] == "in practice"
    line = {r.path: r.when for r in catalogue.load("accounts-payable/bill-line").required}
    assert line["bill.key"] == "only when posted directly"
    assert line["allocation"] == "unless dimensions.location is sent"
    vendor = {r.path: r.when for r in catalogue.load("accounts-payable/vendor").required}
    assert vendor["id"] == "may be omitted when document sequencing is configured"
    entry = [r.when for r in catalogue.load("general-ledger/journal-entry").required if r.path == "lines[]"]
    assert entry == ["", "at least 2 items"]


def exists(node: Node, path: str) -> bool:
    for part in path.replace("[]", "").split("."):
        if part in node.fields:
            return path.endswith(part)
        children = node.groups | node.refs | node.lists
        if part not in children:
            return False
        node = children[part]
        if isinstance(node, ListOf) and node.object and not node.fields:
            node = catalogue.load(node.object)
    return True


@pytest.mark.parametrize("name", [name for name in catalogue.names() if catalogue.load(name).required])
def test_every_required_path_is_a_field_that_can_be_sent(name: str) -> None:
    model = catalogue.load(name)
    for required in model.required:
        assert exists(model, required.path), required.path
        field = model.paths().get(required.path)
        assert field is None or not field.read_only, required.path
