"""Whatever is done in whatever order, the company's books add up (REST reference 4.4-4.8)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule
from tests.simulator.companies import BILL, admin, group

from tieout.simulator.company import Company
from tieout.simulator.refusal import Refusal

ENTRY = "general-ledger/journal-entry"
PAYMENT = "accounts-payable/payment"
VENDOR = "accounts-payable/vendor"
amounts = st.integers(1, 2000).map(lambda cents: f"{Decimal(cents).scaleb(-2):.2f}")
rates = st.sampled_from((None, 1, 1.0679, 0.5749))


def line(amount: str, **more: Any) -> dict[str, Any]:
    return {"txnAmount": amount, "glAccount": {"id": "6000"}, "dimensions": {"location": {"id": "L1"}}} | more


class Books(RuleBasedStateMachine):
    """Bills, payments and entries of two vendors, by anybody in any order; what is refused changes nothing."""

    bills = Bundle("bills")
    payments = Bundle("payments")
    entries = Bundle("entries")

    def __init__(self) -> None:
        super().__init__()
        self.company: Company = group()
        self.company.load(VENDOR, [{"id": "V9", "name": "Other", "status": "active"}])
        self.company.update(VENDOR, "1", {"name": "First"}, admin(self.company))
        self.opening = {"V1": Decimal("10.00"), "V9": Decimal(0)}

    def teardown(self) -> None:
        self.company.close()

    def attempt(self, call: Any, *args: Any) -> Any:
        before = self.everything()
        try:
            return call(*args, admin(self.company))
        except Refusal as refusal:
            status = refusal.status
        assert status in (400, 404, 422)
        assert self.everything() == before
        return None

    def everything(self) -> dict[str, list[dict[str, Any]]]:
        return {object: self.rows(object) for object in (BILL, f"{BILL}-line", PAYMENT, ENTRY, VENDOR)}

    def rows(self, object: str) -> list[dict[str, Any]]:
        model = self.company.model(object)
        wanted = (path for path, field in model.paths().items() if not field.write_only)
        fields = [path for path in wanted if not path.startswith(("ia::", "contacts.", "dimensions.", "audit."))]
        found: list[dict[str, Any]] = self.company.query(
            {"object": object, "fields": fields, "orderBy": [{"key": "asc"}], "size": 4000}, admin(self.company)
        ).rows
        return found

    @rule(
        target=bills, vendor=st.sampled_from(("V1", "V9")), lines=st.lists(amounts, min_size=1, max_size=3), rate=rates
    )
    def a_bill(self, vendor: str, lines: list[str], rate: float | None) -> Any:
        body: dict[str, Any] = {"vendor": {"id": vendor}, "createdDate": "2026-01-01", "dueDate": "2026-02-01"}
        body["lines"] = [line(amount) for amount in lines]
        if rate is not None:
            body["currency"] = {"txnCurrency": "EUR", "exchangeRate": {"rate": rate}}
        made = self.attempt(self.company.create, BILL, body)
        return multiple() if made is None else made["key"]

    @rule(key=bills, word=st.sampled_from(("submit", "submit", "approve", "decline", "recall", "reverse")))
    def an_action(self, key: str, word: str) -> None:
        more = {"reverseDate": "2026-02-01"} if word == "reverse" else {}
        self.attempt(self.company.act, BILL, word, {"key": key} | more)

    @rule(key=bills, amount=amounts, vendor=st.sampled_from(("V1", "V9")), rate=rates)
    def a_change(self, key: str, amount: str, vendor: str, rate: float | None) -> None:
        change: dict[str, Any] = {"vendor": {"id": vendor}, "lines": [line(amount)]}
        if rate is not None:
            change["currency"] = {"exchangeRate": {"rate": rate}}
        self.attempt(self.company.update, BILL, key, change)

    @rule(key=bills, amount=amounts, place=st.integers(0, 3), gone=st.booleans(), direct=st.booleans())
    def a_line(self, key: str, amount: str, place: int, gone: bool, direct: bool) -> None:
        try:
            lines = self.company.read(BILL, key, admin(self.company))["lines"]
        except Refusal:
            return
        if place >= len(lines) or (gone and len(lines) == 1):
            return
        mine = lines[place]["key"]
        if direct and gone:
            self.attempt(self.company.delete, f"{BILL}-line", mine)
        elif direct:
            self.attempt(self.company.update, f"{BILL}-line", mine, {"txnAmount": amount})
        else:
            what: dict[str, Any] = {"ia::operation": "delete"} if gone else {"txnAmount": amount}
            self.attempt(self.company.update, BILL, key, {"lines": [{"key": mine} | what]})

    @rule(key=bills)
    def a_bill_goes(self, key: str) -> None:
        self.attempt(self.company.delete, BILL, key)

    @rule(target=payments, key=bills, part=st.sampled_from((1, 2, 3)), more=st.integers(0, 1), draft=st.booleans())
    def a_payment(self, key: str, part: int, more: int, draft: bool) -> Any:
        """A part or all of what is due, or a cent too much."""
        try:
            bill = self.company.read(BILL, key, admin(self.company))
        except Refusal:
            return multiple()
        amount = f"{max(money(bill, 'totalTxnAmountDue') / part + Decimal(more).scaleb(-2), Decimal('0.01')):.2f}"
        vendor = bill["vendor"]["id"]
        body = {
            "financialEntity": {"entityId": "B"},
            "vendor": {"id": vendor},
            "paymentMethod": "creditCard",
            "paymentDate": "2026-02-01",
            "state": "draft" if draft else "submitted",
            "details": [{"bill": {"key": key}, "txnCurrency": {"paymentAmount": amount}}],
        }
        made = self.attempt(self.company.create, PAYMENT, body)
        return multiple() if made is None else made["key"]

    @rule(key=payments, word=st.sampled_from(("submit", "approve", "decline", "confirm", "print", "reverse")))
    def a_payment_moves(self, key: str, word: str) -> None:
        self.attempt(self.company.act, PAYMENT, word, {"key": key})

    @rule(key=payments)
    def a_payment_goes(self, key: str) -> None:
        self.attempt(self.company.delete, PAYMENT, key)

    @rule(target=entries, debits=st.lists(amounts, min_size=1, max_size=3), off=st.integers(-1, 1), draft=st.booleans())
    def an_entry(self, debits: list[str], off: int, draft: bool) -> Any:
        total = sum(map(Decimal, debits), Decimal(0)) + Decimal(off).scaleb(-2)
        lines = [line(amount, txnType="debit") for amount in debits] + [line(f"{total:.2f}", txnType="credit")]
        body: dict[str, Any] = {"glJournal": {"id": "GJ"}, "postingDate": "2026-01-01", "description": "x"}
        more = {"state": "draft"} if draft else {}
        made = self.attempt(self.company.create, ENTRY, body | more | {"lines": lines})
        assert (made is None) is (bool(off) and not draft)
        return multiple() if made is None else made["key"]

    @rule(key=entries)
    def an_entry_is_posted(self, key: str) -> None:
        self.attempt(self.company.update, ENTRY, key, {"state": "posted"})

    @invariant()
    def totals_are_the_sums_of_lines(self) -> None:
        lines = self.rows(f"{BILL}-line")
        for bill in self.rows(BILL):
            mine = [row for row in lines if row["bill.key"] == bill["key"]]
            rate = Decimal(str(bill["currency.exchangeRate.rate"]))
            for row in mine:
                exact = money(row, "txnAmount") * rate
                assert abs(money(row, "baseAmount") - exact) <= Decimal("0.005")
            for total, amount in (("totalTxnAmount", "txnAmount"), ("totalBaseAmount", "baseAmount")):
                assert money(bill, total) == sum((money(row, amount) for row in mine), Decimal(0))

    @invariant()
    def due_is_what_is_not_paid(self) -> None:
        for bill in self.rows(BILL):
            if bill["state"] in ("reversed", "reversal"):
                assert money(bill, "totalTxnAmountDue") == 0
                continue
            for kind in ("Txn", "Base"):
                paid = money(bill, f"paymentInformation.total{kind}AmountPaid")
                due = money(bill, f"total{kind}AmountDue")
                assert due == money(bill, f"total{kind}Amount") - paid
                assert due >= 0
            paid = money(bill, "paymentInformation.totalTxnAmountPaid")
            chosen = money(bill, "paymentInformation.totalTxnAmountSelectedForPayment")
            assert paid + chosen <= money(bill, "totalTxnAmount")
            assert (bill["state"] == "paid") is (paid > 0 and money(bill, "totalTxnAmountDue") == 0)
            assert (bill["state"] in ("draft", "declined")) <= (paid == 0)

    @invariant()
    def vendors_are_owed_their_bills(self) -> None:
        bills = self.rows(BILL)
        for vendor in self.rows(VENDOR):
            if vendor["id"] in self.opening:
                mine = [row for row in bills if row["vendor.key"] == vendor["key"]]
                owed = [
                    money(row, "totalBaseAmountDue")
                    for row in mine
                    if row["state"] in ("posted", "partiallyPaid", "selected", "paid")
                ]
                assert money(vendor, "totalDue") == self.opening[vendor["id"]] + sum(owed, Decimal(0))

    @invariant()
    def posted_entries_balance_and_ids_are_unique(self) -> None:
        for entry in self.rows(ENTRY):
            if entry["state"] == "draft":
                continue
            lines = self.company.read(ENTRY, entry["key"], admin(self.company))["lines"]
            signed = [money(row, "txnAmount") * (1 if row["txnType"] == "debit" else -1) for row in lines]
            assert sum(signed, Decimal(0)) == 0
        for object in (BILL, PAYMENT, ENTRY, VENDOR):
            ids = [row["id"] for row in self.rows(object)]
            assert len(ids) == len(set(ids))


def money(row: Mapping[str, Any], path: str) -> Decimal:
    return Decimal(row[path] or 0)


TestBooks = Books.TestCase
TestBooks.settings = settings(
    max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
