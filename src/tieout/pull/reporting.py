"""A report of Intacct's as a table: run, read from its CSV, and put in the place of what the same report said of the
same period, book and entity.

What a report looks like nobody has published: its own headings become the columns, whatever they are. Knows one report
and one table.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec

from tieout.errors import ConfigurationError, InvalidRequestError, NotFoundError, ReplyError
from tieout.pull.destinations.base import Commit, Destination, Gone
from tieout.pull.destinations.batch import Batch
from tieout.pull.destinations.open import open_destination
from tieout.pull.destinations.state import TableState
from tieout.pull.leasing import leased
from tieout.pull.plan.targets import REPORT, service_of, table_of
from tieout.pull.report import PullReport
from tieout.pull.schema.drift import merged
from tieout.pull.schema.names import table_name
from tieout.pull.schema.types import Column, Kind, arrow_type, joined
from tieout.pull.settings import DEFAULT_DESTINATION, PullSettings
from tieout.pull.sources import Source, sources

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.rest import Budget

NO_DATA = "BL03002028"
"""The report finds nothing (REST reference 8.5)."""
_OWN = (
    Column(path="key", name="key", kind=Kind.TEXT),
    Column(path="tieout:period", name="report_period", kind=Kind.TEXT),
    Column(path="tieout:book", name="report_book", kind=Kind.TEXT),
    Column(path="tieout:entity", name="report_entity", kind=Kind.TEXT),
    Column(path="tieout:run", name="report_run", kind=Kind.TIMESTAMP),
    Column(path="tieout:row", name="report_row", kind=Kind.INTEGER),
)
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
AS_OF, TIMELESS = "inventory-control/inventory-valuation", "general-ledger/account-group-hierarchy"
"""Of the reports with a documented request these two have no reporting period: one is of a day, one of no time (REST
reference 7.8). None is documented with two days."""
_TIMES = ("timePeriod", "asOfDate")
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_AMOUNT = re.compile(r"-?(\d{1,3}(,\d{3})+|\d+)(\.\d{1,10})?|-?\.\d{1,10}", re.ASCII)


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Which report, of what."""

    service: str
    """`general-ledger/trial-balance`."""
    period: str
    """A reporting period of the company, `March 2026`; of an inventory valuation a day."""
    book: str = ""
    entity: str = ""
    parameters: Mapping[str, Any] = {}
    """Besides, in the words of the report service; they go before what the others say."""

    def wire(self) -> dict[str, Any]:
        """The parameters of the request (REST reference 7.8). The report service does not heed the entity header: the
        entity is a filter."""
        found: dict[str, Any] = {}
        if self.service == AS_OF:
            found["asOfDate"] = self.period
        elif self.service != TIMELESS:
            found["timePeriod"] = {"periodToDate": {"reportingPeriod": {"id": self.period}}}
        if self.book:
            found |= {"reportingBook": self.book, "includeReportingBook": True}
        if self.entity:
            found["dimensions"] = {"location": {"id": self.entity}}
        return found | dict(self.parameters)

    def prefix(self) -> str:
        """How the keys of its rows begin: equal for what replaces one another."""
        text = msgspec.json.encode([self.period, self.book, self.entity, dict(self.parameters)], order="deterministic")
        return f"{hashlib.sha256(text).hexdigest()[:16]}-"


def pull_report(
    project: Project,
    report: str,
    *,
    period: str,
    book: str = "",
    parameters: Mapping[str, Any] | None = None,
    connection: str | None = None,
    destination: str | None = None,
    table: str | None = None,
    source: Source | None = None,
    budget: Budget | None = None,
    concurrency: int | None = None,
) -> PullReport:
    """Run a report of Intacct's (`trial-balance`) and keep it as a table, in the place of what the same report said of
    the same period, book and entity before.

    `period` is a reporting period of the company (`March 2026`), `this month` or `last month`; of an inventory
    valuation a day. `parameters` are further ones in the words of the report service. Raises ConfigurationError before
    anything is sent, UnknownNameError, NotFoundError, InvalidRequestError where Intacct does not make the report,
    UnreachableError where it is not ready in time, StoreError, BusyError."""
    settings = settings_of(
        report=report,
        period=period,
        book=book,
        parameters=dict(parameters or {}),
        destination=destination or DEFAULT_DESTINATION,
        table=table,
    )
    to = open_destination(project.root, settings.destination)
    into = table_of(settings)
    with sources(project, source, budget, concurrency) as reach:
        found = reach(connection)
        with leased(project, [(to, into)]) if source is None else nullcontext():
            return run(found, to, settings, date.today())  # noqa: DTZ011 - the month where the reader is


