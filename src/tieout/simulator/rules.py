"""The life of a record: the state it is born in, where it may move, when it can be changed or deleted (REST reference
4.4, 4.5, 4.8).

Works on words and values already checked. Refuses to know SQL, money and who asks; what an action does is `moves`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import msgspec

from tieout.catalogue.model import Model
from tieout.simulator.refusal import Refusal

BILL = "accounts-payable/bill"
AP_ADJUSTMENT = "accounts-payable/adjustment"
AP_PAYMENT = "accounts-payable/payment"
INVOICE = "accounts-receivable/invoice"
AR_ADJUSTMENT = "accounts-receivable/adjustment"
AR_PAYMENT = "accounts-receivable/payment"
JOURNAL_ENTRY = "general-ledger/journal-entry"
STATISTICAL_ENTRY = "general-ledger/statistical-journal-entry"
EXPENSE = "expenses/employee-expense"
TIMESHEET = "time/timesheet"
ORDER = "order-entry/document"
ORDER_LINE = "order-entry/document-line"
PURCHASE = "purchasing/document"

COMPUTED = frozenset({"paid", "partiallyPaid", "selected", "reversed", "reversal", "reversalPending", "noValue"})
"""States that no user sets: payments and reversals do."""


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """One object's states."""

    born: str
    """The state without one in the body."""
    only_draft: bool = False
    """`state` on create is draft or absent."""
    editable: frozenset[str] = frozenset({"draft"})
    deletable: frozenset[str] = frozenset({"draft"})
    patched: Mapping[str, frozenset[str]] = {}
    """State -> states that a PATCH may move it to. Where Sage documents no workflow."""
    unmoved: frozenset[str] = frozenset()
    """Fields that a PATCH may hold and does not change."""


def _words(*words: str) -> frozenset[str]:
    return frozenset(words)


_LIVES = {
    BILL: Life(
        born="draft",
        editable=_words("draft", "posted", "declined"),
        deletable=_words("draft", "posted", "declined"),
    ),
    AP_ADJUSTMENT: Life(born="draft", editable=_words("draft", "posted"), deletable=_words("draft", "posted")),
    AP_PAYMENT: Life(born="draft", editable=_words("draft", "declined"), deletable=_words("draft", "declined")),
    "accounts-payable/advance": Life(born="draft"),
    INVOICE: Life(
        born="posted", only_draft=True, editable=_words("draft", "posted"), deletable=_words("draft", "posted")
    ),
    AR_ADJUSTMENT: Life(
        born="posted", only_draft=True, editable=_words("draft", "posted"), deletable=_words("draft", "posted")
    ),
    AR_PAYMENT: Life(born="complete"),
    "accounts-receivable/advance": Life(born="draft"),
    "accounts-receivable/customer-refund": Life(born="draft"),
    JOURNAL_ENTRY: Life(
        born="posted",
        only_draft=True,
        editable=_words("draft", "posted", "declined"),
        deletable=_words("draft", "posted", "declined"),
        patched={"draft": _words("posted")},
    ),
    STATISTICAL_ENTRY: Life(
        born="posted",
        only_draft=True,
        editable=_words("draft", "posted", "declined"),
        deletable=_words("draft", "posted", "declined"),
        patched={"draft": _words("posted")},
    ),
    EXPENSE: Life(
        born="submitted",
        editable=_words("draft", "saved", "declined", "partiallyDeclined"),
        deletable=_words("draft", "saved", "declined", "submitted"),
        patched={"draft": _words("submitted"), "declined": _words("submitted", "draft")},
    ),
    TIMESHEET: Life(
        born="draft",
        editable=_words("draft", "saved", "declined", "partiallyDeclined"),
        deletable=_words("draft", "saved", "declined"),
        patched={
            "draft": _words("submitted", "saved"),
            "saved": _words("submitted", "draft"),
            "declined": _words("submitted", "draft"),
            "partiallyDeclined": _words("submitted", "draft"),
            "submitted": _words("approved", "partiallyApproved", "declined", "partiallyDeclined", "draft"),
            "partiallyApproved": _words("approved", "declined"),
        },
    ),
    ORDER: Life(
        born="pending",
        editable=_words("draft", "pending", "submitted", "declined", "inProgress"),
        deletable=_words("draft", "pending", "submitted", "declined"),
        patched={"draft": _words("pending", "closed"), "pending": _words("closed")},
        unmoved=_words("status"),
    ),
    PURCHASE: Life(
        born="pending",
        editable=_words("draft", "pending", "submitted", "declined", "inProgress"),
        deletable=_words("draft", "pending", "submitted", "declined"),
    ),
    **{
        f"cash-management/{name}": Life(born="posted", editable=_words("draft"), deletable=_words("draft"))
        for name in ("bank-fee", "credit-card-fee", "deposit", "other-receipt", "funds-transfer")
    },
    "cash-management/credit-card-txn": Life(
        born="posted", editable=_words("draft", "posted"), deletable=_words("draft", "posted")
    ),
}
_RECORD_TYPE = {BILL: "pi", INVOICE: "ri", AP_PAYMENT: "apPayment"}
_ALWAYS_EDITABLE = frozenset({"attachment"})
"""Papers can be put to a transaction whatever its state (INFERRED; production clients attach after posting)."""
_ACTIONS = {INVOICE: "posted", AP_ADJUSTMENT: "posted", AP_PAYMENT: "submitted"}
"""Objects with the deprecated switch `action` -> the state that `submit` stands for (REST reference 4.4)."""


