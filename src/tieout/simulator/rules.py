"""What single objects do beyond their model: states, dates, totals, balance (REST reference 4.4, 8.4).

Works on values already checked. Refuses to know SQL, keys and who asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tieout.catalogue.model import Model
from tieout.simulator.refusal import Refusal
from tieout.simulator.values import parse_decimal

BILL = "accounts-payable/bill"
INVOICE = "accounts-receivable/invoice"
JOURNAL_ENTRY = "general-ledger/journal-entry"
STATISTICAL_ENTRY = "general-ledger/statistical-journal-entry"
TIMESHEET = "time/timesheet"

_STATE = {
    BILL: "draft",
    "accounts-payable/adjustment": "draft",
    "accounts-payable/payment": "draft",
    INVOICE: "posted",
    "accounts-receivable/adjustment": "posted",
    "accounts-receivable/payment": "complete",
    JOURNAL_ENTRY: "posted",
    STATISTICAL_ENTRY: "posted",
    "expenses/employee-expense": "submitted",
    TIMESHEET: "draft",
}
"""The state of a record that was created without one (REST reference 4.4)."""
_PENDING = ("order-entry/document", "purchasing/document")
_DRAFT_OR_ABSENT = {INVOICE, "accounts-receivable/adjustment", JOURNAL_ENTRY, STATISTICAL_ENTRY}
_RECORD_TYPE = {BILL: "pi", INVOICE: "ri"}
_MONEY_TO_DATE = ("totalDue",)
_TOTALS = (
    ("totalTxnAmount", "txnAmount", False),
    ("totalBaseAmount", "baseAmount", False),
    ("totalTxnAmountDue", "txnAmount", True),
    ("totalBaseAmountDue", "baseAmount", True),
)
_PAID = {"totalTxnAmountDue": "totalTxnAmountPaid", "totalBaseAmountDue": "totalBaseAmountPaid"}


def check_state(model: Model, values: Mapping[str, Any], operation: str) -> None:
    """`state` on create is draft or absent where Sage says so, and never changed by PATCH on a transaction."""
    if "state" not in values:
        return
    if operation == "POST" and model.name in _DRAFT_OR_ABSENT and values["state"] not in (None, "draft"):
        raise Refusal.invalid_state()


def own_values(model: Model, paths: Mapping[str, object], values: dict[str, Any]) -> None:
    """Fill in what Sage works out for a new record from its own fields."""
    base, _, _ = model.name.partition("::")
    state = _STATE.get(model.name) or ("pending" if base in _PENDING else None)
    if "state" in paths and values.get("state") is None and state is not None:
        values["state"] = state
    if "recordType" in paths and model.name in _RECORD_TYPE:
        values["recordType"] = _RECORD_TYPE[model.name]
    for name in _MONEY_TO_DATE:
        if name in paths and model.fields[name].scale is not None:
            values.setdefault(name, "0.00")
    if model.name == BILL and values.get("postingDate") is None:
        values["postingDate"] = values.get("createdDate")
    dates(model, values)


def dates(model: Model, values: dict[str, Any]) -> None:
    """A timesheet covers the seven days from its first one."""
    begin = values.get("beginDate")
    if model.name == TIMESHEET and begin is not None:
        values["endDate"] = (date.fromisoformat(begin) + timedelta(days=6)).isoformat()


def line_values(model: Model, paths: Mapping[str, object], values: dict[str, Any], owner: Mapping[str, Any]) -> None:
    """Fill in what a new or changed line takes over from its amount and its owner."""
    if values.get("txnAmount") is not None:
        for name in ("baseAmount", "totalTxnAmount"):
            if name in paths and values.get(name) is None:
                values[name] = values["txnAmount"]
    for name, source in (("entryDate", "postingDate"), ("createdDate", "createdDate"), ("state", "state")):
        if name in paths and values.get(name) is None and owner.get(source) is not None and name in model.fields:
            enum = model.fields[name].enum
            if enum is None or owner[source] in enum:
                values[name] = owner[source]


def totals(paths: Mapping[str, object], owner: Mapping[str, Any], lines: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The owner's totals from its lines; what is due is the total less what is paid."""
    found: dict[str, str] = {}
    for total, amount, due in _TOTALS:
        if total not in paths or not all(amount in line for line in lines):
            continue
        value = sum((parse_decimal(line[amount]) or Decimal(0) for line in lines), Decimal("0.00"))
        if due:
            value -= parse_decimal(owner.get(f"paymentInformation.{_PAID[total]}")) or Decimal(0)
        found[total] = f"{value:.2f}"
    return found


def check_balance(model: Model, state: object, lines: Sequence[Mapping[str, Any]], operation: str) -> None:
    """A journal entry that is not a draft balances (that a draft need not is INFERRED)."""
    if model.name != JOURNAL_ENTRY or state == "draft":
        return
    balance = Decimal(0)
    for line in lines:
        amount = parse_decimal(line.get("txnAmount")) or Decimal(0)
        balance += amount if line.get("txnType") == "debit" else -amount
    if balance:
        raise Refusal.unbalanced(operation, model.name)
