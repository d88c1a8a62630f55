"""The workflow actions as data: from which states, to which state, with which words in body and answer (REST reference
4.8).

States and fields only; who carries an action out is `moves`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from tieout.simulator.rules import (
    AP_ADJUSTMENT,
    AP_PAYMENT,
    AR_ADJUSTMENT,
    AR_PAYMENT,
    BILL,
    EXPENSE,
    INVOICE,
    PURCHASE,
)

Act = Literal["move", "reverse", "reclassify", "release", "pdf"]


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One action on one object. `before` empty: from any state."""

    before: tuple[str, ...] = ()
    after: str = ""
    answer: str = ""
    """The state's word in the answer where it is another than the field's."""
    act: Act = "move"
    takes: tuple[str, ...] = ()
    """What the body may hold beside `key`."""
    date: str = ""
    """The name of the day of a reversal."""
    dated: bool = True
    """Whether that day must be there."""
    posts: bool = False
    """Whether the record is posted by it, and must be fit for it."""


def _submit(*before: str, after: str = "posted", answer: str = "") -> Action:
    return Action(before=before, after=after, answer=answer, posts=True)


def _reverse(
    *before: str, date: str, memo: str, after: str = "reversed", answer: str = "", dated: bool = True
) -> Action:
    return Action(before=before, after=after, answer=answer, act="reverse", takes=(date, memo), date=date, dated=dated)


def _judge(
    before: tuple[str, ...], after: str, answer: str = "", *, posts: bool = False, lines: bool = False
) -> Action:
    takes = ("notes", "lineKeys") if lines else ("notes",)
    return Action(before=before, after=after, answer=answer, takes=takes, posts=posts)


_WAITING = ("submitted", "partiallyApproved")
_RECLASSIFIED = ("posted", "partiallyPaid", "paid", "selected")

