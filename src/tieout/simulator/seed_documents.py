"""The demo company's bills and invoices: two years of them, totals equal to their lines, balances to what is open.

Amounts are integers of cents throughout; `seed_group.money` writes them. Journal entries are `seed_entries`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from tieout.simulator import seed_accounts as chart
from tieout.simulator import seed_words as words
from tieout.simulator.rates import DAILY
from tieout.simulator.seed_group import (
    Group,
    Party,
    Record,
    converted,
    creator,
    document_days,
    draw,
    moment,
    money,
    skewed,
    stamps,
)

BILLS_A_MONTH, INVOICES_A_MONTH = 60, 70


class _Amounts:
    """The amounts of one document's lines, in the transaction's and the base currency, and what is paid of them."""

    def __init__(self, random: Random, party: Party, base: str, lines: int, high: int) -> None:
        self.rate = DAILY[party.currency, base]
        self.currency, self.base = party.currency, base
        self.txn = [skewed(random, 12, high) for _ in range(lines)]
        self.in_base = [converted(amount, self.rate) for amount in self.txn]
        self.paid = 0.0

    def pay(self, share: float) -> None:
        """Each line is paid by the same share, to the cent below."""
        self.paid = share

    def line_paid(self, position: int) -> tuple[int, int]:
        txn = int(self.txn[position] * self.paid)
        return txn, self.in_base[position] if self.paid == 1 else converted(txn, self.rate)

    def paid_totals(self) -> tuple[int, int]:
        each = [self.line_paid(position) for position in range(len(self.txn))]
        return sum(txn for txn, _ in each), sum(base for _, base in each)

    def currency_group(self, day: str) -> Record:
        foreign = self.currency != self.base
        return {
            "baseCurrency": self.base,
            "txnCurrency": self.currency,
            "exchangeRate": {
                "date": day,
                "typeId": "Intacct Daily Rate" if foreign else None,
                "rate": self.rate / 10000 if foreign else 1,
            },
        }

    def header(self, settled: str | None) -> tuple[Record, int]:
        """Totals and payment fields of the header, and what is still due in the base currency, in cents."""
        paid_txn, paid_base = self.paid_totals()
        total_txn, total_base = sum(self.txn), sum(self.in_base)
        record: Record = {
            "totalTxnAmount": money(total_txn),
            "totalBaseAmount": money(total_base),
            "totalTxnAmountDue": money(total_txn - paid_txn),
            "totalBaseAmountDue": money(total_base - paid_base),
            "paymentInformation": {
                "fullyPaidDate": settled,
                "totalBaseAmountPaid": money(paid_base),
                "totalTxnAmountPaid": money(paid_txn),
                "totalBaseAmountSelectedForPayment": "0.00",
                "totalTxnAmountSelectedForPayment": "0.00",
            },
        }
        return record, total_base - paid_base

    def line(self, position: int, currency: Record) -> Record:
        paid_txn, paid_base = self.line_paid(position)
        return {
            "txnAmount": money(self.txn[position]),
            "baseAmount": money(self.in_base[position]),
            "currency": currency,
            "paymentInformation": {
                "totalBaseAmountPaid": money(paid_base),
                "totalTxnAmountPaid": money(paid_txn),
                "totalBaseAmountSelectedForPayment": "0.00",
                "totalTxnAmountSelectedForPayment": "0.00",
            },
        }


@dataclass
class _Document:
    """What a bill and an invoice have in common, decided before either is written."""

    key: str
    day: date
    due: date
    party: Party
    amounts: _Amounts
    state: str
    settled: date | None
    owned: Record | None
    audit: Record
    line_audit: Record
    currency: Record

    def header(self) -> Record:
        """The fields of both headers; the party's open balance grows by what is still due."""
        paid = self.settled.isoformat() if self.state == "paid" and self.settled else None
        record, owing = self.amounts.header(paid)
        record |= {"state": self.state, "term": self.party.term[0], "currency": self.currency}
        if self.owned is not None:
            record["entity"] = self.owned
        if self.state != "draft":
            self.party.due += owing
            self.party.last = self.day.isoformat()
        return record


def _documents(
    group: Group, random: Random, name: str, parties: list[Party], a_month: int, dearest: int
) -> Iterator[_Document]:
    """About `a_month` documents a month in the order of their days, no line dearer than `dearest` units."""
    active = [party for party in parties if party.record["status"] == "active"]
    dormant = [party for party in parties if party.record["status"] != "active"]
    for day in document_days(group, random, a_month):
        old = (group.today - day).days > 400
        party = random.choice(dormant) if old and random.random() < 0.03 else random.choice(active)
        lines = random.choices((1, 2, 3, 4), (5, 3, 2, 1))[0]
        amounts = _Amounts(random, party, group.bases[party.entity], lines, dearest)
        due = day + timedelta(days=party.term[1])
        state, settled = _state(group, random, day, due, amounts)
        private = party.private or (party.entity != "E110" and random.random() < 0.15)
        owned = group.owner(party.entity) if private else None
        made, user = moment(random, day), creator(owned)
        yield _Document(
            key=group.next_key(name),
            day=day,
            due=due,
            party=party,
            amounts=amounts,
            state=state,
            settled=settled,
            owned=owned,
            audit=stamps(made, moment(random, settled) if settled else None, user=user),
            line_audit=stamps(made, user=user, twins=False),
            currency=amounts.currency_group(day.isoformat()),
        )


