"""The report service: a trial balance is submitted, becomes ready, and is downloaded (REST reference 7.8).

Who may see what, and what was posted, the company tells by queries; what a report looks like as a file is ours, since
nobody has published one.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec

from tieout.simulator.call import Call
from tieout.simulator.http import Response, json_reply, one, totals
from tieout.simulator.periods import period
from tieout.simulator.refusal import Refusal

TRIAL_BALANCE = ("reports", "general-ledger", "trial-balance")
ENTRY = "general-ledger/journal-entry"
LINE = "general-ledger/journal-entry-line"
PERIOD = "general-ledger/reporting-period"
POSTED = ("posted", "reversed", "reversal", "reversalPending")
"""States of entries whose amounts are in the books."""
BOOKS = {"ACCRUAL": ("accrual", "cashAndAccrual"), "CASH": ("cash", "cashAndAccrual")}
"""Reporting book -> book types of its journals."""
LINE_FIELDS = (
    "journalEntry.key",
    "glAccount.id",
    "glAccount.name",
    "txnType",
    "baseAmount",
    "entryDate",
    "dimensions.location.id",
)
COLUMNS = ("Account no.", "Account title", "Opening balance", "Debit", "Credit", "Closing balance")
INCEPTION = "Inception to Date"
NO_DATA = "BL03002028"
PAGE = 4000


class Made(msgspec.Struct):
    """A report that somebody has run."""

    id: str
    name: str
    output: str
    text: str
    waits: int
    """Times that its status is still `pending`."""
    canceled: bool = False


class _Balance(msgspec.Struct):
    """One account."""

    title: str = ""
    opening: Decimal = Decimal(0)
    debit: Decimal = Decimal(0)
    credit: Decimal = Decimal(0)


def _submit(call: Call) -> Response:
    body = _body(call)
    output, where = body.get("outputType", "csv"), body.get("outputLocation", "intacct")
    if output != "csv" or where != "intacct":
        raise Refusal.invalid_request("This simulator makes reports of outputType csv in outputLocation intacct only")
    parameters = body.get("parameters")
    if not isinstance(parameters, dict):
        raise Refusal.invalid_request("parameters is required")
    settings, made = call.company.settings, call.company.reports
    text = _trial_balance(call, parameters)
    report = Made(
        id=str(len(made) + 101),
        name=str(body.get("reportName", "Trial balance")),
        output=output,
        text=text,
        waits=int(settings.number("report_pending")),
    )
    made[report.id] = report
    result = {"reportId": report.id, "status": "submitted", "outputType": output, "name": report.name}
    content = {"ia::result": result | {"href": _href("status", report)}, "ia::meta": totals(1)}
    return json_reply(202, content, retry_after=_wait(call))


def _status(call: Call) -> Response:
    """`submitted pending completed failed canceled`; a completed one is answered with 303 (REST reference 7.8)."""
    report = _wanted(call, call.request.query)
    result = {"reportId": report.id, "outputType": report.output, "outputLocation": "intacct", "name": report.name}
    href = {"href": _href("status", report)}
    if report.canceled:
        return one(200, result | {"status": "canceled"} | href)
    if report.waits > 0:
        report.waits -= 1
        content = {"ia::result": result | {"status": "pending"} | href, "ia::meta": totals(1)}
        return json_reply(200, content, retry_after=_wait(call))
    if not report.text:
        # How a report without rows ends is seen as an error record only (REST reference 8.5).
        return one(200, result | {"status": "failed", "errorId": NO_DATA, "message": "No Data Found"} | href)
    download = _href("download", report)
    done = result | {"status": "completed", "downloadURL": download}
    if call.company.settings.word("report_completed") == "200":
        return one(200, done | href)
    return json_reply(303, {"ia::result": done, "ia::meta": totals(1)}, location=download)


def _download(call: Call) -> Response:
    report = _wanted(call, call.request.query)
    if report.waits > 0 or report.canceled or not report.text:
        raise Refusal.not_found("reports", report.id)
    return Response(200, {"content-type": "text/csv; charset=utf-8"}, report.text.encode())


def _cancel(call: Call) -> Response:
    report = _wanted(call, _body(call))
    report.canceled = report.canceled or report.waits > 0
    state = "canceled" if report.canceled else "completed"
    result = {"reportId": report.id, "status": state, "outputType": report.output, "outputLocation": "intacct"}
    return one(200, result | {"name": report.name, "href": _href("status", report)})


def _wait(call: Call) -> str:
    return str(int(call.company.settings.number("report_retry_after")))


def _wanted(call: Call, named: Mapping[str, Any]) -> Made:
    found = call.company.reports.get(str(named.get("reportId")))
    if found is None:
        raise Refusal.not_found("reports", str(named.get("reportId")))
    return found


def _href(what: str, report: Made) -> str:
    named = {"reportId": report.id, "outputType": report.output}
    more = {"outputLocation": "intacct"} if what == "status" else {}
    return f"/services/reports/{what}?{urlencode(named | more)}"


def _body(call: Call) -> Mapping[str, Any]:
    body = call.payload()
    if not isinstance(body, dict):
        raise Refusal.invalid_request("The body must be a JSON object")
    return body


# ---- the trial balance -----------------------------------------------------------------------------------------


def _trial_balance(call: Call, parameters: Mapping[str, Any]) -> str:
    """Accounts with something on them, as CSV; nothing where there are none."""
    first, last = _span(call, parameters)
    book = str(parameters.get("reportingBook", "ACCRUAL"))
    if book not in BOOKS:
        raise Refusal.invalid_request(f"reportingBook {book} is not a reporting book")
    found: defaultdict[str, _Balance] = defaultdict(_Balance)
    entries = set(_entries(call, book))
    places = _places(call, parameters)
    for line in _rows(call, LINE, LINE_FIELDS, [{"$lte": {"entryDate": last.isoformat()}}]):
        if line["journalEntry.key"] not in entries:
            continue
        if places is not None and line["dimensions.location.id"] not in places:
            continue
        amount = Decimal(str(line["baseAmount"]))
        balance = found[str(line["glAccount.id"])]
        balance.title = str(line["glAccount.name"] or "")
        if date.fromisoformat(str(line["entryDate"])) < first:
            balance.opening += amount if line["txnType"] == "debit" else -amount
        elif line["txnType"] == "debit":
            balance.debit += amount
        else:
            balance.credit += amount
    nothing = not found or call.company.settings.word("report_csv") == "no_data"
    return "" if nothing else _as_csv(call, found, first, last, book)


def _span(call: Call, parameters: Mapping[str, Any]) -> tuple[date, date]:
    """First and last day: of a reporting period of the company, of a month named as Sage's example does, or all time;
    `asOfDate` ends it earlier."""
    wanted = _at(parameters, "timePeriod", "periodToDate", "reportingPeriod", "id")
    until = _at(parameters, "timePeriod", "periodToDate", "asOfDate")
    if not isinstance(wanted, str):
        raise Refusal.invalid_request("timePeriod.periodToDate.reportingPeriod is required")
    span = _named(call, wanted)
    if span is None:
        raise Refusal.invalid_request(f"reportingPeriod {wanted} does not exist")
    first, last = span
    try:
        return first, min(last, date.fromisoformat(until)) if isinstance(until, str) else last
    except ValueError:
        raise Refusal.invalid_request("asOfDate is not a date") from None


def _named(call: Call, wanted: str) -> tuple[date, date] | None:
    if wanted == INCEPTION:
        return date.min, date.max
    known = _rows(call, PERIOD, ("id", "startDate", "endDate"), [{"$eq": {"id": wanted}}])
    for row in known:
        if row["startDate"] and row["endDate"]:
            return date.fromisoformat(str(row["startDate"])), date.fromisoformat(str(row["endDate"]))
    try:
        day = datetime.strptime(wanted, "%B %Y").date()  # noqa: DTZ007 - a day, no moment
    except ValueError:
        return None
    return period("currentMonth", day)


def _entries(call: Call, book: str) -> Iterator[str]:
    """Keys of the posted entries of a book."""
    journals = {
        row["key"]
        for row in _rows(call, "general-ledger/journal", ("key", "bookType"), [])
        if row["bookType"] in BOOKS[book] or row["bookType"] is None
    }
    for row in _rows(call, ENTRY, ("key", "glJournal.key"), [{"$in": {"state": list(POSTED)}}]):
        if row["glJournal.key"] in journals:
            yield str(row["key"])


def _places(call: Call, parameters: Mapping[str, Any]) -> set[str] | None:
    """The location of `dimensions.location` and those below it; None for all."""
    wanted = _at(parameters, "dimensions", "location", "id")
    if wanted is None:
        return None
    parents = {row["id"]: row["parent.id"] for row in _rows(call, "company-config/location", ("id", "parent.id"), [])}
    if wanted not in parents:
        raise Refusal.invalid_request(f"location {wanted} does not exist")
    found, size = {str(wanted)}, 0
    while size < len(found):
        size = len(found)
        found |= {place for place, parent in parents.items() if parent in found}
    return found


def _rows(call: Call, object: str, fields: tuple[str, ...], filters: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """All rows that a user may see at the top level: the service ignores the entity header (REST reference 2)."""
    who = msgspec.structs.replace(call.who, entity=None)
    start = 1
    while True:
        query = {"object": object, "fields": list(fields), "orderBy": [{"key": "asc"}], "start": start, "size": PAGE}
        more = {"filters": filters, "filterParameters": {"includePrivate": True}}
        answer = call.company.query(query | more, who)
        yield from answer.rows
        start += PAGE
        if start > answer.total:
            return


def _at(values: Mapping[str, Any], *path: str) -> Any:
    found: Any = values
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _as_csv(call: Call, found: Mapping[str, _Balance], first: date, last: date, book: str) -> str:
    sink = io.StringIO()
    writer = csv.writer(sink)
    if call.company.settings.word("report_csv") == "titled":
        writer.writerows([["Trial Balance"], [f"{first} to {last}"], [f"Reporting book: {book}"], []])
    writer.writerow(COLUMNS)
    total = _Balance(title="Total")
    for account in sorted(found):
        balance = found[account]
        _write(writer.writerow, account, balance)
        total.opening += balance.opening
        total.debit += balance.debit
        total.credit += balance.credit
    _write(writer.writerow, "", total)
    return sink.getvalue()


def _write(write: Callable[[list[str]], Any], account: str, balance: _Balance) -> None:
    closing = balance.opening + balance.debit - balance.credit
    amounts = (balance.opening, balance.debit, balance.credit, closing)
    write([account, balance.title, *(f"{amount:.2f}" for amount in amounts)])


SERVICES: dict[tuple[str, ...], tuple[str, Callable[[Call], Response]]] = {
    TRIAL_BALANCE: ("POST", _submit),
    ("reports", "status"): ("GET", _status),
    ("reports", "download"): ("GET", _download),
    ("reports", "cancel"): ("POST", _cancel),
}
"""Path behind `/services/` -> its method and who answers."""
