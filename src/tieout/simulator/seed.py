"""The demo company: a professional-services group in the USA, Canada and the UK, the same on every machine and day.

It decides what is in a new company and in which order it is loaded; it knows nothing of HTTP and stores nothing itself.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from tieout.simulator import (
    seed_documents,
    seed_entries,
    seed_masters,
    seed_parties,
    seed_permissions,
    seed_projects,
    seed_time,
)
from tieout.simulator.seed_group import USERS, Group

if TYPE_CHECKING:
    from tieout.simulator.company import Company


def load_demo(company: Company, today: date) -> None:
    """Fill a new company with two years of books up to the day before `today`.

    About 38,000 records: 3 entities, 200 customers, 120 vendors, 91 accounts, 40 employees, 25 projects, 1,440 bills,
    1,680 invoices, 600 journal entries, 3,600 timesheets, and their lines. The same `today` gives the same records."""
    _load(company, demo_group(today))


def load_empty(company: Company, today: date) -> None:
    """Only what a company cannot be without: its entities and their locations, what roles can be given, and the users
    admin, us and ca."""
    group = Group(today)
    seed_masters.add_entities(group)
    seed_permissions.add_permissions(group)
    _load(company, group)


def demo_group(today: date) -> Group:
    """The records of the demo company, not yet in any company."""
    group = Group(today)
    seed_masters.add_entities(group)
    seed_permissions.add_permissions(group)
    seed_masters.add_lists(group)
    seed_parties.add_employees(group)
    seed_parties.add_customers(group)
    seed_parties.add_vendors(group)
    seed_projects.add_projects(group)
    seed_documents.add_bills(group)
    seed_documents.add_invoices(group)
    seed_entries.add_journal_entries(group)
    seed_time.add_timesheets(group)
    seed_documents.settle_balances(group)
    return group


def _load(company: Company, group: Group) -> None:
    with company.atomically():
        for name, records in group.tables.items():
            company.load(name, records)
        for user_id, _, entity in USERS:
            company.add_user(user_id, entities=(entity,) if entity else None, admin=user_id == "admin")
