"""Payments of bills and invoices: what a payment takes from a document, and what the party still owes or is owed
(REST reference 4.8, 9.3).

Knows amounts paid, selected and due. Refuses to know requests; states of payments are moved by `moves`.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from tieout.simulator import accounting
from tieout.simulator.refusal import Refusal
from tieout.simulator.rows import Rows
from tieout.simulator.rules import AP_PAYMENT, AR_PAYMENT, BILL, INVOICE
from tieout.simulator.tables import Table
from tieout.simulator.values import KEY, Stored, parse_decimal

_OPEN = ("posted", "partiallyPaid", "selected")
"""States of a document that a payment can be made for."""
OWED = (*_OPEN, "paid")
"""States of a document that counts in its party's balance."""
_PAID = "paymentInformation.totalTxnAmountPaid"
_SELECTED = "paymentInformation.totalTxnAmountSelectedForPayment"
_ZERO = Decimal(0)


class Kind(msgspec.Struct, frozen=True):
    """Payables or receivables: where each side has its references."""

    details: str
    document: str
    reference: str
    own: str
    party: str
    selects: tuple[str, ...]
    pays: tuple[str, ...]


KINDS = {
    AP_PAYMENT: Kind(
        "details",
        BILL,
        "bill",
        "apPayment",
        "vendor",
        ("submitted", "partiallyApproved", "approved"),
        ("confirmed", "delivered", "quickDelivery"),
    ),
    AR_PAYMENT: Kind("paymentDetails", INVOICE, "arInvoice", "arPayment", "customer", (), ("complete", "reconciled")),
}
_PARTIES = {
    BILL: ("vendor", "lastBillCreatedDate", "createdDate"),
    INVOICE: ("customer", "lastInvoiceCreatedDate", "invoiceDate"),
}
_DOCUMENT = (
    "state",
    "totalTxnAmount",
    "totalBaseAmount",
    "totalTxnAmountDue",
    "totalBaseAmountDue",
    _PAID,
    _SELECTED,
)


def _number(values: Mapping[str, Any], path: str) -> Decimal:
    found = parse_decimal(values.get(path)) if values.get(path) is not None else None
    return found if found is not None else _ZERO