def settings_of(**given: Any) -> PullSettings:
    """Settings of a report that no section has. Raises ConfigurationError."""
    try:
        return PullSettings(**given)
    except ValueError as error:
        raise ConfigurationError(f"{error}.") from None


def run(source: Source, to: Destination, settings: PullSettings, today: date) -> PullReport:
    """Run the report of each period and keep them. Raises as `pull_report` does; what came before an error is kept."""
    began, service, into = time.monotonic(), service_of(settings.report), table_of(settings)
    asks = asks_of(settings, source.client.entity or "", today)
    to.check()
    texts = _texts(source, service, asks)
    report = PullReport(object=service, table=into, destination=str(to))
    refused: list[InvalidRequestError] = []
    for ask, text in zip(asks, texts, strict=True):
        if isinstance(text, str):
            _add(report, keep(to, into, source.company, ask, text))
        elif text.error_id == NO_DATA:
            _add(report, keep(to, into, source.company, ask, None))
            report.notes.append(f"Intacct finds no data for {ask.period}")
        else:
            refused.append(text)
    report.pages = report.transactions = len(asks)
    report.seconds = time.monotonic() - began
    if refused:
        raise refused[0]
    return report


def _texts(source: Source, service: str, asks: Sequence[Ask]) -> list[str | InvalidRequestError]:
    name = f"{table_name(service)} {asks[0].period}"
    try:
        return source.client.reports(service, [ask.wire() for ask in asks], name=name)
    except NotFoundError as error:
        error.message = f"Intacct has no report {service} here."
        error.advice = (
            "Ask whether the company has subscribed to its application. The local Intacct of `tieout simulate` makes "
            "general-ledger/trial-balance only."
        )
        raise


def asks_of(settings: PullSettings, entity: str, today: date) -> list[Ask]:
    """One for each period; a month that is named by its place is the company's period of that name.

    Raises ConfigurationError for a period that the report is not made of."""
    first = today.replace(day=1)
    months = {"this month": first, "last month": (first - timedelta(days=1)).replace(day=1)}
    known = {name: f"{MONTHS[day.month - 1]} {day.year}" for name, day in months.items()}
    periods = [known.get(period.lower(), period) for period in settings.periods]
    service = service_of(settings.report)
    if not any(name in (settings.parameters or {}) for name in _TIMES):
        for period in periods:
            _refuse_other_times(service, period)
    return [
        Ask(
            service=service,
            period=period,
            book=settings.book,
            entity=entity,
            parameters=settings.parameters or {},
        )
        for period in dict.fromkeys(periods)
    ]


def _refuse_other_times(service: str, period: str) -> None:
    name = service.rpartition("/")[2]
    if service == AS_OF and not _DAY.fullmatch(period):
        raise ConfigurationError(
            f"The report {name} is made as of a day, not of {period!r}.", advice="Write the day as 2026-03-31."
        )
    if service not in (AS_OF, TIMELESS) and ".." in period:
        raise ConfigurationError(
            f"The report {name} is made of a reporting period of the company, not of two days.",
            advice='Write "March 2026", or another period that `tieout query reporting-periods --fields '
            "id,startDate,endDate` lists.",
        )


def _add(report: PullReport, one: PullReport) -> None:
    report.rows_read += one.rows_read
    report.new += one.new
    report.changed += one.changed
    report.deleted += one.deleted


