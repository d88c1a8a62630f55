"""Journal lines of the copy against Intacct's own trial balance: per account, entity and book, with the lines and
entries behind a difference.

One report for each entity and book, and a page of lines for each of the first accounts that differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec

from tieout import catalogue
from tieout.errors import ConfigurationError, InvalidRequestError, StoreError, UnknownNameError
from tieout.project.report import TieOutLine
from tieout.pull.destinations.base import Destination, Window
from tieout.pull.destinations.batch import Plain
from tieout.pull.destinations.state import TableState
from tieout.pull.proof.balances import Balance, read_report
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
BOOK = "ACCRUAL"
ENTITIES = ("entity", "elimination")
"""Types of locations that keep books of their own (REST reference 9.4)."""
NEEDED = ("journalEntry.key", "glAccount.id", "txnType", "baseAmount", "entryDate", "dimensions.location.id")
MOST_ACCOUNTS = 10
"""Accounts whose lines are looked into."""
MOST_ENTRIES = 4000
"""Entries that are asked for by key where the lines of such an account are all the same."""
LOT = 4000


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """One report: of a book, and of an entity or of everything."""

    book: str
    entity: str = ""
    places: frozenset[str] | None = None
    """Ids of the entity and of the locations below it: its report is of lines there. None for all."""

    @property
    def whose(self) -> str:
        return self.entity or "all entities"


class Ahead(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison will ask of Intacct, said before it does."""

    scopes: Sequence[Scope]
    transactions: int
    """Billable ones, where everything ties."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be compared."""

    period: str
    """A reporting period of the company, `March 2026`."""
    books: Sequence[str] = (BOOK,)
    entities: Sequence[str] = ()
    """None: of a copy of the top level, each entity of the company, and all of them together."""


def verify_trial_balance(
    project: Project,
    asked: Asked,
    *,
    connection: str | None = None,
    destination: str | None = None,
    source: Source | None = None,
    before: Callable[[Ahead], None] | None = None,
) -> Verified:
    """Compare the journal lines that were pulled with Intacct's own trial balances of a reporting period. `before` is
    told what the reports will cost.

    Raises StoreError where entries and lines were not pulled whole, and as `trial_balance` does."""
    holdings = Holdings(project, destination)
    entries, lines = (_pulled(holdings, object) for object in (ENTRY, LINE))
    found = Verified()
    with sources(project, source) as reach:
        client = client_for(project, lines.state, connection or lines.connection, reach)
        if isinstance(client, str):
            raise StoreError(f"Table {lines.state.table} was {client}.", advice="Name it with --connection.")
        owners, owned = (subject_from(client, one.destination, one.state) for one in (entries, lines))
        trial_balance(owners, owned, asked, found, before=before)
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


def trial_balance(
    entries: Subject,
    lines: Subject,
    asked: Asked,
    into: Verified,
    *,
    before: Callable[[Ahead], None] | None = None,
) -> None:
    """Compare the copy's lines with the reports of a reporting period: of the entity that the tables were pulled in, or
    at the top level of each entity, and of all together where they keep their books in one currency.

    Raises ConfigurationError for an unknown period or book, UnknownNameError for an unknown entity, StoreError for
    tables that do not hold what is needed, and what the client raises."""
    for book in asked.books:
        if book not in BOOKS:
            raise ConfigurationError(f"There is no reporting book {book!r} here.", advice="Name ACCRUAL or CASH.")
    _check(entries, ("key", "state", "glJournal.key"))
    _check(lines, ("key", *NEEDED))
    client = lines.client
    days = span(client, asked.period)
    company = _Company.of(client, lines.state.entity)
    scopes = company.scopes(asked)
    into.compared += [facts(entries), facts(lines)]
    into.transactions += 3  # the period, the locations and the journals
    if before is not None:
        before(Ahead(scopes=scopes, transactions=into.transactions + len(scopes)))
    reports = client.reports(REPORT, [_parameters(asked.period, scope) for scope in scopes])
    into.transactions += len(scopes)
    ledger = _Ledger(entries, lines, days, _journals(client))
    differing: dict[str, bool] = {}
    for scope, report in zip(scopes, reports, strict=True):
        name = f"trial balance {asked.period} {scope.book} {scope.whose}"
        theirs = _balances(report)
        if isinstance(theirs, str):
            into.lines.append(unproven(name, "accounts", None, theirs))
            continue
        ours = ledger.of(scope)
        if not ours and not theirs:
            into.lines.append(_nothing(name, scope))
        for account in sorted({*ours, *theirs}):
            found = list(_lines(name, scope, account, ours.get(account, Balance()), theirs.get(account, Balance())))
            into.lines += found
            wrong = {line.what for line in found if line.ties is False}
            if wrong:
                differing[account] = differing.get(account, False) or f"{account} opening" in wrong
    if not asked.entities:
        _outside(company, ledger, asked, into)
    _behind(entries, lines, differing, days, into)


