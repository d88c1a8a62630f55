"""Journal lines of the copy against Intacct's own trial balance, account by account, and the lines behind a difference.

One report run, and a page of lines for each of the first accounts that differ. What the report looks like as a file is
not documented (REST reference 7.8), so its columns are told by their headings.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import msgspec

from tieout.errors import ConfigurationError, IntacctError, StoreError
from tieout.project.report import TieOutLine
from tieout.pull.destinations.base import Destination, Window
from tieout.pull.destinations.batch import Plain
from tieout.pull.destinations.state import TableState
from tieout.pull.proof.compare import unproven
from tieout.pull.proof.inspecting import Verified, facts
from tieout.pull.proof.search import Search
from tieout.pull.proof.subject import Subject
from tieout.pull.proof.verifying import Holdings, client_for, subject_from
from tieout.pull.reading.selection import Selection
from tieout.pull.sources import Source, sources

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.rest import Intacct

REPORT = "general-ledger/trial-balance"
ENTRY = "general-ledger/journal-entry"
LINE = "general-ledger/journal-entry-line"
POSTED = ("posted", "reversed", "reversal", "reversalPending")
"""States of entries whose amounts are in the books (REST reference 9.4)."""
NO_DATA = "BL03002028"
"""The report finds nothing (REST reference 8.5)."""
BOOKS = {"ACCRUAL": ("accrual", "cashAndAccrual"), "CASH": ("cash", "cashAndAccrual")}
"""Reporting book -> book types of its journals (REST reference 9.4)."""
NEEDED = ("journalEntry.key", "glAccount.id", "txnType", "baseAmount", "entryDate", "dimensions.location.id")
MOST_ACCOUNTS = 10
"""Accounts whose lines are looked into."""
LOT = 4000
_HEADINGS = {
    "opening": ("opening", "beginning"),
    "debit": ("debit",),
    "credit": ("credit",),
    "closing": ("closing", "ending"),
}


class Balance(msgspec.Struct):
    """One account over a period, in base currency. Debits count positive in balances."""

    opening: Decimal = Decimal(0)
    debit: Decimal = Decimal(0)
    credit: Decimal = Decimal(0)

    @property
    def closing(self) -> Decimal:
        return self.opening + self.debit - self.credit

    def add(self, amount: Decimal, *, debit: bool, before: bool) -> None:
        """One line; `before` the period."""
        if before:
            self.opening += amount if debit else -amount
        elif debit:
            self.debit += amount
        else:
            self.credit += amount


def verify_trial_balance(
    project: Project,
    period: str,
    book: str = "ACCRUAL",
    *,
    connection: str | None = None,
    destination: str | None = None,
    source: Source | None = None,
) -> Verified:
    """Compare the journal lines that were pulled with Intacct's own trial balance of a reporting period.

    Raises StoreError where entries and lines were not pulled whole, and as `trial_balance` does."""
    holdings = Holdings(project, destination)
    entries, lines = (_pulled(holdings, object) for object in (ENTRY, LINE))
    found = Verified()
    with sources(project, source) as reach:
        client = client_for(project, lines.state, connection or lines.connection, reach)
        if isinstance(client, str):
            raise StoreError(f"Table {lines.state.table} was {client}.", advice="Name it with --connection.")
        owners, owned = (subject_from(client, one.destination, one.state) for one in (entries, lines))
        trial_balance(owners, owned, period, book, found)
    return found


class _Pulled(msgspec.Struct, frozen=True):
    """A table that is there."""

    state: TableState
    destination: Destination
    connection: str | None


def _pulled(holdings: Holdings, object: str) -> _Pulled:
    """The table of an object."""
    for holding in holdings.find(object):
        state = holding.state
        if state is not None and state.object == object and not holding.damage:
            _refuse_filter(state)
            return _Pulled(state, holding.destination, holding.connection)
    raise StoreError(
        f"{object} was not pulled into {holdings.places}.",
        advice=f"Run `tieout pull {ENTRY}` first: it brings the entries and their lines.",
    )


def _refuse_filter(state: TableState) -> None:
    if Selection.read(state.selection).where() is not None:
        raise StoreError(
            f"Table {state.table} was pulled with a filter, so it does not hold all entries.",
            advice=f"Pull {ENTRY} without `where`, into a table of its own.",
        )


def trial_balance(entries: Subject, lines: Subject, period: str, book: str, into: Verified) -> None:
    """Compare the copy's lines with the report of a reporting period (`March 2026`) and book. Both sides are of the
    entity that the tables were pulled in, or of all at the top level.

    Raises ConfigurationError for an unknown period or book, StoreError for tables that do not hold what is needed, and
    what the client raises."""
    if book not in BOOKS:
        raise ConfigurationError(f"There is no reporting book {book!r} here.", advice="Name ACCRUAL or CASH.")
    _check(entries, ("key", "state", "glJournal.key"))
    _check(lines, ("key", *NEEDED))
    client = lines.client
    first, last = span(client, period)
    into.compared += [facts(entries), facts(lines)]
    theirs = _reported(client, _parameters(period, book, lines.state.entity))
    into.transactions += 1
    name = f"trial balance {period} {book}"
    if theirs is None:
        into.lines.append(unproven(name, "accounts", None, "the report has no columns of accounts and amounts"))
        return
    ours = _ours(entries, lines, (first, last), _journals(client, book), _inside(client, lines.state.entity))
    differing = []
    for account in sorted({*ours, *theirs}):
        mine, other = ours.get(account, Balance()), theirs.get(account, Balance())
        found = list(_lines(name, account, mine, other))
        into.lines += found
        if any(line.ties is False for line in found):
            differing.append(account)
    for account in differing[:MOST_ACCOUNTS]:
        _look(lines, account, first, last, into)


def _reported(client: Intacct, parameters: Mapping[str, object]) -> dict[str, Balance] | None:
    """Intacct's balances; none where it finds no data at all."""
    try:
        return read_report(client.report(REPORT, parameters))
    except IntacctError as error:
        if error.error_id != NO_DATA:
            raise
        return {}