def _state(group: Group, random: Random, day: date, due: date, amounts: _Amounts) -> tuple[str, date | None]:
    """draft, posted, partiallyPaid or paid by age, and the day of the last payment."""
    if (group.today - day).days < 45 and random.random() < 0.3:
        return "draft", None
    chance = random.random()
    settled = due + timedelta(days=random.randrange(-4, 25))
    if settled > group.yesterday or chance < 0.06:
        return "posted", None
    settled = max(settled, day)
    if chance < 0.1:
        amounts.pay(random.choice((0.25, 0.5, 0.75)))
        return "partiallyPaid", settled
    amounts.pay(1)
    return "paid", settled


def _reference(random: Random) -> str | None:
    return random.choice((None, "", f"PO {random.randrange(1000, 9999)}"))


def add_bills(group: Group) -> None:
    """About sixty bills a month with one to four lines; vendors learn what they are owed."""
    random = draw("bills")
    name = "accounts-payable/bill"
    documents = _documents(group, random, name, group.vendors, BILLS_A_MONTH, 9000)
    for number, document in enumerate(documents, start=1):
        day = document.day.isoformat()
        bill: Record = {
            **document.header(),
            "billNumber": f"{random.choice(('INV', 'B', 'R', 'AB'))}-{10000 + number}",
            "recordType": "pi",
            "moduleName": "accountsPayable",
            "sourceModule": "accountsPayable",
            "vendor": document.party.ref,
            "referenceNumber": _reference(random),
            "description": words.LONG_NOTE if number % 211 == 5 else random.choice((None, "", *words.BILL_MEMOS)),
            "createdDate": day,
            "postingDate": day,
            "dueDate": document.due.isoformat(),
            "paymentPriority": random.choice(("normal", "normal", "normal", "high", "urgent", "low")),
            "isOnHold": random.random() < 0.02,
            "isTaxInclusive": False,
            "isSystemGenerated": False,
            "contacts": {"payTo": document.party.contact, "returnTo": document.party.contact},
        }
        bill["lines"] = [_bill_line(group, random, document, n) for n in range(len(document.amounts.txn))]
        group.add(name, bill, document.audit)


def _bill_line(group: Group, random: Random, document: _Document, position: int) -> Record:
    dimensions: Record = {
        "location": random.choice(group.offices[document.party.entity]),
        "department": group.ref("company-config/department", random.choice(chart.DEPARTMENTS)[0]),
        "vendor": document.party.ref,
    }
    if random.random() < 0.15:
        project = random.choice(group.projects)
        dimensions["project"] = project.ref
        if project.customer is not None:
            dimensions["customer"] = project.customer
    line: Record = {
        **document.amounts.line(position, document.currency),
        "lineNumber": str(position + 1),
        "bill": {"key": document.key, "id": document.key},
        "glAccount": group.ref("general-ledger/account", random.choice(chart.EXPENSES)),
        "createdDate": document.day.isoformat(),
        "memo": random.choice((None, "", *words.BILL_MEMOS)),
        "hasForm1099": random.choice((None, "false")),
        "releaseToPay": False,
        "isSubTotal": None,
        "project": {"isBillable": False, "isBilled": False},
        "dimensions": dimensions,
        "audit": document.line_audit,
    }
    group.number(line, "accounts-payable/bill-line")
    return line


def add_invoices(group: Group) -> None:
    """About seventy invoices a month; customers learn what they owe."""
    random = draw("invoices")
    name = "accounts-receivable/invoice"
    documents = _documents(group, random, name, group.customers, INVOICES_A_MONTH, 40000)
    for number, document in enumerate(documents, start=1):
        overdue = document.state == "posted" and document.due < group.today
        invoice: Record = {
            **document.header(),
            "invoiceNumber": f"NL-{document.day.year}-{number:05}",
            "recordType": "ri",
            "moduleKey": "accountsReceivable",
            "customer": document.party.ref,
            "referenceNumber": _reference(random),
            "description": words.LONG_NOTE if number % 239 == 7 else random.choice((None, "", *words.INVOICE_MEMOS)),
            "invoiceDate": document.day.isoformat(),
            "dueDate": document.due.isoformat(),
            "dunningCount": random.randrange(3) if overdue else 0,
            "isSystemGeneratedDocument": False,
        }
        invoice["lines"] = [_invoice_line(group, random, document, n) for n in range(len(document.amounts.txn))]
        group.add(name, invoice, document.audit)


def _invoice_line(group: Group, random: Random, document: _Document, position: int) -> Record:
    line: Record = {
        **document.amounts.line(position, document.currency),
        "lineNumber": position + 1,
        "invoice": {"key": document.key, "id": document.key},
        "glAccount": group.ref("general-ledger/account", random.choice(chart.REVENUES)),
        "createdDate": document.day.isoformat(),
        "memo": random.choice((None, "", *words.INVOICE_MEMOS)),
        "isSubtotal": None,
        "isSummarized": False,
        "dimensions": {
            "location": random.choice(group.offices[document.party.entity]),
            "department": group.ref("company-config/department", random.choice(("300", "310", "320", "330"))),
            "customer": document.party.ref,
            "item": group.ref("inventory-control/item", random.choice(chart.SERVICES)[0]),
        },
        "audit": document.audit,
    }
    group.number(line, "accounts-receivable/invoice-line")
    return line


def settle_balances(group: Group) -> None:
    """What documents left open becomes the party's `totalDue`, the newest one its last date."""
    for party in group.customers:
        party.record["totalDue"] = money(party.due)
        party.record["lastInvoiceCreatedDate"] = party.last
    for party in group.vendors:
        party.record["totalDue"] = money(party.due)
        party.record["lastBillCreatedDate"] = party.last
