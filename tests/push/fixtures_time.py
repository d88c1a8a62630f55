"""Realistic exports of time: Sage's own template, Harvest, ClickTime. See `fixtures`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from tests.push.fixture_parts import (
    MEMOS,
    Made,
    Writer,
    section_of,
    spoil,
    us_date,
    with_cell,
    words_of,
)
from tieout.simulator.seed_group import LOCATIONS, Group, Person, Project

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
TIMESHEET_COLUMNS = words_of(
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
            _Entry(begin + timedelta(days=offset), project, random.choice(project.tasks), hours, random.choice(MEMOS))
        )
    return entries


def _closed(group: Group) -> Project:
    return next(project for project in group.projects if not project.active)


def timesheets(group: Group, random: Random, rows: int, share_bad: float) -> Made:
    made = Made(b"", section_of("timesheet", "LOCATION_ID"), 0)
    writer = Writer(TIMESHEET_COLUMNS, random, made)
    writer.comment(DONOTIMPORT="#", QTY="Number", BEGIN_DATE="mm/dd/yyyy", LINE_NO="Number")
    for person, begin, entries in _sheets(group, random):
        if made.rows >= rows:
            break
        lines = [
            {
                "LINE_NO": str(number),
                "ENTRY_DATE": us_date(entry.day),
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
        lines[0] |= {
            "EMPLOYEE_ID": str(person.ref["id"]),
            "BEGIN_DATE": us_date(begin),
            "DESCRIPTION": f"Week {begin:%V}",
        }
        bad = None
        if random.random() < share_bad * len(lines):
            which = random.randrange(len(lines))
            kinds = {
                "date": with_cell("ENTRY_DATE", "1131/2026", "'1131/2026' is not a date like 01/31/2026"),
                "amount": with_cell("QTY", "7,5h", "'7,5h' is not a number"),
                "blank": with_cell("QTY", "", "is blank, but lines.quantity is required"),
                "office": with_cell("LOCATION_ID", "120-TOX", "did you mean '120-TOR'?"),
                "closed": with_cell("PROJECT_ID", str(_closed(group).ref["id"]), str(_closed(group).ref["id"])),
                "unknown": with_cell("PROJECT_ID", "P-9999", "P-9999"),
            }
            bad = (which, *spoil(lines[which], kinds, random))
        writer.document(person.entity, lines, sum((entry.hours for entry in entries), Decimal(0)), bad)
    made.content = writer.encoded("cp1252")
    return made


def harvest(group: Group, random: Random, rows: int, share_bad: float) -> Made:
    """People and, mostly, projects by name; Roles holds the office."""
    made = Made(b"", section_of("harvest", "Roles", _OFFICE_NAMES), 0)
    writer = Writer(HARVEST_COLUMNS, random, made)
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
                "amount": with_cell("Hours", "-2", "is less than no time"),
                "office": with_cell("Roles", "Torronto", "did you mean 'Toronto'?"),
                "look-up": with_cell("Task", "Nobody's task", "of no task in Intacct"),
            }
            bad = (which, *spoil(lines[which], kinds, random))
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


def clicktime(group: Group, random: Random, rows: int, share_bad: float) -> Made:
    made = Made(b"", section_of("clicktime", "Office", _OFFICE_NAMES), 0)
    writer = Writer(CLICKTIME_COLUMNS, random, made)
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
                "amount": with_cell("Hours", "8h", "'8h' is not a number"),
                "status": with_cell("Timesheet Status", "Reopened", "is no status of approved time"),
                "date": with_cell("Date", "31.01.2026", "'31.01.2026' is not a date like 01/31/2026"),
                "unknown": with_cell("Project Number", "P-9999", "P-9999"),
            }
            bad = (which, *spoil(lines[which], kinds, random))
        writer.document(person.entity, lines, sum((entry.hours for entry in entries), Decimal(0)), bad)
        if random.random() < 0.3:
            writer.comment(**(lines[0] | {"Timesheet Status": "Submitted"}))
    made.content = writer.encoded("utf-8")
    return made