def life(object: str) -> Life | None:
    """`purchasing/document::Vendor Invoice` lives as `purchasing/document` does."""
    return _LIVES.get(object) or _LIVES.get(object.partition("::")[0])


def check_birth(model: Model, values: dict[str, Any]) -> None:
    """`state` on create: draft or absent where Sage says so; never one that only payments and reversals make.

    Writes the state that an explicit `action` stands for."""
    lived = life(model.name)
    state = values.get("state")
    if state is None and values.get("action") is not None and model.name in _ACTIONS:
        state = values["state"] = "draft" if values["action"] == "draft" else _ACTIONS[model.name]
        return
    if lived is None or state is None:
        return
    if lived.only_draft and state != "draft":
        raise Refusal.invalid_state()
    if state in COMPUTED:
        raise Refusal.invalid_state(f"State cannot be {state} in a create request.")


def moved(model: Model, before: object, after: object) -> bool:
    """Whether a PATCH may move `state` so; most transactions move by workflows only (REST reference 4.5)."""
    lived = life(model.name)
    return lived is None or before == after or str(after) in lived.patched.get(str(before), frozenset())


def heeded(object: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """A PATCH without what it cannot change: `status` of a sales document is taken with 200 and stays (seen)."""
    lived = life(object)
    return {name: value for name, value in body.items() if lived is None or name not in lived.unmoved}


def check_editable(object: str, key: str, state: object, names: frozenset[str]) -> None:
    """`names` are the top-level names that the PATCH changes."""
    lived = life(object)
    if lived is None or state is None or state in lived.editable or names <= _ALWAYS_EDITABLE:
        return
    raise Refusal.wrong_state("PATCH", object, key, str(state), "changed")


def check_deletable(object: str, key: str, state: object) -> None:
    lived = life(object)
    if lived is not None and state is not None and state not in lived.deletable:
        raise Refusal.wrong_state("DELETE", object, key, str(state), "deleted")


def own_values(model: Model, paths: Mapping[str, object], values: dict[str, Any]) -> None:
    """Fill in what Sage works out for a new record from its own fields."""
    lived = life(model.name)
    if "state" in paths and values.get("state") is None and lived is not None:
        enum = model.fields["state"].enum
        if enum is None or lived.born in enum:
            values["state"] = lived.born
    if "recordType" in paths and model.name in _RECORD_TYPE:
        values["recordType"] = _RECORD_TYPE[model.name]
    if "totalDue" in paths and model.fields["totalDue"].scale is not None:
        values.setdefault("totalDue", "0.00")
    if model.name == BILL and values.get("postingDate") is None:
        values["postingDate"] = values.get("createdDate")
    if model.name == AP_PAYMENT and values.get("paymentDate") is not None:
        values["txnDate"] = values["paymentDate"]
    if "::" in model.name and "documentType" in paths:
        values["documentType"] = model.name.partition("::")[2]
    dates(model, values)


def dates(model: Model, values: dict[str, Any]) -> None:
    """A timesheet covers the seven days from its first one."""
    begin = values.get("beginDate")
    if model.name == TIMESHEET and begin is not None:
        values["endDate"] = (date.fromisoformat(begin) + timedelta(days=6)).isoformat()


def follow(model: Model, paths: Mapping[str, object], values: dict[str, Any], owner: Mapping[str, Any]) -> None:
    """What a new line takes over from its owner: dates, and the state where it has the same word for it."""
    for name, source in (("entryDate", "postingDate"), ("createdDate", "createdDate"), ("state", "state")):
        if name in paths and owner.get(source) is not None and name in model.fields:
            enum = model.fields[name].enum
            fresh = values.get(name) is None or name == "state"
            if fresh and (enum is None or owner[source] in enum):
                values[name] = owner[source]
