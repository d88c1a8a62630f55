"""The demo company's timesheets: every employee's weeks over two years, and how a week is made up.

The last two full weeks are left out: they are what the time system of `seed_export` has still to deliver.
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from tieout.simulator import seed_words as words
from tieout.simulator.seed_group import Group, Person, Project, Record, draw, moment, stamps

WEEKS_TO_COME = 2

Entry = tuple[date, Project, Record, float]
"""Day, project, task, hours."""


def monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def assignments(group: Group, person: Person, random: Random) -> list[Project]:
    """Two or three projects a person works on, of any entity, and one of the internal ones."""
    client = [project for project in group.projects if project.active and project.billable]
    near = [project for project in client if project.entity == person.entity] or client
    return [random.choice(near), random.choice(client), random.choice(group.projects[:2])]


def week(random: Random, begin: date, projects: list[Project]) -> list[Entry]:
    """Monday to Friday, eight hours a day more or less, on one project a day or two."""
    entries: list[Entry] = []
    for offset in range(5):
        day = begin + timedelta(days=offset)
        chance = random.random()
        if chance < 0.04:
            continue
        main = projects[0] if chance < 0.6 else projects[1]
        if chance < 0.75:
            entries.append((day, main, random.choice(main.tasks), random.choice((8, 8, 8, 7.5, 8.5, 9))))
            continue
        first = random.choice((2, 3, 4, 4.5, 5.25))
        other = projects[2] if random.random() < 0.5 else projects[1 if main is projects[0] else 0]
        entries.append((day, main, random.choice(main.tasks), first))
        entries.append((day, other, random.choice(other.tasks), 8 - first))
    return entries


def _state(random: Random, weeks_ago: int) -> str:
    """Approved, except about one in ten, mostly recent."""
    if weeks_ago < 8 and random.random() < 0.45:
        return random.choice(("submitted", "submitted", "draft"))
    return "approved" if random.random() < 0.93 else random.choice(("submitted", "declined", "partiallyApproved"))


def _hours(cache: dict[tuple[float, bool, bool], Record], quantity: float, billable: bool, approved: bool) -> Record:
    known = cache.get((quantity, billable, approved))
    if known is None:
        known = {
            "billable": quantity if billable else 0,
            "nonBillable": 0 if billable else quantity,
            "approved": quantity if approved else 0,
            "approvedBillable": quantity if approved and billable else 0,
            "approvedNonBillable": quantity if approved and not billable else 0,
        }
        cache[quantity, billable, approved] = known
    return known


def add_timesheets(group: Group) -> None:
    """One timesheet a person and week, from the hire to `WEEKS_TO_COME` weeks before the current one."""
    random = draw("timesheets")
    last = monday(group.today) - timedelta(weeks=WEEKS_TO_COME + 1)
    begin = monday(group.start)
    hours: dict[tuple[float, bool, bool], Record] = {}
    teams = [assignments(group, person, random) for person in group.people]
    while begin <= last:
        for position, person in enumerate(group.people):
            if begin < person.hired or (person.left and begin > person.left) or random.random() < 0.08:
                continue
            if random.random() < 0.05:
                teams[position] = assignments(group, person, random)
            weeks_ago = (last - begin).days // 7
            _add(group, random, person, begin, _state(random, weeks_ago), week(random, begin, teams[position]), hours)
        begin += timedelta(weeks=1)


def _header(person: Person, begin: date, end: date, state: str) -> Record:
    return {
        "beginDate": begin.isoformat(),
        "endDate": end.isoformat(),
        "postingDate": end.isoformat(),
        "state": state,
        "description": f"Week of {begin:%m/%d/%y}",
        "unitOfMeasure": "Hours",
        "hoursInDay": 8,
        "calculationMethod": "hourly",
        "postActualLaborCost": False,
        "employee": person.ref,
        "employeeContact": person.contact,
    }


def _add(
    group: Group,
    random: Random,
    person: Person,
    begin: date,
    state: str,
    entries: list[Entry],
    hours: dict[tuple[float, bool, bool], Record],
) -> None:
    if not entries:
        return
    end = begin + timedelta(days=6)
    made = moment(random, begin + timedelta(days=4))
    audit = stamps(made, moment(random, end + timedelta(days=random.randrange(1, 4))) if state != "draft" else None)
    owned = group.owner(person.entity) if person.entity == "E130" and random.random() < 0.1 else None
    key = group.next_key("time/timesheet")
    header_ref: Record = {"key": key, "id": key}
    line_state = {"partiallyApproved": "approved"}.get(state, state)
    approved = line_state == "approved"
    lines: list[Record] = []
    regular = group.ref("time/time-type", "Regular")
    for number, (day, project, task, quantity) in enumerate(entries, start=1):
        dimensions: Record = {
            "employee": person.ref,
            "department": person.department,
            "location": person.location,
            "project": project.ref,
            "task": task,
        }
        if project.customer is not None:
            dimensions["customer"] = project.customer
        line: Record = {
            "lineNumber": number,
            "timesheet": header_ref,
            "entryDate": day.isoformat(),
            "quantity": quantity,
            "state": line_state,
            "isBillable": project.billable,
            "isBilled": "true" if approved and project.billable and number % 3 == 0 else "false",
            "notes": random.choice(words.TIME_NOTES) if random.random() < 0.3 else None,
            "timeType": regular,
            "hours": _hours(hours, quantity, project.billable, approved),
            "dimensions": dimensions,
            "audit": audit,
        }
        group.number(line, "time/timesheet-line")
        lines.append(line)
    timesheet = _header(person, begin, end, state) | {"lines": lines}
    if owned is not None:
        timesheet["entity"] = owned
    group.add("time/timesheet", timesheet, audit)