class Payments:
    """Applies payments to documents. The caller holds the lock and the transaction."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._tables = rows.tables

    # ---- parties ----------------------------------------------------------------------------------------------

    def owed(self, table: Table, key: Stored) -> Decimal:
        """What a bill or an invoice adds to its party's balance."""
        if table.object not in _PARTIES:
            return _ZERO
        values = self._rows.values(table, key, ("state", "totalBaseAmountDue"))
        return _number(values, "totalBaseAmountDue") if values["state"] in OWED else _ZERO

    def balance(self, table: Table, key: Stored, change: Decimal, *, new: bool = False) -> None:
        """Carry a change of what is owed to the vendor or customer. Its audit stamp stays (REST reference 10.1)."""
        if table.object not in _PARTIES or not (change or new):
            return
        if new and self._rows.value(table, "state", key) not in OWED:
            return
        name, last, day = _PARTIES[table.object]
        link = table.links.get(name)
        party = self._rows.value(table, f"{name}.key", key)
        others = self._tables.existing(link.object) if link is not None and link.object is not None else None
        if others is None or party is None:
            return
        found = self._rows.where(others, "key", party, ("totalDue", last))
        if not found:
            return
        changes = {"totalDue": accounting.rounded(_number(found[0], "totalDue") + change)}
        made = self._rows.value(table, day, key)
        if new and last in others.columns and str(made or "") > str(found[0].get(last) or ""):
            changes[last] = made
        self._rows.update(others, party, changes)

    # ---- payments ---------------------------------------------------------------------------------------------

    def begin(self, table: Table, key: Stored, operation: str) -> None:
        """A new payment: its details are checked, its totals are theirs, and its state takes effect. Refusal 422."""
        kind = KINDS[table.object]
        details = self._details(table, key)
        party = self._rows.value(table, f"{kind.party}.key", key)
        for i, detail in enumerate(details):
            self._check(table, kind, i, detail, party, operation)
        self._fill(table, key, kind, details)
        self.effect(table, key, None, str(self._rows.values(table, key, ("state",)).get("state")), operation)

    def _details(self, table: Table, key: Stored) -> list[dict[str, Any]]:
        kind = KINDS[table.object]
        return self._rows.lines(table, kind.details, key, ("key", f"{kind.reference}.key", "txnCurrency.paymentAmount"))

    def _check(
        self, table: Table, kind: Kind, place: int, detail: Mapping[str, Any], party: Stored, operation: str
    ) -> None:
        target = f"/{kind.details}/{place}"
        document = detail[f"{kind.reference}.key"]
        if document is None:
            return
        documents = self._tables.get(kind.document)
        stored = KEY.encoder()(document)
        amount = _number(detail, "txnCurrency.paymentAmount")
        if amount <= 0:
            words = "The payment amount must be more than zero"
            raise Refusal.broken_rule(
                operation, table.object, words, target=f"{target}/txnCurrency/paymentAmount", code="invalidAmount"
            )
        if party is not None and self._rows.value(documents, f"{kind.party}.key", stored) != party:
            words = f"{kind.document} {document} belongs to another {kind.party}"
            raise Refusal.broken_rule(operation, table.object, words, target=f"{target}/{kind.reference}")

    def _fill(self, table: Table, key: Stored, kind: Kind, details: list[dict[str, Any]]) -> None:
        total = accounting.rounded(sum((_number(one, "txnCurrency.paymentAmount") for one in details), _ZERO))
        wanted = dict.fromkeys(
            (
                "txnCurrency.totalAmount",
                "baseCurrency.totalAmount",
                "financialEntity.txnAmount",
                "financialEntity.baseAmount",
            ),
            total,
        )
        if details:
            self._rows.update(table, key, {path: value for path, value in wanted.items() if path in table.columns})

    def effect(self, table: Table, key: Stored, before: str | None, after: str, operation: str) -> None:
        """What the move of a payment from one state to another does to the documents. Refusal 422, nothing is due."""
        kind = KINDS[table.object]
        old, new = self._hold(kind, before), self._hold(kind, after)
        if old == new:
            return
        day = self._day(table, key)
        for place, detail in enumerate(self._details(table, key)):
            if detail[f"{kind.reference}.key"] is not None:
                amount = _number(detail, "txnCurrency.paymentAmount")
                pointer = f"/{kind.details}/{place}/{kind.reference}"
                document = KEY.encoder()(detail[f"{kind.reference}.key"])
                self._move(table, kind.document, document, (old, new), amount, day, operation, pointer)
        self._summed(table, key, new)

    @staticmethod
    def _hold(kind: Kind, state: str | None) -> str:
        return "selected" if state in kind.selects else "paid" if state in kind.pays else ""

    def _day(self, table: Table, key: Stored) -> Any:
        paths = ("paymentDate", "paidDate", "paymentSummary.receiptDate")
        return next((day for path in paths if (day := self._rows.value(table, path, key)) is not None), None)

    def _move(
        self,
        table: Table,
        object: str,
        key: Stored,
        holds: tuple[str, str],
        amount: Decimal,
        day: Any,
        operation: str,
        pointer: str,
    ) -> None:
        documents = self._tables.get(object)
        values = self._rows.values(documents, key, _DOCUMENT)
        paid, selected, total = _number(values, _PAID), _number(values, _SELECTED), _number(values, "totalTxnAmount")
        old, new = holds
        paid += amount * ((new == "paid") - (old == "paid"))
        selected += amount * ((new == "selected") - (old == "selected"))
        if new and (values["state"] not in _OPEN or paid + selected > total):
            words = f"{object} {key!s} is {values['state']} with {values['totalTxnAmountDue']} due"
            raise Refusal.broken_rule(
                operation, table.object, words, target=pointer, code="invalidAmount", correction="Pay what is due"
            )
        owed = self.owed(documents, key)
        self._rows.update(documents, key, _after(documents, values, max(paid, _ZERO), max(selected, _ZERO), day))
        self.balance(documents, key, self.owed(documents, key) - owed)

    def _summed(self, table: Table, key: Stored, hold: str) -> None:
        """The payment's own totals: what of it is paid, selected, and still to come."""
        for group in ("txnCurrency", "baseCurrency"):
            amount = _number(self._rows.values(table, key, (f"{group}.totalAmount",)), f"{group}.totalAmount")
            parts = {
                "totalPaid": amount if hold == "paid" else _ZERO,
                "totalSelected": amount if hold == "selected" else _ZERO,
                "totalDue": _ZERO if hold == "paid" else amount,
            }
            self._rows.update(
                table,
                key,
                {
                    f"{group}.{name}": accounting.rounded(part)
                    for name, part in parts.items()
                    if f"{group}.{name}" in table.columns
                },
            )
        if hold == "paid" and "txnPaidDate" in table.columns:
            self._rows.update(table, key, {"txnPaidDate": self._day(table, key)})


def _after(documents: Table, values: Mapping[str, Any], paid: Decimal, selected: Decimal, day: Any) -> dict[str, Any]:
    """A document's columns when so much of it is paid and selected; base amounts in the proportion of its totals."""
    total, base = _number(values, "totalTxnAmount"), _number(values, "totalBaseAmount")
    state = "posted"
    if total and paid >= total:
        state = "paid"
    elif selected:
        state = "selected"
    elif paid:
        state = "partiallyPaid"

    def in_base(amount: Decimal) -> Decimal:
        return (amount * base / total).quantize(accounting.CENT) if total else _ZERO

    after = {
        "state": state,
        "totalTxnAmountDue": accounting.rounded(total - paid),
        "totalBaseAmountDue": accounting.rounded(base - in_base(paid)),
        _PAID: accounting.rounded(paid),
        "paymentInformation.totalBaseAmountPaid": accounting.rounded(in_base(paid)),
        _SELECTED: accounting.rounded(selected),
        "paymentInformation.totalBaseAmountSelectedForPayment": accounting.rounded(in_base(selected)),
        "paymentInformation.fullyPaidDate": day if state == "paid" else None,
    }
    return {path: value for path, value in after.items() if path in documents.columns}
