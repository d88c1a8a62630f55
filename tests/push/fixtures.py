"""Realistic source files for the simulator's demo company: one in each template, three entities, a few rows wrong.

`make("intacct-bill", 10_000)` gives the file, the section to push it with, and for each bad row what its reason must
be. Ids are those of the demo company of the same day, so that all other rows are posted. The same arguments give the
same file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from tieout.simulator.seed import demo_group
from tieout.simulator.seed_accounts import EXPENSES, REVENUES
from tieout.simulator.seed_group import ENTITIES, LOCATIONS, Group, Party, Person, Project

OFFICES = {place: entity for entity, places in LOCATIONS.items() for place, _ in places}
"""Location -> entity."""
ENTITY_BY_LOCATION = ", ".join(f'"{place}" = "{entity}"' for place, entity in OFFICES.items())


@dataclass
class Bad:
    """One row that cannot be sent."""

    kind: str
    """date, amount, blank, office, look-up, sides, status: found by the mapping or a look-up. closed, unknown: Intacct
    refuses, unless references are checked before. total, balance: found by the checks of documents."""
    reason: str
    """What the row's problem must say, in part."""
    document: int
    """The position of its document in the file, from 0: all its rows are held with it."""

    @property
    def by_mapping(self) -> bool:
        return self.kind not in ("closed", "unknown", "total", "balance")


@dataclass
class Made:
    """A file, and what must become of it."""

    content: bytes
    section: str
    """The [push.NAME] section but for source and connection."""
    rows: int
    """Source rows, those left out not counted."""
    documents: dict[str, int] = field(default_factory=dict)
    """Entity -> documents, good and bad."""
    bad: dict[int, Bad] = field(default_factory=dict)
    """Row number, as a spreadsheet counts -> what is wrong."""
    left_out: int = 0
    """Rows that the template leaves out."""
    total: Decimal = Decimal(0)
    """Amounts, debits or hours of all good documents."""
    rows_of: dict[int, list[int]] = field(default_factory=dict)
    """Position of a document -> its rows."""

    @property
    def bad_documents(self) -> set[int]:
        return {bad.document for bad in self.bad.values()}


@dataclass
class _Writer:
    """Collects documents as rows of a CSV file."""

    columns: tuple[str, ...]
    random: Random
    made: Made
    table: list[list[str]] = field(default_factory=list)
    count: int = 0

    def comment(self, **cells: str) -> None:
        """A row that is left out."""
        self._write(cells)
        self.made.left_out += 1

    def document(
        self, entity: str, rows: list[dict[str, str]], amount: Decimal, bad: tuple[int, str, str] | None = None
    ) -> None:
        """`bad` is (which row, kind, reason)."""
        position, self.count = self.count, self.count + 1
        numbers = []
        for row in rows:
            self._write(row)
            numbers.append(len(self.table) + 1)
        self.made.rows += len(rows)
        self.made.rows_of[position] = numbers
        self.made.documents[entity] = self.made.documents.get(entity, 0) + 1
        if bad is None:
            self.made.total += amount
        else:
            which, kind, reason = bad
            self.made.bad[numbers[which]] = Bad(kind, reason, position)

    def _write(self, cells: dict[str, str]) -> None:
        assert cells.keys() <= set(self.columns), cells.keys() - set(self.columns)
        self.table.append([cells.get(column, "") for column in self.columns])

    def encoded(self, encoding: str) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(self.columns)
        writer.writerows(self.table)
        return text.getvalue().encode(encoding)


def make(template: str, rows: int, *, today: date, share_bad: float = 0.02, seed: int = 1) -> Made:
    """A file of about `rows` source rows in a template, about `share_bad` of them wrong. `today` is the company's."""
    group = _group(today)
    random = Random(f"{template} {rows} {seed}")
    return _MAKERS[template](group, random, rows, share_bad)


_GROUPS: dict[date, Group] = {}


def _group(today: date) -> Group:
    if today not in _GROUPS:
        _GROUPS[today] = demo_group(today)
    return _GROUPS[today]


