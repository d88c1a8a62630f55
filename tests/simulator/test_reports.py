"""The report service of the simulator: a trial balance on its way, and what is in it."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

from tests.simulator.conftest import Caller

from tieout.simulator import Simulator

PATH = "/services/reports/general-ledger/trial-balance"
ACCOUNT, JOURNAL, ENTRY = "general-ledger/account", "general-ledger/journal", "general-ledger/journal-entry"


def ask(period: str = "March 2026", **parameters: Any) -> dict[str, Any]:
    time = {"timePeriod": {"periodToDate": {"reportingPeriod": {"id": period}}}}
    return {"outputType": "csv", "outputLocation": "intacct", "parameters": {**time, **parameters}}


def load(caller: Caller) -> None:
    company = caller.simulator.company()
    company.load(ACCOUNT, [{"key": "1", "id": "1000", "name": "Cash"}, {"key": "2", "id": "4000", "name": "Sales"}])
    company.load(
        JOURNAL, [{"key": "1", "id": "GJ", "bookType": "accrual"}, {"key": "2", "id": "CJ", "bookType": "cash"}]
    )
    for key, day, amount, state, journal in (
        ("1", "2026-02-10", "100.00", "posted", "1"),
        ("2", "2026-03-10", "10.25", "posted", "1"),
        ("3", "2026-03-11", "7.00", "draft", "1"),
        ("4", "2026-03-12", "5.00", "posted", "2"),
        ("5", "2026-04-01", "900.00", "posted", "1"),
    ):
        shared = {"txnAmount": amount, "baseAmount": amount, "entryDate": day, "state": state}
        lines = [
            {"key": f"{key}{n}", "glAccount": {"key": str(n)}, "txnType": side, "journalEntry": {"key": key}, **shared}
            for n, side in ((1, "debit"), (2, "credit"))
        ]
        entry = {"key": key, "postingDate": day, "state": state, "glJournal": {"key": journal}, "lines": lines}
        company.load(ENTRY, [entry])


def run(caller: Caller, body: dict[str, Any]) -> dict[str, list[str]]:
    """Account -> amounts of the report."""
    caller.simulator.settings.set({"report_pending": 0})
    told = caller.post(PATH, body)
    assert told.status == 202, told.body
    id = told.json()["ia::result"]["reportId"]
    reply = caller.get(f"/services/reports/download?reportId={id}&outputType=csv")
    rows = list(csv.reader(io.StringIO(reply.body.decode())))
    at = next(n for n, row in enumerate(rows) if row[:1] == ["Account no."])
    return {row[0]: row[2:] for row in rows[at + 1 :]}


def test_a_report_is_submitted_asked_for_and_downloaded(caller: Caller) -> None:
    load(caller)
    told = caller.post(PATH, ask())
    assert (told.status, told.headers["retry-after"]) == (202, "30")
    result = told.json()["ia::result"]
    status = result["href"]
    assert caller.get(f"/services/reports/download?reportId={result['reportId']}").status == 404
    assert caller.get(status).json()["ia::result"]["status"] == "pending"
    done = caller.get(status)
    assert (done.status, done.json()["ia::result"]["status"]) == (303, "completed")
    reply = caller.get(done.json()["ia::result"]["downloadURL"])
    assert reply.headers["content-type"].startswith("text/csv")
    caller.simulator.settings.set({"report_completed": "200"})
    assert caller.get(status).status == 200


def test_what_was_posted_in_the_book_and_the_period_is_in_it(caller: Caller) -> None:
    load(caller)
    assert run(caller, ask()) == {
        "1000": ["100.00", "10.25", "0.00", "110.25"],
        "4000": ["-100.00", "0.00", "10.25", "-110.25"],
        "": ["0.00", "10.25", "10.25", "0.00"],
    }
    assert run(caller, ask(reportingBook="CASH"))["1000"] == ["0.00", "5.00", "0.00", "5.00"]
    assert run(caller, ask("Inception to Date"))["1000"][3] == "1010.25"
    early = ask()
    early["parameters"]["timePeriod"]["periodToDate"]["asOfDate"] = "2026-03-09"
    assert run(caller, early)["1000"] == ["100.00", "0.00", "0.00", "100.00"]


def test_a_period_of_the_company_goes_before_a_month_of_that_name(caller: Caller) -> None:
    load(caller)
    period = {"key": "1", "id": "Quarter 1", "startDate": "2026-01-01", "endDate": "2026-03-31"}
    caller.simulator.company().load("general-ledger/reporting-period", [period])
    assert run(caller, ask("Quarter 1"))["1000"] == ["0.00", "110.25", "0.00", "110.25"]


def test_canceled_and_empty_reports(caller: Caller) -> None:
    load(caller)
    id = caller.post(PATH, ask()).json()["ia::result"]["reportId"]
    assert caller.post("/services/reports/cancel", {"reportId": id}).json()["ia::result"]["status"] == "canceled"
    assert caller.get(f"/services/reports/status?reportId={id}").json()["ia::result"]["status"] == "canceled"
    caller.simulator.settings.set({"report_pending": 0})
    empty = caller.post(PATH, ask("March 1999")).json()["ia::result"]["reportId"]
    told = caller.get(f"/services/reports/status?reportId={empty}").json()["ia::result"]
    assert (told["status"], told["errorId"]) == ("failed", "BL03002028")


def test_what_cannot_be_made_is_refused(caller: Caller) -> None:
    bad = (
        {},
        ask("nonsense"),
        ask(reportingBook="GAAP"),
        ask(dimensions={"location": {"id": "none"}}),
        ask() | {"outputType": "pdf"},
    )
    assert {caller.post(PATH, body).status for body in bad} == {400}
    assert caller.get("/services/reports/status?reportId=9999").status == 404
    assert caller.get(PATH).status == 405


def test_the_demo_company_balances() -> None:
    with Simulator("demo") as simulator:
        caller = Caller(simulator)
        found = run(caller, ask("Inception to Date"))
        assert len(found) > 5
        assert Decimal(found[""][3]) == 0
        part = run(caller, ask("Inception to Date", dimensions={"location": {"id": "E120"}}))
        assert Decimal(0) < Decimal(part[""][1]) < Decimal(found[""][1])
