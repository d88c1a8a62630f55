"""What a transaction must be when it was written, and what follows from it: totals from lines, open periods, balance,
states of lines, what the party owes (REST reference 4.4, 4.8, 8.4, 9.2).

Knows whole documents in their tables. Refuses to know bodies and who asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from tieout.simulator import accounting, rates, rules
from tieout.simulator.behaviour import Settings
from tieout.simulator.books import Books
from tieout.simulator.payments import KINDS, Payments
from tieout.simulator.refusal import Refusal, required_field
from tieout.simulator.rows import Rows
from tieout.simulator.tables import Table
from tieout.simulator.values import Kind, Stored

_DAYS = {
    rules.BILL: ("postingDate", "createdDate"),
    rules.AP_ADJUSTMENT: ("createdDate",),
    rules.AP_PAYMENT: ("paymentDate",),
    rules.INVOICE: ("invoiceSummary.glPostingDate", "invoiceDate"),
    rules.AR_ADJUSTMENT: ("glPostingDate", "createdDate"),
    rules.AR_PAYMENT: ("paidDate", "paymentSummary.receiptDate"),
    rules.JOURNAL_ENTRY: ("postingDate",),
    rules.STATISTICAL_ENTRY: ("postingDate",),
    rules.EXPENSE: ("expenseSummary.postingDate", "createdDate"),
}
"""The day that a transaction is posted on: the first of these fields that holds one."""
_NEEDS = {
    rules.BILL: ("vendor", "lines"),
    rules.INVOICE: ("customer", "lines"),
    rules.AP_ADJUSTMENT: ("vendor", "lines"),
    rules.AR_ADJUSTMENT: ("customer", "lines"),
    rules.ORDER: ("customer", "lines"),
    rules.PURCHASE: ("vendor", "lines"),
    rules.JOURNAL_ENTRY: ("lines",),
    rules.STATISTICAL_ENTRY: ("lines",),
    rules.EXPENSE: ("lines",),
}
"""What a document cannot work without, whether or not its create list names it (INFERRED, 9.2)."""
VENDOR = "accounts-payable/vendor"
EMPLOYEE = "company-config/employee"
_OF_VENDORS = (rules.BILL, rules.AP_ADJUSTMENT, rules.AP_PAYMENT)
_DRAFTS = ("draft", "saved", "declined")
_TERMS = {"accounts-payable/term": "createdDate", "accounts-receivable/term": "invoiceDate"}


class _Money(msgspec.Struct, frozen=True):
    """Where a document's money is: the list with the amounts, and what must be known of lines and document."""

    list: str
    line_paths: tuple[str, ...]
    owner_paths: tuple[str, ...]


