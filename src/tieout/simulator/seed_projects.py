"""The demo company's projects and their tasks: who they are for, what they cost, which are closed.

Time booked on them is `seed_time`.
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from tieout.simulator import seed_accounts as chart
from tieout.simulator import seed_words as words
from tieout.simulator.seed_group import Group, Project, Record, draw, moment, stamps

PROJECTS = 25
INACTIVE_PROJECTS = (9, 18)
"""Positions of the two projects that are closed and refuse new time."""
SUBJECTS = ("ERP rollout", "Finance transformation", "Data platform", "Audit readiness", "Brand & web", "Planning")
INTERNAL = ("Internal – Training", "Internal – Business development")


def add_projects(group: Group) -> None:
    """Twenty-five projects with tasks: two internal, two closed (`inactive`), so that late time on them is refused."""
    random = draw("projects")
    for kind in ("In progress", "Completed"):
        closed = kind == "Completed"
        status: Record = {
            "id": kind,
            "description": kind,
            "status": "active",
            "disableTimesheetEntry": closed,
            "disableExpenseEntry": closed,
            "disablePurchasingAPEntry": False,
            "disableGenerateInvoice": False,
        }
        group.add("projects/project-status", status, stamps("2015-01-06T15:30:00Z"))
    clients = [party for party in group.customers if party.record["status"] == "active" and not party.private]
    for position, party in enumerate(random.sample(clients, PROJECTS)):
        internal, active = position < len(INTERNAL), position not in INACTIVE_PROJECTS
        entity = "E110" if internal else party.entity
        begun = group.start + timedelta(days=position * 12 - random.randrange(60))
        record = _money_and_rules(group, random, entity, internal)
        title = INTERNAL[position] if internal else random.choice(SUBJECTS)
        record |= {
            "id": f"P-{1001 + position}",
            "name": title if internal else f"{party.record['name']} – {title}",
            "description": "" if internal else words.LONG_NOTE if position == 12 else title,
            "status": "active" if active else "inactive",
            "startDate": begun.isoformat(),
            "endDate": None if active else (group.today - timedelta(days=45)).isoformat(),
            "projectStatus": group.ref("projects/project-status", "In progress" if active else "Completed"),
            "projectType": group.ref("projects/project-type", "Internal" if internal else "Implementation"),
            "manager": random.choice([person for person in group.people if not person.left]).ref,
            "department": group.ref("company-config/department", "300"),
            "location": random.choice(group.offices[entity]),
            "class": group.ref("company-config/class", random.choice(chart.CLASSES)[0]),
        }
        if not internal:
            record["customer"] = party.ref
            record["contacts"] = {"primary": party.contact, "billTo": party.contact}
        changed = moment(random, group.today - timedelta(days=random.randrange(2, 44)))
        ref = group.add("projects/project", record, stamps(moment(random, begun - timedelta(days=3)), changed))
        project = Project(record, ref, None if internal else party.ref, not internal, entity, active)
        _add_tasks(group, random, project, begun)
        group.projects.append(project)


def _money_and_rules(group: Group, random: Random, entity: str, internal: bool) -> Record:
    amount = random.randrange(40, 600) * 1000
    return {
        "category": "internalNonBillable" if internal else "contract",
        "billingType": None if internal else random.choice(("timeAndMaterial", "timeAndMaterial", "fixedFee")),
        "projectCurrency": group.bases[entity],
        "contractAmount": None if internal else f"{amount}.00",
        "budget": {
            "billingAmount": f"{amount}.00",
            "budgetedDuration": f"{amount // 160}.00",
            "budgetedCost": f"{amount * 7 // 10}.00",
        },
        "userRestrictions": "systemDefault",
        "billingOverMax": "doNothing",
        "invoiceWithParent": False,
        "excludeExpenses": False,
        "isBillableEmployeeExpense": not internal,
        "isBillablePurchasingAPExpense": False,
        "purchaseOrderNumber": None if internal else random.choice(("", f"PO-{random.randrange(1000, 9999)}")),
    }


def _add_tasks(group: Group, random: Random, project: Project, begun: date) -> None:
    for number, name in enumerate(chart.TASKS[: random.randrange(3, 7)], start=1):
        planned = random.randrange(10, 60) * 8
        record: Record = {
            "id": f"{project.ref['id']}-{number:02}",
            "name": name,
            "description": None if number % 2 else f"{name} with the client's team",
            "project": project.ref,
            "taskStatus": "inProgress",
            "isBillable": project.billable,
            "isMilestone": False,
            "isUtilized": project.billable,
            "priority": number,
            "wbsCode": str(number),
            "planned": {"startDate": begun.isoformat(), "endDate": (begun + timedelta(days=planned)).isoformat()},
            "duration": {"planned": planned, "estimated": planned + 8},
        }
        if project.customer:
            record["customer"] = project.customer
        project.tasks.append(group.add("projects/task", record, stamps(moment(random, begun))))