ACTIONS: dict[tuple[str, str], Action] = {
    (BILL, "submit"): _submit("draft", "declined"),
    (BILL, "approve"): _judge(_WAITING, "posted", "approved", posts=True),
    (BILL, "decline"): _judge(_WAITING, "declined"),
    (BILL, "recall"): Action(before=_WAITING, after="draft"),
    (BILL, "reverse"): _reverse("posted", date="reverseDate", memo="notes"),
    ("accounts-payable/bill-line", "release"): Action(act="release"),
    (AP_PAYMENT, "submit"): _submit("draft", "declined", after="confirmed"),
    (AP_PAYMENT, "approve"): _judge(_WAITING, "approved"),
    (AP_PAYMENT, "decline"): _judge(_WAITING, "declined"),
    (AP_PAYMENT, "confirm"): Action(before=("submitted", "approved", "delivered"), after="confirmed", posts=True),
    (AP_PAYMENT, "print"): Action(before=("submitted", "approved"), after="delivered", posts=True),
    (AP_PAYMENT, "reverse"): _reverse(
        "confirmed",
        "delivered",
        "quickDelivery",
        date="paymentDate",
        memo="description",
        after="voided",
        answer="reversed",
        dated=False,
    ),
    (AP_ADJUSTMENT, "submit"): _submit("draft"),
    (AP_ADJUSTMENT, "reverse"): _reverse("posted", date="reverseDate", memo="memo"),
    ("accounts-payable/advance", "submit"): _submit("draft"),
    ("accounts-payable/advance", "reverse"): _reverse("posted", date="reversedDate", memo="memo"),
    ("accounts-payable/vendor", "approve"): _judge(("s", "r"), "a", "approved"),
    ("accounts-payable/vendor", "decline"): _judge(("s", "a"), "r", "declined"),
    (INVOICE, "submit"): _submit("draft"),
    (INVOICE, "reverse"): _reverse("posted", date="reversedDate", memo="memo"),
    (INVOICE, "reclassify"): Action(
        before=_RECLASSIFIED,
        act="reclassify",
        answer="posted",
        takes=(
            "id",
            "invoiceNumber",
            "referenceNumber",
            "description",
            "term",
            "dueDate",
            "attachment",
            "lines",
        ),
    ),
    (INVOICE, "generate-pdf"): Action(act="pdf"),
    ("order-entry/document", "generate-pdf"): Action(act="pdf"),
    (AR_ADJUSTMENT, "submit"): _submit("draft"),
    (AR_ADJUSTMENT, "reverse"): _reverse("posted", date="reversedDate", memo="memo", answer="reversal"),
    (AR_ADJUSTMENT, "reclassify"): Action(
        before=_RECLASSIFIED,
        act="reclassify",
        answer="posted",
        takes=("id", "adjustmentNumber", "documentNumber", "description", "attachment", "lines"),
    ),
    ("accounts-receivable/advance", "submit"): _submit("draft"),
    ("accounts-receivable/advance", "reverse"): _reverse("posted", date="reversedDate", memo="memo", answer="reversal"),
    (AR_PAYMENT, "submit"): _submit("draft", after="complete", answer="completed"),
    (AR_PAYMENT, "reverse"): _reverse("complete", date="reversedDate", memo="memo", answer="reversal"),
    ("accounts-receivable/customer-refund", "submit"): _submit("draft"),
    ("accounts-receivable/customer-refund", "reverse"): _reverse(
        "posted", date="reversedDate", memo="description", after="voided"
    ),
    (EXPENSE, "recall"): Action(before=(*_WAITING, "partiallyDeclined"), after="draft"),
    (EXPENSE, "reverse"): _reverse("approved", "posted", date="reverseDate", memo="notes"),
    (PURCHASE, "submit"): _submit("draft", "pending", "declined", after="submitted"),
    (PURCHASE, "approve"): _judge(_WAITING, "approved", lines=True),
    (PURCHASE, "decline"): _judge(_WAITING, "declined", lines=True),
    **{
        (f"cash-management/{name}", "reverse"): _reverse("posted", date="reversedDate", memo=memo)
        for name, memo in (
            ("bank-fee", "notes"),
            ("charge-payoff", "notes"),
            ("credit-card-fee", "notes"),
            ("credit-card-txn", "memo"),
            ("deposit", "notes"),
            ("funds-transfer", "memo"),
            ("other-receipt", "notes"),
        )
    },
}
"""What Sage documents and we know the states of."""

STATED: dict[tuple[str, str], str] = {
    ("contracts/contract-line", "deliver"): "delivered",
    **{
        ("contracts/contract-line", word): "inProgress"
        for word in ("hold-schedules", "post", "resume-schedules", "uncancel")
    },
    ("contracts/contract-line", "reestimate"): "revalued",
    ("contracts/contract-line", "revalue"): "revalued",
    **{
        ("contracts/contract", word): "inProgress"
        for word in (
            "clear-all-mea",
            "clear-last-active-mea",
            "hold-schedules",
            "post",
            "resume-schedules",
            "uncancel",
        )
    },
    ("contracts/contract", "expire"): "notRenewed",
    ("contracts/contract", "renew"): "renewed",
    ("contracts/expense-schedule-line", "post"): "posted",
    ("contracts/expense-schedule-line", "unpost"): "open",
    **{("contracts/expense", word): "inProgress" for word in ("hold-schedules", "post", "resume-schedules")},
    ("contracts/revenue-schedule-line", "post"): "posted",
    ("contracts/revenue-schedule-line", "unpost"): "open",
    ("general-ledger/account-allocation-run", "restart"): "queued",
    ("cash-management/bank-reconciliation", "reopen"): "",
    ("cash-management/credit-card-reconciliation", "reopen"): "",
    ("cash-management/bank-transaction", "assign-customer"): "",
    ("cash-management/bank-transaction", "ignore"): "",
    ("cash-management/bank-transaction", "stop-ignoring"): "",
}
"""What Sage documents by its answer only: the state that it names, none where the answer shows none."""