def keep(to: Destination, table: str, company: str, ask: Ask, text: str | None) -> PullReport:
    """Put a report's CSV, or that it found nothing, into a table.

    Raises ReplyError where it holds no table, ConfigurationError where the table is of something else, StoreError,
    BusyError."""
    before = to.state(table)
    object = f"{REPORT}{ask.service}"
    if before is None:
        before = TableState(table=table, object=object, company=company, entity=ask.entity)
    elif (before.object, before.company) != (object, company):
        raise ConfigurationError(
            f"Table {table} of {to.place} holds something else than {ask.service} of company {company}.",
            advice="Give --table NAME, or name another destination.",
        )
    headings, cells = read_table(text) if text is not None else ([], [])
    columns = columns_of(headings, cells, before.columns)
    batch = _batch(columns, cells, ask)
    there = {key for lot in to.keys(table) for key in lot} if before.version else set()
    gone = sorted(key for key in there - set(batch.keys) if key.startswith(ask.prefix()))
    after = msgspec.structs.replace(before, columns=merged(before.columns, columns), run=uuid4().hex)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    done = to.commit(
        Commit(before=before, after=after, batch=batch, synced=now, gone=Gone(keys=gone, hard=True) if gone else None)
    )
    report = PullReport(object=ask.service, table=table, destination=str(to), rows_read=batch.rows)
    report.new, report.changed, report.deleted = done.new, done.changed, done.gone
    report.pages = report.transactions = 1
    return report


def read_table(text: str) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of a report's CSV. Titles stand above the headings, which are the first of the fullest rows.

    Raises ReplyError where no row has two cells."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text))]
    filled = [sum(bool(cell) for cell in row) for row in rows]
    most = max(filled, default=0)
    if most < 2:
        raise ReplyError("The report holds no table.", advice="Nothing was written. Look whether Intacct shows it.")
    at = filled.index(most)
    width = len(rows[at])
    return rows[at], [
        row[:width] + [""] * (width - len(row)) for row, n in zip(rows[at + 1 :], filled[at + 1 :], strict=True) if n
    ]


def columns_of(headings: Sequence[str], cells: Sequence[Sequence[str]], before: Sequence[Column]) -> list[Column]:
    """tieout's own columns, then one for each heading: amounts are exact numbers, everything else is text."""
    known = {column.path: column for column in before}
    names = {column.name for column in _OWN}
    found = list(_OWN)
    for at, heading in enumerate(headings):
        name = base = "_".join(re.findall(r"\w+", heading.lower())) or f"column_{at + 1}"
        number = 2
        while name in names:
            name, number = f"{base}_{number}", number + 1
        names.add(name)
        new = _typed(name, [row[at] for row in cells])
        old = known.get(name)
        if old is not None:
            kind, scale = joined(old, new) or (Kind.TEXT, 0)
            blank = not any(row[at] for row in cells)
            new = old if blank else msgspec.structs.replace(old, kind=kind, scale=scale)
        found.append(new)
    return found


def _typed(name: str, values: Sequence[str]) -> Column:
    amounts = [_amount(value) for value in values if value]
    exact = [value for value in amounts if value is not None]
    # Account numbers and ids are digits too: what has a point somewhere and a number everywhere is an amount.
    if not amounts or len(exact) < len(amounts) or not any("." in value for value in values):
        return Column(path=name, name=name, kind=Kind.TEXT)
    scale = max(2, *(-int(value.as_tuple().exponent) for value in exact))
    return Column(path=name, name=name, kind=Kind.DECIMAL, scale=scale)


def _amount(text: str) -> Decimal | None:
    """`1,234.50`, `(12.00)` and `$3.00`; None for anything else."""
    bare = text.replace("$", "").replace(" ", "")
    if bare.startswith("(") and bare.endswith(")"):
        bare = f"-{bare[1:-1]}"
    return Decimal(bare.replace(",", "")) if _AMOUNT.fullmatch(bare) else None


def _batch(columns: Sequence[Column], cells: Sequence[Sequence[str]], ask: Ask) -> Batch:
    import pyarrow as pa

    keys = [f"{ask.prefix()}{at + 1:06}" for at in range(len(cells))]
    own: list[list[Any]] = [
        list(keys),
        *([value] * len(cells) for value in (ask.period, ask.book, ask.entity, datetime.now(UTC))),
        list(range(1, len(cells) + 1)),
    ]
    theirs = columns[len(_OWN) :]
    values: list[list[Any]] = [
        [(_amount(row[at]) if c.kind is Kind.DECIMAL else row[at]) if row[at] else None for row in cells]
        for at, c in enumerate(theirs)
    ]
    arrays = [pa.array(v, arrow_type(c)) for c, v in zip(columns, [*own, *values], strict=True)]
    return Batch(columns, pa.table(arrays, names=[c.name for c in columns]), keys)