def _balances(report: str | InvalidRequestError) -> dict[str, Balance] | str:
    """Intacct's balances, none where it finds no data at all; or why they are not known."""
    if isinstance(report, InvalidRequestError):
        return {} if report.error_id == NO_DATA else f"Intacct makes no report: {report}"
    found = read_report(report)
    return "the report has no columns of accounts and amounts" if found is None else found


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


class _Company(msgspec.Struct, frozen=True):
    """The locations that a connection sees."""

    own: str
    """The entity of the connection, "" at the top level."""
    parents: Mapping[str, str]
    """Location -> the one above, "" for none."""
    currencies: Mapping[str, str]
    """Entity -> the base currency that it keeps its books in, "" where Intacct does not say."""

    @classmethod
    def of(cls, client: Intacct, own: str) -> _Company:
        """One transaction."""
        fields = ["id", "parent.id", "locationType", "baseCurrency"]
        rows = list(client.query("company-config/location", fields, private=not own))
        return cls(
            own,
            {str(row["id"]): str(row["parent.id"] or "") for row in rows},
            {str(row["id"]): str(row["baseCurrency"] or "") for row in rows if row["locationType"] in ENTITIES},
        )

    @property
    def mixed(self) -> list[str]:
        """The base currencies, where there are several: no amount of all entities together is in any of them."""
        found = sorted({currency for currency in self.currencies.values() if currency})
        return found if len(found) > 1 else []

    def scopes(self, asked: Asked) -> list[Scope]:
        """Book by book, the entities in the order of their ids. Raises UnknownNameError."""
        known = [self.own] if self.own else sorted(self.currencies)
        for name in asked.entities:
            if name not in known:
                advice = f"There are {', '.join(known)}." if known else "The company has no entities."
                raise UnknownNameError(
                    "entity in this copy named", name, nearest=catalogue.nearest(name, known), advice=advice
                )
        whole = not (self.own or asked.entities or self.mixed)
        named = [*(asked.entities or known), *([""] if whole else [])]
        return [
            Scope(book=book, entity=entity, places=self.below(entity) if entity else None)
            for book in dict.fromkeys(asked.books)
            for entity in dict.fromkeys(named)
        ]

    def below(self, entity: str) -> frozenset[str]:
        """An entity and the locations below it."""
        found, size = {entity}, 0
        while size < len(found):
            size = len(found)
            found |= {place for place, parent in self.parents.items() if parent in found}
        return frozenset(found)


def _parameters(period: str, scope: Scope) -> dict[str, object]:
    """The report service ignores the entity header and wants the entity as a filter (REST reference 2)."""
    found: dict[str, object] = {
        "timePeriod": {"periodToDate": {"reportingPeriod": {"id": period}}},
        "reportingBook": scope.book,
        "includeReportingBook": True,
    }
    return found | ({"dimensions": {"location": {"id": scope.entity}}} if scope.entity else {})


def _journals(client: Intacct) -> dict[str, str | None]:
    """Journal -> its book type."""
    rows = client.query("general-ledger/journal", ["key", "bookType"], private=not client.entity)
    return {str(row["key"]): row["bookType"] for row in rows}


class _Ledger:
    """The copy's posted lines up to the end of a period, added up by journal, location and account in one pass."""

    def __init__(
        self, entries: Subject, lines: Subject, days: tuple[date, date], journals: Mapping[str, str | None]
    ) -> None:
        self._journals = journals
        self._found: defaultdict[tuple[str, str, str], Balance] = defaultdict(Balance)
        first = days[0].isoformat()
        rows = _rows(entries, ("state", "glJournal.key"), None)
        posted = {key: str(row["glJournal.key"]) for key, row in rows if row["state"] in POSTED}
        for _, row in _rows(lines, NEEDED, _until(lines, days[1])):
            journal = posted.get(str(row["journalEntry.key"]))
            if journal is not None and journal in journals and row["baseAmount"] is not None:
                balance = self._found[journal, str(row["dimensions.location.id"] or ""), str(row["glAccount.id"])]
                debit, early = row["txnType"] == "debit", str(row["entryDate"]) < first
                balance.add(Decimal(str(row["baseAmount"])), debit=debit, before=early)

    def of(self, scope: Scope) -> dict[str, Balance]:
        """Account -> balance."""
        found: defaultdict[str, Balance] = defaultdict(Balance)
        for (journal, place, account), balance in self._found.items():
            # A journal that names no book type is taken for one of each book.
            kept = self._journals[journal] in (*BOOKS[scope.book], None)
            if kept and (scope.places is None or place in scope.places):
                found[account] += balance
        return dict(found)


