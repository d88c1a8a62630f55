"""What the demo company's time system exports: two weeks of time that Intacct does not hold yet, as a CSV file.

Some of it is wrong on purpose, in the ways such files are. It knows the company's people and projects, not the mapping.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

from tieout.simulator import seed_masters, seed_parties, seed_projects, seed_time
from tieout.simulator import seed_words as words
from tieout.simulator.seed_group import Group, draw

COLUMNS = (
    "Entry ID",
    "Employee ID",
    "Employee",
    "Week Starting",
    "Date",
    "Project Code",
    "Task",
    "Hours",
    "Billable",
    "Notes",
)
NEW_HIRE = ("EMP-041", "Robin Ferreira")
"""In the time system since Monday; nobody has told Intacct."""
CLOSED_PROJECT = f"P-{1001 + seed_projects.INACTIVE_PROJECTS[0]}"
"""Inactive in Intacct, still on somebody's list."""
PEOPLE_A_WEEK = 30


@dataclass(frozen=True)
class _Row:
    employee: str
    name: str
    week: date
    day: date
    project: str
    task: str
    hours: str
    billable: bool
    notes: str
    date_text: str = ""


def demo_timesheets(today: date) -> bytes:
    """The export as it comes: about 400 rows, 62 timesheets. Wrong on purpose: one date without its first slash, hours
    like `7,5h`, one employee whom Intacct does not know, and two people's time on a closed project."""
    rows = _rows(today)
    mistakes = dict(_mistakes(rows))
    return _csv([mistakes.get(position, row) for position, row in enumerate(rows)])


def demo_corrections(today: date) -> bytes:
    """The same export after somebody corrected the date and the hours. Entry ids are unchanged."""
    return _csv(_rows(today))


def _rows(today: date) -> list[_Row]:
    group = Group(today)
    seed_masters.add_entities(group)
    seed_masters.add_lists(group)
    seed_parties.add_employees(group)
    seed_parties.add_customers(group)
    seed_projects.add_projects(group)
    random = draw("time export")
    present = [person for person in group.people if person.left is None][:PEOPLE_A_WEEK]
    people = [(str(person.ref["id"]), person.name, seed_time.assignments(group, person, random)) for person in present]
    people.append((*NEW_HIRE, people[0][2]))
    closed = next(project for project in group.projects if project.ref["id"] == CLOSED_PROJECT)
    rows: list[_Row] = []
    for weeks_ago in range(seed_time.WEEKS_TO_COME, 0, -1):
        begin = seed_time.monday(today) - timedelta(weeks=weeks_ago)
        for position, (identity, name, projects) in enumerate(people):
            entries = seed_time.week(random, begin, projects)
            if weeks_ago == 1 and position in (6, 17):
                day, _, _, hours = entries[-1]
                entries[-1] = (day, closed, closed.tasks[0], hours)
            for day, project, task, hours in entries:
                row = _Row(
                    employee=identity,
                    name=name,
                    week=begin,
                    day=day,
                    project=str(project.ref["id"]),
                    task=str(task["id"]),
                    hours=f"{hours:g}",
                    billable=project.billable,
                    notes=_note(random),
                )
                rows.append(row)
    return sorted(rows, key=lambda row: (row.day, row.employee))


def _note(random: Random) -> str:
    return random.choice(words.TIME_NOTES) if random.random() < 0.4 else ""


def _mistakes(rows: list[_Row]) -> list[tuple[int, _Row]]:
    """Two rows of two people's last week, each spoilt in its own way, by position."""
    last = rows[-1].week
    other_trouble = {row.employee for row in rows if row.project == CLOSED_PROJECT} | {NEW_HIRE[0]}
    sound = [n for n, row in enumerate(rows) if row.week == last and row.employee not in other_trouble]
    slip = sound[3]
    comma = next(n for n in sound if rows[n].hours.endswith(".5") and rows[n].employee != rows[slip].employee)
    return [
        (slip, replace(rows[slip], date_text=f"{rows[slip].day:%m%d/%Y}")),
        (comma, replace(rows[comma], hours=f"{rows[comma].hours}h".replace(".", ","))),
    ]


def _csv(rows: list[_Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for number, row in enumerate(rows, start=48201):
        day = row.date_text or f"{row.day:%m/%d/%Y}"
        billable = "Y" if row.billable else "N"
        week = f"{row.week:%m/%d/%Y}"
        writer.writerow(
            (f"T-{number}", row.employee, row.name, week, day, row.project, row.task, row.hours, billable, row.notes)
        )
    return text.getvalue().encode()


def read_export(export: bytes) -> list[dict[str, str]]:
    """The rows of an export, by column."""
    return list(csv.DictReader(io.StringIO(export.decode(), newline="")))
