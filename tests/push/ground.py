"""The demo company and a project of pushes into it, for what is checked before anything is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from tieout import push
from tieout.connections import connect, open_connections
from tieout.project import Project, load
from tieout.push import PushReport
from tieout.rest import Intacct
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread
from tieout.simulator.permissions import OPERATIONS

PUSHES = """
[push.bills]
object = "bills"
id = "Line"
group_by = "Bill"
entity = { column = "Entity" }
control = { Total = "lines.txnAmount" }
[push.bills.fields]
billNumber = "Bill"
"vendor.id" = "Vendor"
createdDate = "Date"
dueDate = "Due"
"currency.txnCurrency" = "Currency"
"lines.txnAmount" = "Amount"
"lines.glAccount.id" = "Account"
"lines.dimensions.location.id" = "Location"
"lines.dimensions.department.id" = "Department"

[push.entries]
object = "journal-entry"
id = "Line"
group_by = "Entry"
[push.entries.fields]
"glJournal.id" = { constant = "GJ" }
postingDate = "Date"
description = "Entry"
"lines.txnType" = "Type"
"lines.txnAmount" = "Amount"
"lines.glAccount.id" = "Account"
"lines.dimensions.location.id" = "Location"
"lines.dimensions.department.id" = "Department"

[push.invoices]
object = "invoices"
id = "invoiceNumber"

[push.vendors]
object = "vendors"
"""


class Ground:
    """A project, and what its pushes say of records without sending any."""

    def __init__(self, project: Project, simulator: Simulator, url: str) -> None:
        self.project, self.simulator, self.url = project, simulator, url

    def check(self, name: str, records: Sequence[Mapping[str, Any]], **options: Any) -> PushReport:
        return push.push(self.project, name, records=records, dry_run=True, **options)

    def push(self, name: str, records: Sequence[Mapping[str, Any]], **options: Any) -> PushReport:
        return push.push(self.project, name, records=records, **options)

    def client(self) -> Intacct:
        return connect(self.project)

    def posts(self, object: str) -> int:
        """How many requests the company has had that create records of an object."""
        return len(
            [
                e
                for e in self.simulator.traffic.log.find()
                if e.method == "POST" and e.path.endswith(f"/objects/{object}")
            ]
        )

    @contextmanager
    def forbidding(self, object: str, answer: str = "forbidden") -> Iterator[None]:
        """The user of the connection may not look at one object; Intacct says so, or as if there were nothing."""
        company = self.simulator.company()
        user = company.users["admin"]
        company.set_user(msgspec.structs.replace(user, permissions={"*": OPERATIONS, object: ()}))
        company.settings.set({"no_permission": answer})
        try:
            yield
        finally:
            company.set_user(user)
            company.settings.set({"no_permission": "forbidden"})

    def retry(self, name: str, records: Sequence[Mapping[str, Any]], **options: Any) -> PushReport:
        return push.retry(self.project, name, records=records, **options)

    def with_text(self, change: Callable[[str], str]) -> Ground:
        """The same ground under a changed project file."""
        (self.project.root / "tieout.toml").write_text(change(PUSHES))
        return Ground(load(self.project.root), self.simulator, self.url)

    def with_settings(self, name: str, text: str) -> Ground:
        """More is said in one of the sections."""
        return self.with_text(lambda before: before.replace(f"[push.{name}]\n", f"[push.{name}]\n{text}"))

    def with_fields(self, name: str, text: str) -> Ground:
        """One of the sections maps more fields."""
        section = f"[push.{name}.fields]\n"
        return self.with_text(lambda before: before.replace(section, section + text))

    def without_asking(self, name: str) -> Ground:
        """Only what documents say of themselves is checked."""
        return self.with_settings(name, "check_references = false\ncheck_duplicates = false\n")


@contextmanager
def ground(root: Path, text: str = PUSHES, **connection: Any) -> Iterator[Ground]:
    """The demo company behind a port, and a project of its own."""
    with Simulator("demo") as simulator, SimulatorThread(simulator) as running:
        (root / "tieout.toml").write_text(text)
        project = load(root)
        connections = open_connections(project)
        connections.add_simulator("demo", running.url, **connection)
        connections.store.close()
        yield Ground(project, simulator, running.url)


def line(number: int, **more: Any) -> dict[str, Any]:
    """One row of a bill that the demo company takes."""
    return {
        "Line": str(number),
        "Bill": f"B-{number}",
        "Entity": "E110",
        "Total": "100.00",
        "Vendor": "V-2001",
        "Date": "2026-10-05",
        "Due": "2026-11-05",
        "Currency": "USD",
        "Amount": "100.00",
        "Account": "6000",
        "Location": "110-NYC",
        "Department": "200",
    } | more


def entry(number: int, **more: Any) -> dict[str, Any]:
    """One line of a journal entry."""
    return {
        "Line": str(number),
        "Entry": "JE-1",
        "Date": "2026-10-31",
        "Type": "debit",
        "Amount": "100.00",
        "Account": "6000",
        "Location": "110-NYC",
        "Department": "200",
    } | more


def said(report: PushReport) -> list[tuple[int, str, str]]:
    """(row, reason, nearest) of each problem."""
    return [(problem.row, problem.reason, problem.nearest) for problem in report.problems]


def invoice(number: str, **more: Any) -> dict[str, Any]:
    """An invoice as Intacct takes it."""
    return {
        "invoiceNumber": number,
        "invoiceDate": "2026-10-05",
        "dueDate": "2026-11-05",
        "customer": {"id": "C-1001"},
        "currency": {"txnCurrency": "USD"},
        "lines": [
            {
                "txnAmount": "5.00",
                "glAccount": {"id": "4000"},
                "dimensions": {"location": {"id": "110-NYC"}, "department": {"id": "200"}},
            }
        ],
    } | more
