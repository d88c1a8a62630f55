"""The bills that the static server holds: 20 queried fields, their model, and row number i as a pure function of i.

Knows nothing of HTTP. Values repeat as in a real ledger (few vendors, few states, some nulls, a stray umlaut).
"""

from __future__ import annotations

import datetime
from typing import Any

import msgspec

OBJECT = "accounts-payable/bill"
_FIRST_DAY = datetime.date(2024, 1, 1)
_DAYS = [(_FIRST_DAY + datetime.timedelta(days=n)).isoformat() for n in range(800)]
_STATES = ("posted", "paid", "partiallyPaid", "draft", "submitted")
_PRIORITIES = ("urgent", "high", "normal", "low")
_CURRENCIES = ("USD", "USD", "USD", "CAD", "EUR")
_WORDS = ("Cloud hosting", "Office lease, 2nd floor", "Consulting", 'Cables 1/2"', "Büromaterial", "Travel", None)


class Bill(msgspec.Struct, kw_only=True, gc=False):
    """One row of the query service, flat, in the order of the model: own fields, groups, references."""

    key: str
    id: str
    bill_number: str = msgspec.field(name="billNumber")
    reference_number: str = msgspec.field(name="referenceNumber")
    description: str | None
    posting_date: str = msgspec.field(name="postingDate")
    due_date: str | None = msgspec.field(name="dueDate")
    payment_priority: str = msgspec.field(name="paymentPriority")
    is_on_hold: bool = msgspec.field(name="isOnHold")
    is_tax_inclusive: bool = msgspec.field(name="isTaxInclusive")
    state: str
    total_base_amount: str = msgspec.field(name="totalBaseAmount")
    total_base_amount_due: str = msgspec.field(name="totalBaseAmountDue")
    total_txn_amount: str = msgspec.field(name="totalTxnAmount")
    total_txn_amount_due: str = msgspec.field(name="totalTxnAmountDue")
    due_in_days: int | None = msgspec.field(name="dueInDays")
    txn_currency: str = msgspec.field(name="currency.txnCurrency")
    modified: str = msgspec.field(name="audit.modifiedDateTime")
    vendor_id: str = msgspec.field(name="vendor.id")
    entity_id: str | None = msgspec.field(name="entity.id")


ATTRIBUTES: dict[str, str] = {f.encode_name: f.name for f in msgspec.structs.fields(Bill)}
"""Wire path -> attribute of Bill."""
MONEY = ("totalBaseAmount", "totalBaseAmountDue", "totalTxnAmount", "totalTxnAmountDue")


def modified(i: int) -> str:
    """When bill `i` (0-based) was last changed, always in the past of any run."""
    seconds = i * 7919 % 86_400
    return f"{_DAYS[i * 31 % 800]}T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}Z"


def bill(i: int) -> Bill:
    """Row `i`, 0-based. Its key is i + 1. Money is a string with 2 decimals, as on the wire (REST reference 5.5)."""
    mixed = i * 2_654_435_761 % 4_294_967_296
    base = mixed % 98_765_432 - 1_234_567
    due = base if mixed & 3 else 0
    day = mixed % 700
    open_ended = mixed % 11 == 0
    return Bill(
        key=str(i + 1),
        id=str(i + 1),
        bill_number=f"BILL-{i + 1:07}",
        reference_number="" if mixed % 5 == 0 else f"PO {mixed % 90_000 + 10_000}",
        description=_WORDS[mixed % 7],
        posting_date=_DAYS[day],
        due_date=None if open_ended else _DAYS[day + 30],
        payment_priority=_PRIORITIES[mixed >> 3 & 3],
        is_on_hold=mixed % 97 == 0,
        is_tax_inclusive=bool(mixed >> 5 & 1),
        state=_STATES[mixed % 5],
        total_base_amount=money(base),
        total_base_amount_due=money(due),
        total_txn_amount=money(base * 3 // 2),
        total_txn_amount_due=money(due * 3 // 2),
        due_in_days=None if open_ended else 30 - day,
        txn_currency=_CURRENCIES[mixed >> 7 & 3],
        modified=modified(i),
        vendor_id=f"V{mixed % 120 + 1:04}",
        entity_id=None if mixed >> 9 & 1 else f"E1{mixed % 3 + 1}0",
    )


def money(cents: int) -> str:
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02}"


def cents(text: str) -> int:
    return int(text.replace(".", ""))


def model() -> dict[str, Any]:
    """The model service's `ia::result` for this object, cut to the queried fields (REST reference 6)."""

    def field(**facts: Any) -> dict[str, Any]:
        flags = {"readOnly": False, "writeOnly": False, "required": False, "nullable": True, "mutable": True}
        return {"type": "string"} | flags | facts

    fixed = {"readOnly": True, "mutable": False}
    amount = field(format="decimal-precision-2", **fixed)
    return {
        "fields": {
            "key": field(**fixed),
            "id": field(**fixed),
            "billNumber": field(),
            "referenceNumber": field(),
            "description": field(),
            "postingDate": field(format="date"),
            "dueDate": field(format="date"),
            "paymentPriority": field(enum=_PRIORITIES, default="normal", nullable=False),
            "isOnHold": field(type="boolean", default=False),
            "isTaxInclusive": field(type="boolean", default=False),
            "state": field(enum=_STATES, default="draft", nullable=False),
            **dict.fromkeys(MONEY, amount),
            "dueInDays": field(type="integer", **fixed),
        },
        "groups": {
            "currency": {"fields": {"txnCurrency": field()}},
            "audit": {"fields": {"modifiedDateTime": field(format="date-time", **fixed)}},
        },
        "refs": {
            "vendor": {"apiObject": "accounts-payable/vendor", "fields": {"id": field()}},
            "entity": {"apiObject": "company-config/entity", "fields": {"id": field(**fixed)}},
        },
        "lists": [],
        "httpMethods": "OPTIONS,GET,DELETE,PATCH,POST",
        "idempotenceSupported": True,
        "apiObject": f"objects/{OBJECT}",
        "type": "rootObject",
        "href": f"/services/core/model?version=v1&name=objects/{OBJECT}",
    }