def span(client: Intacct, period: str) -> tuple[date, date]:
    """First and last day of a reporting period of the company, or of a month by its name. Raises ConfigurationError."""
    from tieout.rest import F

    for row in client.query("general-ledger/reporting-period", ["startDate", "endDate"], F("id") == period):
        if row["startDate"] and row["endDate"]:
            return row["startDate"], row["endDate"]
    try:
        first = datetime.strptime(period, "%B %Y").date()  # noqa: DTZ007 - a day, no moment
    except ValueError:
        raise ConfigurationError(
            f"There is no reporting period {period!r} with a first and a last day.",
            advice="Name one of the company's reporting periods, such as 'March 2026'.",
        ) from None
    return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _check(subject: Subject, paths: tuple[str, ...]) -> None:
    missing = [path for path in paths if path not in {column.path for column in subject.columns}]
    if missing:
        raise StoreError(
            f"Table {subject.state.table} lacks {', '.join(missing)}.", advice="Pull it with these fields as well."
        )


def _parameters(period: str, book: str, entity: str) -> dict[str, object]:
    """The report service ignores the entity header and wants the entity as a filter (REST reference 2)."""
    found: dict[str, object] = {
        "timePeriod": {"periodToDate": {"reportingPeriod": {"id": period}}},
        "reportingBook": book,
        "includeReportingBook": True,
    }
    return found | ({"dimensions": {"location": {"id": entity}}} if entity else {})


def _journals(client: Intacct, book: str) -> set[str]:
    """Keys of the journals of a book."""
    rows = client.query("general-ledger/journal", ["key", "bookType"], private=not client.entity)
    return {str(row["key"]) for row in rows if row["bookType"] in BOOKS[book] or row["bookType"] is None}


def _inside(client: Intacct, entity: str) -> set[str] | None:
    """Ids of an entity and of the locations below it: the report of an entity is of lines there. None for all."""
    if not entity:
        return None
    rows = list(client.query("company-config/location", ["id", "parent.id"]))
    found, size = {entity}, 0
    while size < len(found):
        size = len(found)
        found |= {str(row["id"]) for row in rows if row["parent.id"] in found}
    return found