def _until(lines: Subject, last: date, first: date | None = None) -> Window:
    """Lines dated up to a day, or from one to another."""
    column = next(c for c in lines.columns if c.path == "entryDate")
    high = (last + timedelta(days=1)).isoformat()
    return Window(column=column, low=first.isoformat() if first else None, high=high)


def _rows(subject: Subject, paths: tuple[str, ...], within: Window | None) -> Iterator[tuple[str, dict[str, Plain]]]:
    columns = [column for column in subject.columns if column.path in paths]
    table, to = subject.state.table, subject.destination
    keys = [key for lot in to.keys(table, within=within) for key in lot]
    for at in range(0, len(keys), LOT):
        yield from to.rows(table, keys[at : at + LOT], columns).items()


def _lines(name: str, scope: Scope, account: str, ours: Balance, theirs: Balance) -> Iterator[TieOutLine]:
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
                account=account,
                entity=scope.entity,
                book=scope.book,
            )


def _nothing(name: str, scope: Scope) -> TieOutLine:
    return TieOutLine(
        subject=name,
        what="accounts",
        source=0,
        intacct=0,
        difference=0,
        ties=True,
        entity=scope.entity,
        book=scope.book,
    )


def _outside(company: _Company, ledger: _Ledger, asked: Asked, into: Verified) -> None:
    """Says what the whole company is not compared for; lines of no entity are then in no report."""
    if company.own or not company.mixed:
        return
    into.notes.append(
        f"All entities together are not compared: they keep their books in {', '.join(company.mixed)}, and what "
        "Intacct's report adds up then is not documented."
    )
    somewhere = frozenset(place for entity in company.currencies for place in company.below(entity))
    for book in asked.books:
        everywhere = ledger.of(Scope(book=book))
        inside = ledger.of(Scope(book=book, places=somewhere))
        left = [account for account, balance in everywhere.items() if balance != inside.get(account)]
        if left:
            name = f"trial balance {asked.period} {book} no entity"
            into.lines.append(unproven(name, "accounts", len(left), "lines of no entity are in no report of an entity"))


def _behind(
    entries: Subject, lines: Subject, differing: Mapping[str, bool], days: tuple[date, date], into: Verified
) -> None:
    """Compare the lines of accounts that differ with Intacct's, and where those are the same, their entries.

    `differing`: account -> whether its opening balance differs, so that lines before the period count too."""
    if not differing:
        return
    found, same = [], []
    for account, early in list(differing.items())[:MOST_ACCOUNTS]:
        search, owners = _look(lines, account, _until(lines, days[1], None if early else days[0]))
        found.append(search.findings)
        same += [] if search.findings.rows else owners
    states = Search(entries)
    if entries.state.watermark:
        states.since(entries.state.watermark)
    states.named(list(dict.fromkeys(same))[:MOST_ENTRIES])
    into.transactions += sum(one.transactions for one in (*found, states.findings))
    # Where a line is the same on both sides and its entry is not, the entry is what is behind it.
    into.findings += [one for one in found if one.rows or not states.findings.rows]
    into.findings += [states.findings] if states.findings.rows else []
    if len(differing) > MOST_ACCOUNTS:
        into.notes.append(
            f"{len(differing):,} accounts differ: the lines of the first {MOST_ACCOUNTS} were looked into. What is "
            "behind them is often behind the others."
        )


def _look(lines: Subject, account: str, within: Window) -> tuple[Search, list[str]]:
    """The account's lines against Intacct's, key by key; and the entries of those here."""
    from tieout.rest import F

    search = Search(lines, owner="journalEntry.key")
    search.findings.subject, search.findings.owners = f"{LINE} of account {account}", "entry"
    here = {
        key: str(row["journalEntry.key"])
        for key, row in _rows(lines, ("glAccount.id", "journalEntry.key"), within)
        if row["glAccount.id"] == account
    }
    dated = (F("glAccount.id") == account) & (F("entryDate") < within.high)
    search.selected(dated if within.low is None else dated & (F("entryDate") >= within.low), list(here))
    return search, list(dict.fromkeys(here.values()))