class Settler:
    """Settles documents of one company. The caller holds the lock and the transaction."""

    def __init__(self, rows: Rows, books: Books, payments: Payments, settings: Settings) -> None:
        self._rows = rows
        self._tables = rows.tables
        self._books = books
        self._payments = payments
        self._settings = settings
        self._plans: dict[str, tuple[int, _Money | None]] = {}

    def _money(self, table: Table) -> _Money | None:
        """None of an object whose lines hold no amounts."""
        known = self._plans.get(table.object)
        if known is not None and known[0] == self._tables.shape:
            return known[1]
        found: _Money | None = None
        for name, (child, _) in table.lines.items():
            columns = self._tables.get(child).columns
            if any(path in columns for path in ("txnAmount", "txnCurrency.amount", "unitPrice")):
                lines = tuple(path for path in accounting.LINE_PATHS if path in columns)
                found = _Money(name, lines, tuple(accounting.owner_paths(table.columns)))
                break
        self._plans[table.object] = (self._tables.shape, found)
        return found

    # ---- before -----------------------------------------------------------------------------------------------

    def complete(self, table: Table, values: dict[str, Any], operation: str, entity_id: str | None) -> None:
        """What a new record gets: an employee the contact's name, a transaction's header its due date from its term,
        its currencies and its rate. Refusal 400 or 422."""
        if table.object == VENDOR and self._settings.on("vendor_approval"):
            values["state"] = "s"
        if table.object == rules.BILL and values.get("state") == "posted" and self._settings.on("bill_approval"):
            values["state"] = "submitted"
        if table.object == EMPLOYEE and values.get("name") is None:
            values["name"] = self._books.contact_name(values.get("primaryContact.key"))
        self._due_date(table, values)
        if rules.life(table.object) is None:
            return
        bases = [path for path in accounting.BASE_CURRENCIES if path in table.columns]
        txns = [path for path in accounting.TXN_CURRENCIES if path in table.columns]
        if not bases:
            return
        base = values.setdefault(bases[0], self._books.base_currency(entity_id))
        if not txns:
            return
        txn = values.setdefault(txns[0], base)
        self._rate(table, values, str(txn), str(base), operation)

    def _rate(self, table: Table, values: dict[str, Any], txn: str, base: str, operation: str) -> None:
        """A rate is needed where the currencies differ: given, or named by type or date and looked up."""
        path = next(
            (name for name in ("currency.exchangeRate.rate", "exchangeRate.rate") if name in table.columns), None
        )
        if path is None or values.get(path) is not None:
            return
        group = path.rpartition(".")[0]
        found: Decimal | None = Decimal(1)
        if txn != base:
            if not any(values.get(f"{group}.{name}") is not None for name in ("typeId", "typeName", "date")):
                raise Refusal.payload_errors([required_field("/" + group.replace(".", "/"))])
            day = str(values.get(f"{group}.date") or self._day(table.object, values) or "9999")
            found = rates.find(self._rows, txn, base, day)
        if found is None:
            words = f"There is no exchange rate from {txn} to {base}"
            raise Refusal.broken_rule(operation, table.object, words, target="/" + path.replace(".", "/"))
        column = table.columns[path]
        if column.codec.kind is Kind.MONEY:
            values[path] = f"{found:.{column.codec.scale}f}"
        elif column.codec.kind is Kind.TEXT:
            values[path] = f"{found.normalize():f}"
        else:
            values[path] = int(found) if found == int(found) else float(found)

    def _due_date(self, table: Table, values: dict[str, Any]) -> None:
        """A term supplies the due date that was left out."""
        link = table.links.get("term")
        if values.get("dueDate") is not None or "dueDate" not in table.columns or link is None:
            return
        key, since = values.get("term.key"), _TERMS.get(str(link.object))
        terms = self._tables.existing(str(link.object))
        if key is None or since is None or terms is None or values.get(since) is None:
            return
        if not self._settings.on("terms_supply_due_date"):
            return
        found = self._rows.where(terms, "key", terms.columns["key"].encode(key), ("due.days", "due.from"))
        if found:
            day = due(date.fromisoformat(values[since]), found[0].get("due.days"), found[0].get("due.from"))
            values["dueDate"] = day.isoformat()

    @staticmethod
    def _day(object: str, values: Mapping[str, Any]) -> Any:
        paths = _DAYS.get(object, ("txnDate",))
        return next((values[path] for path in paths if values.get(path) is not None), None)

    # ---- after ------------------------------------------------------------------------------------------------

    @contextmanager
    def owing(self, table: Table, key: Stored) -> Iterator[None]:
        """Around a change of a bill or an invoice: its party owes what it owes afterwards."""
        self._payments.balance(table, key, -self._payments.owed(table, key))
        yield
        self._payments.balance(table, key, self._payments.owed(table, key))

    def born(self, table: Table, key: Stored) -> None:
        """A record is there with its lines: it is whole, its totals stand, its state takes effect. Refusal 422."""
        self.check_whole(table, key, "POST")
        if table.object in _OF_VENDORS and self._rows.value(table, "state", key) not in _DRAFTS:
            self.check_vendor(table, key)
        self.settle(table, key, "POST")
        if table.object in KINDS:
            self._payments.begin(table, key, "POST")
        self._payments.balance(table, key, self._payments.owed(table, key), new=True)

    def check_whole(self, table: Table, key: Stored, operation: str) -> None:
        """Refusal 422 for a document without its party or its lines, unless `incomplete_documents` accepts it."""
        if self._settings.word("incomplete_documents") != "refused":
            return
        for name in _NEEDS.get(table.object) or _NEEDS.get(table.object.partition("::")[0], ()):
            if name in table.lines:
                there = bool(self._rows.lines(table, name, key, ("key",)))
            else:
                there = self._rows.value(table, f"{name}.key", key) is not None
            if not there:
                words = f"{table.object} cannot be {'created' if operation == 'POST' else 'left'} without {name}"
                raise Refusal.broken_rule(operation, table.object, words, target=f"/{name}")

    def check_vendor(self, table: Table, key: Stored) -> None:
        """The transactions of a vendor that is not approved stay drafts (REST reference 9.4). Refusal 422."""
        vendors = self._tables.existing(VENDOR)
        vendor = self._rows.value(table, "vendor.key", key) if table.object in _OF_VENDORS else None
        if vendors is not None and vendor is not None and self._rows.value(vendors, "state", vendor) in ("s", "r"):
            words = f"Vendor {vendor!s} is not approved: the transaction can be saved as a draft only"
            raise Refusal.broken_rule("POST", table.object, words, target="/vendor", code="invalidState")

    def settle(self, table: Table, key: Stored, operation: str) -> None:
        """After a header or lines changed: totals from lines, balance, open period. Refusal 422."""
        money = self._money(table)
        owner: dict[str, Any] = {}
        if money is not None:
            owner = self._rows.values(table, key, money.owner_paths)
            lines = self._rows.lines(table, money.list, key, money.line_paths)
            self._rows.update(table, key, accounting.totals(table.object, table.columns, owner, lines))
            if table.object == rules.JOURNAL_ENTRY:
                accounting.check_balance(table.model, owner, lines, operation, self._books.entities())
        if table.object in _DAYS:
            self.check_open(table, key, operation)

    def check_open(self, table: Table, key: Stored, operation: str) -> None:
        """Refusal when the record's day lies in closed books: the company's, its entity's, those of its lines."""
        days = _DAYS.get(table.object)
        if days is None:
            return
        values = self._rows.values(table, key, ("state", "entity.key", *days))
        if values.get("state") in _DRAFTS and not self._settings.on("drafts_need_open_period"):
            return
        path = next((path for path in days if values.get(path) is not None), None)
        if path is not None:
            target = "/" + path.replace(".", "/")
            self._books.check_open(operation, table.object, target, values[path], self._entities(table, key, values))

    def _entities(self, table: Table, key: Stored, values: Mapping[str, Any]) -> set[str]:
        if not self._books.any_entity_closed():
            return set()
        places = self._books.entities()
        found = {places[place] for place in self._places(table, key) if place in places}
        own = self._books.entity_id(values.get("entity.key"))
        return found | ({own} if own is not None else set())

    def _places(self, table: Table, key: Stored) -> set[str]:
        path = "dimensions.location.key"
        return {
            str(line[path])
            for name, (child, _) in table.lines.items()
            if path in self._tables.get(child).columns
            for line in self._rows.lines(table, name, key, (path,))
            if line[path] is not None
        }

    def follow(self, table: Table, key: Stored, state: str) -> None:
        """Lines take their owner's new state where they have the word."""
        for name, (child, _) in table.lines.items():
            lines = self._tables.get(child)
            field = lines.model.fields.get("state")
            if field is None or (field.enum is not None and state not in field.enum):
                continue
            for line in self._rows.lines(table, name, key, ("key",)):
                self._rows.update(lines, lines.columns["key"].encode(line["key"]), {"state": state})


def due(day: date, days: object, since: object) -> date:
    """The day that a term counts to (REST reference 9.4): `due.days` from the point that `due.from` names."""
    count = days if type(days) is int else 0
    word = str(since or "").replace("Bill", "").replace("Invoice", "")
    months = {
        "ofTheMonthOfDate": 0,
        "ofNextMonthFromDate": 1,
        **{f"of{n}MonthFromDate": i for i, n in enumerate(("2nd", "3rd", "4th", "5th", "6th"), start=2)},
    }
    if word in months:
        first = _month(day, months[word])
        return min(first + timedelta(days=max(count, 1) - 1), _month(first, 1) - timedelta(days=1))
    if word == "afterEndOfMonthOfDate":
        return _month(day, 1) + timedelta(days=count - 1)
    reached = day + timedelta(days=count)
    return _month(reached, 1) - timedelta(days=1) if word == "fromDateExtendingToEom" else reached


def _month(day: date, months: int) -> date:
    """The first day of the month so many months on."""
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)
