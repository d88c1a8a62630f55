"""Companies for the tests of the simulator's core: one object of every kind of field, and a small real group."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tieout.catalogue.model import Field, ListOf, Model, Node, Ref, Required
from tieout.simulator.clock import Clock
from tieout.simulator.company import Company
from tieout.simulator.identity import Who
from tieout.simulator.refusal import Refusal

NOW = datetime(2026, 3, 20, 10, 0, 0, tzinfo=UTC)
BILL = "accounts-payable/bill"
THING = "platform-apps/nsp::thing"
PART = "platform-apps/nsp::part"


def thing_model() -> Model:
    """An object with one field of every kind, a group, a reference, a list of its own and an inline one."""
    key = Field(read_only=True)
    return Model(
        name=THING,
        fields={
            "key": key,
            "id": Field(create_only=True),
            "href": Field(read_only=True),
            "name": Field(max_length=40),
            "status": Field(enum=("active", "inactive"), default="active"),
            "amount": Field(format="decimal-precision-2"),
            "fine": Field(format="decimal-precision-10"),
            "count": Field(type="integer"),
            "rate": Field(type="number"),
            "flag": Field(type="boolean"),
            "day": Field(format="date"),
            "moment": Field(format="date-time"),
            "secret": Field(write_only=True),
            "tags": Field(type="array"),
        },
        groups={
            "box": Node(fields={"colour": Field(), "Colour": Field()}),
            "audit": Node(
                fields={
                    "createdDateTime": Field(format="date-time", read_only=True),
                    "modifiedDateTime": Field(format="date-time", read_only=True),
                    "createdBy": Field(read_only=True),
                    "modifiedBy": Field(read_only=True),
                }
            ),
        },
        refs={
            "maker": Ref(
                object=THING,
                fields={"key": Field(), "id": Field(), "name": Field(read_only=True), "href": Field(read_only=True)},
            ),
            "entity": Ref(
                object="company-config/entity",
                read_only=True,
                fields={"key": key, "id": key, "name": key, "href": key},
            ),
        },
        lists={"parts": ListOf(object=PART), "notes": ListOf(fields={"text": Field()})},
        required=(Required("name"), Required("parts[].weight")),
        methods=("GET", "POST", "PATCH", "DELETE"),
        evidence="live",
    )


def part_model() -> Model:
    return Model(
        name=PART,
        kind="ownedObject",
        fields={
            "key": Field(read_only=True),
            "id": Field(read_only=True),
            "href": Field(read_only=True),
            "lineNumber": Field(type="integer", read_only=True),
            "weight": Field(type="number"),
            "label": Field(),
        },
        groups={
            "audit": Node(
                fields={
                    "createdDateTime": Field(format="date-time", read_only=True),
                    "modifiedDateTime": Field(format="date-time", read_only=True),
                }
            )
        },
        refs={"thing": Ref(object=THING, is_owner=True, fields={"key": Field(), "id": Field()})},
        methods=("GET", "POST", "PATCH", "DELETE"),
        evidence="live",
    )


def things(clock: Clock | None = None) -> Company:
    """A company that knows `thing` and `part`, with two entities and three users."""
    company = Company("things", clock=clock or Clock(NOW))
    company.load(
        "company-config/entity",
        [{"key": "10", "id": "E110", "name": "USA"}, {"key": "11", "id": "E120", "name": "Canada"}],
    )
    company.set_model(part_model())
    company.set_model(thing_model())
    company.add_user("admin")
    company.add_user("us", entities=("E110",))
    company.add_user("ca", entities=("E120",))
    return company


def group(clock: Clock | None = None) -> Company:
    """A company with what a bill, an invoice, a journal entry and a timesheet need."""
    company = Company("group", clock=clock or Clock(NOW))
    company.load("company-config/entity", [{"id": "E110", "name": "USA"}, {"id": "E120", "name": "Canada"}])
    company.add_user("admin")
    company.load("company-config/location", [{"id": "L1", "name": "Boston", "status": "active"}])
    company.load("general-ledger/account", [{"id": "6000", "name": "Travel"}, {"id": "2000", "name": "Payables"}])
    company.load("general-ledger/journal", [{"id": "GJ", "name": "General"}])
    company.load(
        "accounts-payable/vendor",
        [
            {"id": "V1", "name": "Müller & O'Brien", "status": "active", "totalDue": "10.00"},
            {"id": "V2", "name": "Gone", "status": "inactive"},
        ],
    )
    company.load("accounts-receivable/customer", [{"id": "C1", "name": "Café"}])
    company.load("company-config/employee", [{"id": "EMP1", "name": "Ann", "status": "active"}])
    return company


def bill(**more: Any) -> dict[str, Any]:
    """A body that Sage accepts."""
    line = {"txnAmount": "5.10", "glAccount": {"id": "6000"}, "dimensions": {"location": {"id": "L1"}}}
    second = line | {"txnAmount": 7}
    return {
        "vendor": {"id": "V1"},
        "createdDate": "2026-01-01",
        "dueDate": "2026-02-01",
        "lines": [line, second],
    } | more


def admin(company: Company) -> Who:
    return company.who("admin")


def refused(call: Any, *args: Any, **more: Any) -> Refusal:
    """The refusal that a call ends in."""
    try:
        call(*args, **more)
    except Refusal as refusal:
        return refusal
    raise AssertionError("not refused")