def _money(random: Random) -> Decimal:
    return Decimal(random.randrange(100, 900_000)) / 100


def _day(day: date) -> str:
    """As Sage's templates and Excel write it: no leading zeros."""
    return f"{day.month}/{day.day}/{day.year}"


def _spoil(row: dict[str, str], kinds: dict[str, Callable[[dict[str, str]], str]], random: Random) -> tuple[str, str]:
    kind = random.choice(sorted(kinds))
    return kind, kinds[kind](row)


def _set(column: str, value: str, reason: str) -> Callable[[dict[str, str]], str]:
    def change(row: dict[str, str]) -> str:
        row[column] = value
        return reason

    return change


def _columns(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Bills and invoices --------------------------------------------------------------------------------------------------

BILL_COLUMNS = _columns(
    """
    DONOTIMPORT BATCH_TITLE BILL_NO PO_NO VENDOR_ID PAYTO RETURNTO POSTING_DATE CREATED_DATE DUE_DATE TOTAL_DUE
    TOTAL_PAID PAID_DATE TERM_NAME DESCRIPTION BASECURR CURRENCY EXCH_RATE_DATE EXCH_RATE_TYPE_ID EXCHANGE_RATE
    LINE_NO MEMO ACCT_NO ACCT_LABEL LOCATION_ID DEPT_ID AMOUNT ALLOCATION_ID APBILLITEM_APACCOUNT ACTION
    SUPDOCID BILLABLE BILLED NAMEOFACQUIREDASSET SELECTEDASSETMODE ASSETQUANTITY INCLUDETAXINASSETCOST
    CLASSIFICATIONID AMORTIZATIONTEMPLATEID AMORTIZATIONSTARTDATE AMORTIZATIONENDDATE INVOICE_TYPE INVOICE_MODE
    APBILLITEM_CLASSID APBILLITEM_CUSTOMERID APBILLITEM_VENDORID APBILLITEM_EMPLOYEEID APBILLITEM_ITEMID
    APBILLITEM_PROJECTID APBILLITEM_WAREHOUSEID APBILLITEM_ASSETID APBILLITEM_CONTRACTID
    """
)
INVOICE_COLUMNS = _columns(
    """
    DONOTIMPORT BATCH_TITLE INVOICE_NO PO_NO CUSTOMER_ID POSTING_DATE CREATED_DATE DUE_DATE TOTAL_DUE TOTAL_PAID
    PAID_DATE TERM_NAME DESCRIPTION BASECURR CURRENCY EXCH_RATE_DATE EXCH_RATE_TYPE_ID EXCHANGE_RATE LINE_NO
    MEMO ACCT_NO ACCT_LABEL LOCATION_ID DEPT_ID ALLOCATION_ID AMOUNT SUBTOTAL REVREC_TEMPLATE REVREC_STARTDATE
    DEFERREDREV_ACCOUNT REVREC_JOURNAL REVREC_SCHEDULE_LINE_NO REVENUE_ACCOUNT REVREC_POSTINGDATE REVREC_AMOUNT
    ARINVOICEITEM_ARACCOUNT ACTION SUPDOCID BILLTO SHIPTO AMORTIZATIONTEMPLATEID AMORTIZATIONSTARTDATE
    AMORTIZATIONENDDATE REVREC_ENDDATE INVOICE_TYPE INVOICE_MODE ARINVOICEITEM_PROJECTID
    ARINVOICEITEM_CUSTOMERID ARINVOICEITEM_VENDORID ARINVOICEITEM_EMPLOYEEID ARINVOICEITEM_ITEMID
    ARINVOICEITEM_CLASSID ARINVOICEITEM_TASKID ARINVOICEITEM_COSTTYPEID
    """
)
_MEMOS = (
    "Consulting",
    "Café – Besprechung",
    "Müller & Söhne, Teil 2",
    'Size 5"',
    "Übernachtung",
    "= not a formula",
    "",
)


def _documents(
    group: Group, random: Random, rows: int, share_bad: float, names: dict[str, str], parties: list[Party], made: Made
) -> _Writer:
    """Bills and invoices differ in the names of their columns."""
    columns = BILL_COLUMNS if names["number"] == "BILL_NO" else INVOICE_COLUMNS
    writer = _Writer(columns, random, made)
    writer.comment(DONOTIMPORT="#", LINE_NO="Number of the line", AMOUNT="Number", CREATED_DATE="mm/dd/yyyy")
    usable = [party for party in parties if party.record["status"] == "active"]
    accounts = EXPENSES if names["number"] == "BILL_NO" else REVENUES
    while made.rows < rows:
        party = random.choice(usable)
        place = random.choice(LOCATIONS[party.entity])[0]
        day = group.today - timedelta(days=random.randrange(60))
        amounts = [_money(random) for _ in range(random.choices((1, 2, 3, 4), (3, 3, 2, 1))[0])]
        lines = []
        for number, amount in enumerate(amounts, 1):
            line = {
                "LINE_NO": str(number),
                "MEMO": random.choice(_MEMOS),
                "ACCT_NO": random.choice(accounts),
                "LOCATION_ID": place,
                "DEPT_ID": random.choice(("300", "310", "320")),
                "AMOUNT": f"{amount}",
            }
            lines.append(line)
        numbered = random.random() < 0.9
        lines[0] |= {
            names["number"]: f"{names['letter']}-{writer.count:06}" if numbered else "",
            names["party"]: str(party.ref["id"]),
            "CREATED_DATE": _day(day),
            "DUE_DATE": _day(day + timedelta(days=party.term[1])),
            "TERM_NAME": str(party.term[0]["id"]),
            "TOTAL_DUE": f"{sum(amounts)}",
            "DESCRIPTION": random.choice(_MEMOS),
            "BATCH_TITLE": f"Batch {day:%B %Y}",
        }
        bad = None
        if random.random() < share_bad * len(lines):
            bad = _spoil_document(lines, random, names)
        writer.document(party.entity, lines, sum(amounts, Decimal(0)), bad)
        if random.random() < 0.01:
            writer.comment(DONOTIMPORT="#", MEMO="checked by M. Muster")
    return writer


def _spoil_document(lines: list[dict[str, str]], random: Random, names: dict[str, str]) -> tuple[int, str, str]:
    which = random.randrange(len(lines))
    anywhere = {
        "amount": _set("AMOUNT", "12,5x", "'12,5x' is not a number"),
        "blank": _set("ACCT_NO", " ", "is blank, but lines.glAccount is required"),
        "office": _set("LOCATION_ID", "110-NYX", "did you mean '110-NYC'?"),
        "unknown": _set("ACCT_NO", "9999", "9999"),
    }
    first = {
        "date": _set("CREATED_DATE", "13/45/2026", "'13/45/2026' is not a date like 01/31/2026"),
        "reference": _set(names["party"], "X-1", "X-1"),
        "total": _set("TOTAL_DUE", "0.01", "0.01"),
    }
    kind, reason = _spoil(lines[which], anywhere | (first if which == 0 else {}), random)
    return which, "unknown" if kind == "reference" else kind, reason


def _bills(group: Group, random: Random, rows: int, share_bad: float) -> Made:
    made = Made(b"", _section("intacct-bill", "LOCATION_ID"), 0)
    names = {"number": "BILL_NO", "party": "VENDOR_ID", "letter": "FX"}
    made.content = _documents(group, random, rows, share_bad, names, group.vendors, made).encoded("cp1252")
    return made


def _invoices(group: Group, random: Random, rows: int, share_bad: float) -> Made:
    made = Made(b"", _section("intacct-invoice", "LOCATION_ID"), 0)
    names = {"number": "INVOICE_NO", "party": "CUSTOMER_ID", "letter": "FI"}
    made.content = _documents(group, random, rows, share_bad, names, group.customers, made).encoded("cp1252")
    return made


def _section(template: str, column: str, table: str = ENTITY_BY_LOCATION) -> str:
    return f'template = "{template}"\nentity = {{ column = "{column}", map = {{ {table} }} }}\n'


# Journal entries -----------------------------------------------------------------------------------------------------

JOURNAL_COLUMNS = _columns(
    """
    DONOTIMPORT JOURNAL DATE REVERSEDATE DESCRIPTION REFERENCE_NO LINE_NO ACCT_NO LOCATION_ID DEPT_ID DOCUMENT
    MEMO DEBIT CREDIT SOURCEENTITY CURRENCY EXCH_RATE_DATE EXCH_RATE_TYPE_ID EXCHANGE_RATE STATE ALLOCATION_ID
    BILLABLE RPESENTRY GLENTRY_CUSTOMERID GLENTRY_VENDORID GLENTRY_ITEMID GLENTRY_CLASSID GLENTRY_EMPLOYEEID
    """
)


def _entries(group: Group, random: Random, rows: int, share_bad: float) -> Made:
    made = Made(b"", _section("intacct-journal", "LOCATION_ID"), 0)
    writer = _Writer(JOURNAL_COLUMNS, random, made)
    writer.comment(DONOTIMPORT="#", DEBIT="Number", DATE="mm/dd/yyyy", LINE_NO="Number")
    while made.rows < rows:
        entity = random.choice(ENTITIES)[0]
        place = random.choice(LOCATIONS[entity])[0]
        day = group.today - timedelta(days=random.randrange(60))
        debits = [_money(random) for _ in range(random.choices((1, 2, 3), (4, 2, 1))[0])]
        lines = []
        for number, amount in enumerate([*debits, -sum(debits, Decimal(0))], 1):
            # Some exporters write the credit as a negative debit.
            side = "DEBIT" if amount > 0 or writer.count % 4 == 0 else "CREDIT"
            line = {
                "LINE_NO": str(number),
                "ACCT_NO": random.choice(EXPENSES),
                "LOCATION_ID": place,
                "DEPT_ID": "300",
                "MEMO": random.choice(_MEMOS),
                side: f"{amount if side == 'DEBIT' else -amount}",
            }
            lines.append(line)
        lines[0] |= {
            "JOURNAL": "GJ",
            "DATE": _day(day),
            "DESCRIPTION": f"Accrual {writer.count}",
            "REFERENCE_NO": f"ACC-{writer.count}" if random.random() < 0.7 else "",
        }
        bad = _spoil_entry(lines, random) if random.random() < share_bad * len(lines) else None
        writer.document(entity, lines, sum(debits, Decimal(0)), bad)
    made.content = writer.encoded("cp1252")
    return made


def _spoil_entry(lines: list[dict[str, str]], random: Random) -> tuple[int, str, str]:
    which = random.randrange(len(lines))
    side = "DEBIT" if lines[which].get("DEBIT") else "CREDIT"
    anywhere = {
        "amount": _set(side, "1.000,00", "'1.000,00' is not a number"),
        "sides": _set("CREDIT" if side == "DEBIT" else "DEBIT", "5.00", "is a debit and a credit"),
        "office": _set("LOCATION_ID", "130-LOM", "did you mean '130-LON'?"),
        "unknown": _set("ACCT_NO", "9999", "9999"),
        "balance": _set(side, "987654321.09", "differ by"),
    }
    first = {"date": _set("DATE", "2026-01-31", "'2026-01-31' is not a date like 01/31/2026")}
    kind, reason = _spoil(lines[which], anywhere | (first if which == 0 else {}), random)
    return which, kind, reason


# Time ----------------------------------------------------------------------------------------------------------------

HARVEST_COLUMNS = (
    "Date", "Client", "Project", "Project Code", "Task", "Notes", "Hours", "Hours Rounded", "Billable?", "Invoiced?",
    "Approved?", "First Name", "Last Name", "Roles", "Employee?", "Billable Rate", "Billable Amount", "Cost Rate",
    "Cost Amount", "Currency", "External Reference URL",
)  # fmt: skip
CLICKTIME_COLUMNS = (
    "Employee Number", "Timesheet Start Date", "Timesheet Status", "Date", "Project Number", "Task Number", "Hours",
    "Billable", "Notes", "Office",
)  # fmt: skip
TIMESHEET_COLUMNS = _columns(
    """
    DONOTIMPORT EMPLOYEE_ID BEGIN_DATE DESCRIPTION LINE_NO ENTRY_DATE QTY PROJECT_ID TASK_ID BILLABLE
    LOCATION_ID DEPARTMENT_ID NOTES
    """
)
_OFFICE_NAMES = ", ".join(f'"{name}" = "{entity}"' for entity, places in LOCATIONS.items() for _, name in places)


@dataclass
class _Entry:
    day: date
    project: Project
    task: dict[str, object]
    hours: Decimal
    notes: str


def _sheets(group: Group, random: Random) -> Iterator[tuple[Person, date, list[_Entry]]]:
    """(person, Monday, entries), without end; no person has a week twice."""
    people = [person for person in group.people if person.left is None]
    begin = group.today - timedelta(days=group.today.weekday() + 7)
    while True:
        for person in people:
            yield person, begin, _week(group, random, person, begin)
        begin -= timedelta(weeks=1)


def _week(group: Group, random: Random, person: Person, begin: date) -> list[_Entry]:
    usable = [p for p in group.projects if p.active and p.entity == person.entity] or group.projects[:2]
    entries = []
    for offset in range(5):
        project = random.choice(usable)
        hours = Decimal(random.choice(("8", "7.5", "7.25", "4", "8.5")))
        entries.append(
            _Entry(begin + timedelta(days=offset), project, random.choice(project.tasks), hours, random.choice(_MEMOS))
        )
    return entries


def _closed(group: Group) -> Project:
    return next(project for project in group.projects if not project.active)


def _timesheets(group: Group, random: Random, rows: int, share_bad: float) -> Made:
    made = Made(b"", _section("timesheet", "LOCATION_ID"), 0)
    writer = _Writer(TIMESHEET_COLUMNS, random, made)
    writer.comment(DONOTIMPORT="#", QTY="Number", BEGIN_DATE="mm/dd/yyyy", LINE_NO="Number")
    for person, begin, entries in _sheets(group, random):
        if made.rows >= rows:
            break
        lines = [
            {
                "LINE_NO": str(number),
                "ENTRY_DATE": _day(entry.day),
                "QTY": f"{entry.hours}",
                "PROJECT_ID": str(entry.project.ref["id"]),
                "TASK_ID": str(entry.task["id"]),
                "BILLABLE": "T" if entry.project.billable else "F",
                "LOCATION_ID": str(person.location["id"]),
                "DEPARTMENT_ID": str(person.department["id"]),
                "NOTES": entry.notes,
            }
            for number, entry in enumerate(entries, 1)
        ]
        lines[0] |= {"EMPLOYEE_ID": str(person.ref["id"]), "BEGIN_DATE": _day(begin), "DESCRIPTION": f"Week {begin:%V}"}
        bad = None
        if random.random() < share_bad * len(lines):
            which = random.randrange(len(lines))
            kinds = {
                "date": _set("ENTRY_DATE", "1131/2026", "'1131/2026' is not a date like 01/31/2026"),
                "amount": _set("QTY", "7,5h", "'7,5h' is not a number"),
                "blank": _set("QTY", "", "is blank, but lines.quantity is required"),
                "office": _set("LOCATION_ID", "120-TOX", "did you mean '120-TOR'?"),
                "closed": _set("PROJECT_ID", str(_closed(group).ref["id"]), str(_closed(group).ref["id"])),
                "unknown": _set("PROJECT_ID", "P-9999", "P-9999"),
            }
            bad = (which, *_spoil(lines[which], kinds, random))
        writer.document(person.entity, lines, sum((entry.hours for entry in entries), Decimal(0)), bad)
    made.content = writer.encoded("cp1252")
    return made


def _harvest(group: Group, random: Random, rows: int, share_bad: float) -> Made:
    """People and, mostly, projects by name; Roles holds the office."""
    made = Made(b"", _section("harvest", "Roles", _OFFICE_NAMES), 0)
    writer = _Writer(HARVEST_COLUMNS, random, made)
    names = {place: name for places in LOCATIONS.values() for place, name in places}
    for person, _, entries in _sheets(group, random):
        if made.rows >= rows:
            break
        first, _, last = person.name.partition(" ")
        lines = [
            {
                "Date": entry.day.isoformat(),
                "Client": "Client",
                "Project": str(entry.project.record["name"]),
                "Project Code": str(entry.project.ref["id"]) if random.random() < 0.3 else "",
                "Task": _task_name(group, entry),
                "Notes": entry.notes,
                "Hours": f"{entry.hours}",
                "Hours Rounded": f"{entry.hours}",
                "Billable?": "Yes" if entry.project.billable else "No",
                "Invoiced?": "No",
                "Approved?": "Yes",
                "First Name": first,
                "Last Name": last,
                "Roles": names[str(person.location["id"])],
                "Employee?": "Yes",
            }
            for entry in entries
        ]
        bad = None
        if random.random() < share_bad * len(lines):
            which = random.randrange(len(lines))
            kinds = {
                "amount": _set("Hours", "-2", "is less than no time"),
                "office": _set("Roles", "Torronto", "did you mean 'Toronto'?"),
                "look-up": _set("Task", "Nobody's task", "of no task in Intacct"),
            }
            bad = (which, *_spoil(lines[which], kinds, random))
        writer.document(person.entity, lines, sum((entry.hours for entry in entries), Decimal(0)), bad)
        if random.random() < 0.3:
            writer.comment(**(lines[0] | {"Approved?": "No"}))
        if random.random() < 0.2:
            writer.comment(**(lines[0] | {"Hours": "0"}))
    made.content = writer.encoded("utf-8")
    return made


def _task_name(group: Group, entry: _Entry) -> str:
    record = next(task for task in group.tables["projects/task"] if task["key"] == entry.task["key"])
    return str(record["name"])


def _clicktime(group: Group, random: Random, rows: int, share_bad: float) -> Made:
    made = Made(b"", _section("clicktime", "Office", _OFFICE_NAMES), 0)
    writer = _Writer(CLICKTIME_COLUMNS, random, made)
    names = {place: name for places in LOCATIONS.values() for place, name in places}
    for person, begin, entries in _sheets(group, random):
        if made.rows >= rows:
            break
        lines = [
            {
                "Employee Number": str(person.ref["id"]),
                "Timesheet Start Date": f"{begin:%m/%d/%Y}",
                "Timesheet Status": "Approved",
                "Date": f"{entry.day:%m/%d/%Y}",
                "Project Number": str(entry.project.ref["id"]),
                "Task Number": str(entry.task["id"]),
                "Hours": f"{entry.hours}",
                "Billable": "Yes" if entry.project.billable else "No",
                "Notes": entry.notes,
                "Office": names[str(person.location["id"])],
            }
            for entry in entries
        ]
        bad = None
        if random.random() < share_bad * len(lines):
            which = random.randrange(len(lines))
            kinds = {
                "amount": _set("Hours", "8h", "'8h' is not a number"),
                "status": _set("Timesheet Status", "Reopened", "is no status of approved time"),
                "date": _set("Date", "31.01.2026", "'31.01.2026' is not a date like 01/31/2026"),
                "unknown": _set("Project Number", "P-9999", "P-9999"),
            }
            bad = (which, *_spoil(lines[which], kinds, random))
        writer.document(person.entity, lines, sum((entry.hours for entry in entries), Decimal(0)), bad)
        if random.random() < 0.3:
            writer.comment(**(lines[0] | {"Timesheet Status": "Submitted"}))
    made.content = writer.encoded("utf-8")
    return made


_MAKERS: dict[str, Callable[[Group, Random, int, float], Made]] = {
    "intacct-bill": _bills,
    "intacct-invoice": _invoices,
    "intacct-journal": _entries,
    "timesheet": _timesheets,
    "harvest": _harvest,
    "clicktime": _clicktime,
}