def _ours(
    entries: Subject, lines: Subject, days: tuple[date, date], journals: set[str], places: set[str] | None
) -> dict[str, Balance]:
    first, last = days
    posted = {
        key
        for key, row in _rows(entries, ("state", "glJournal.key"), None)
        if row["state"] in POSTED and row["glJournal.key"] in journals
    }
    found: defaultdict[str, Balance] = defaultdict(Balance)
    until = (last + timedelta(days=1)).isoformat()
    within = Window(column=next(c for c in lines.columns if c.path == "entryDate"), high=until)
    for _, row in _rows(lines, NEEDED, within):
        here = places is None or row["dimensions.location.id"] in places
        if here and row["journalEntry.key"] in posted and row["baseAmount"] is not None:
            debit, before = row["txnType"] == "debit", str(row["entryDate"]) < first.isoformat()
            found[str(row["glAccount.id"])].add(Decimal(str(row["baseAmount"])), debit=debit, before=before)
    return dict(found)


def _rows(subject: Subject, paths: tuple[str, ...], within: Window | None) -> Iterator[tuple[str, dict[str, Plain]]]:
    columns = [column for column in subject.columns if column.path in paths]
    table, to = subject.state.table, subject.destination
    keys = [key for lot in to.keys(table, within=within) for key in lot]
    for at in range(0, len(keys), LOT):
        yield from to.rows(table, keys[at : at + LOT], columns).items()


def _lines(name: str, account: str, ours: Balance, theirs: Balance) -> Iterator[TieOutLine]:
    """The closing balance of an account, and whatever else differs."""
    for what in ("opening", "debit", "credit", "closing"):
        mine, other = getattr(ours, what), getattr(theirs, what)
        if mine != other or what == "closing":
            yield TieOutLine(
                subject=name,
                what=f"{account} {what}",
                source=mine,
                intacct=other,
                difference=mine - other,
                ties=mine == other,
            )


def _look(lines: Subject, account: str, first: date, last: date, into: Verified) -> None:
    """Compare the account's lines up to the end of the period with Intacct's, key by key."""
    from tieout.rest import F

    search = Search(lines)
    search.findings.subject = f"{LINE} of account {account}"
    until = (last + timedelta(days=1)).isoformat()
    within = Window(column=next(c for c in lines.columns if c.path == "entryDate"), high=until)
    ours = [key for key, row in _rows(lines, ("glAccount.id",), within) if row["glAccount.id"] == account]
    search.selected((F("glAccount.id") == account) & (F("entryDate") <= last.isoformat()), ours)
    into.findings.append(search.findings)
    into.transactions += search.findings.transactions


def read_report(text: str) -> dict[str, Balance] | None:
    """Account -> balance. None where no row has headings for accounts and for debits and credits, or the report holds
    an amount that is none."""
    rows = list(csv.reader(io.StringIO(text)))
    for at, row in enumerate(rows):
        places = _places(row)
        if places is not None:
            try:
                return _balances(rows[at + 1 :], places)
            except InvalidOperation:
                return None
    return None


def _places(row: list[str]) -> dict[str, int] | None:
    """Where each amount stands, by the words of a heading row."""
    words = [cell.strip().lower() for cell in row]
    accounts = [at for at, word in enumerate(words) if "account" in word or word.startswith("acct")]
    found = {"account": accounts[0]} if accounts else {}
    for what, signs in _HEADINGS.items():
        at = next((i for i, word in enumerate(words) if any(sign in word for sign in signs)), None)
        if at is not None:
            found[what] = at
    return found if {"account", "opening", "debit", "credit"} <= set(found) else None


def _balances(rows: list[list[str]], places: Mapping[str, int]) -> dict[str, Balance]:
    found: dict[str, Balance] = {}
    for row in rows:
        account = row[places["account"]].partition("--")[0].strip() if len(row) > max(places.values()) else ""
        if account and "total" not in account.lower():
            found[account] = Balance(*(_amount(row[places[what]]) for what in ("opening", "debit", "credit")))
    return found


def _amount(text: str) -> Decimal:
    """`1,234.50`, `(12.00)` and nothing. Raises InvalidOperation."""
    bare = text.strip().replace(",", "").replace("$", "")
    if bare.startswith("(") and bare.endswith(")"):
        bare = f"-{bare[1:-1]}"
    return Decimal(bare or "0")
