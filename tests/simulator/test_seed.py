"""The demo company: its records fit the models, agree with each other and are the same every time."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from tests.simulator.conftest import NOW

from tieout.catalogue import Field, Node, load
from tieout.simulator.clock import Clock
from tieout.simulator.company import Company
from tieout.simulator.seed import demo_group, load_demo, load_empty
from tieout.simulator.seed_export import CLOSED_PROJECT, COLUMNS, NEW_HIRE, demo_corrections, demo_timesheets
from tieout.simulator.seed_group import Group
from tieout.simulator.server import Simulator

TODAY = date(2026, 11, 23)

BILL, INVOICE = "accounts-payable/bill", "accounts-receivable/invoice"
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
}


@pytest.fixture(scope="module")
def group() -> Group:
    return demo_group(TODAY)


@pytest.fixture(scope="module")
def company() -> Iterator[Company]:
    demo = Company("demo")
    load_demo(demo, TODAY)
    yield demo
    demo.close()


def misfit(field: Field, value: object) -> str | None:
    if field.enum is not None and value not in field.enum:
        return f"{value!r} is not in the enum"
    if value is None:
        return None if field.nullable else "null"
    if not isinstance(value, TYPES[field.type]) or (field.type in ("integer", "number") and isinstance(value, bool)):
        return f"{value!r} is no {field.type}"
    if field.format == "date" and isinstance(value, str):
        date.fromisoformat(value)
    return None


def misfits(group: Group, node: Node, record: dict[str, Any], path: str) -> Iterator[str]:
    for name, value in record.items():
        here = f"{path}.{name}"
        if name in node.fields:
            problem = misfit(node.fields[name], value)
            if problem:
                yield f"{here}: {problem}"
        elif name in node.groups:
            yield from misfits(group, node.groups[name], value, here)
        elif name in node.refs:
            target = node.refs[name].object
            assert target is not None, here
            if target in group.refs and group.refs[target].get(value["id"], {}).get("key") != value["key"]:
                yield f"{here}: points to nothing: {value}"
            elif target not in group.refs:
                yield f"{here}: {target} is not in the company"
        elif name in node.lists:
            entry = node.lists[name]
            element: Node = load(entry.object) if entry.object else entry
            for item in value:
                yield from misfits(group, element, item, here)
        else:
            yield f"{here}: not in the model"


def test_every_value_fits_its_model_and_every_reference_resolves(group: Group) -> None:
    found: Counter[str] = Counter()
    for name, records in group.tables.items():
        model = load(name)
        for record in records:
            found.update(misfits(group, model, record, name))
    assert found == {}


def test_same_day_same_company_and_another_day_another(group: Group) -> None:
    assert demo_group(TODAY).tables == group.tables
    assert demo_group(date(2026, 11, 24)).tables[BILL] != group.tables[BILL]


def test_as_many_records_as_promised(group: Group) -> None:
    counts = {name: len(records) for name, records in group.tables.items()}
    assert counts["accounts-receivable/customer"] == 200
    assert counts["accounts-payable/vendor"] == 120
    assert counts["company-config/employee"] == 40
    assert counts["company-config/entity"] == 3
    assert counts["projects/project"] == 25
    assert counts[BILL] == 1440
    assert counts["time/timesheet"] > 3000
    assert 85 <= counts["general-ledger/account"] <= 95


@pytest.mark.parametrize("name", [BILL, INVOICE])
def test_totals_are_the_sums_of_the_lines_in_both_currencies(group: Group, name: str) -> None:
    foreign = 0
    for record in group.tables[name]:
        lines, paid = record["lines"], record["paymentInformation"]
        assert isinstance(lines, list)
        assert isinstance(paid, dict)
        for kind in ("Txn", "Base"):
            total = Decimal(str(record[f"total{kind}Amount"]))
            assert total == sum(Decimal(line[f"{kind.lower()}Amount"]) for line in lines)
            assert Decimal(str(record[f"total{kind}AmountDue"])) == total - Decimal(paid[f"total{kind}AmountPaid"])
            assert Decimal(paid[f"total{kind}AmountPaid"]) == sum(
                Decimal(line["paymentInformation"][f"total{kind}AmountPaid"]) for line in lines
            )
        due = Decimal(str(record["totalTxnAmountDue"]))
        assert (due == 0) == (record["state"] == "paid")
        foreign += record["totalTxnAmount"] != record["totalBaseAmount"]
    assert foreign > 20


def test_balances_of_customers_and_vendors_are_what_their_documents_leave_open(group: Group) -> None:
    for parties, documents, party in (
        ("accounts-receivable/customer", INVOICE, "customer"),
        ("accounts-payable/vendor", BILL, "vendor"),
    ):
        due: dict[str, Decimal] = defaultdict(Decimal)
        for record in group.tables[documents]:
            if record["state"] != "draft":
                owner = record[party]
                assert isinstance(owner, dict)
                due[owner["id"]] += Decimal(str(record["totalBaseAmountDue"]))
        for record in group.tables[parties]:
            assert Decimal(str(record["totalDue"])) == due[str(record["id"])]


def test_journal_entries_balance(group: Group) -> None:
    for record in group.tables["general-ledger/journal-entry"]:
        lines = record["lines"]
        assert isinstance(lines, list)
        assert 2 <= len(lines) <= 6
        signs = {"debit": 1, "credit": -1}
        assert sum(signs[line["txnType"]] * Decimal(line["txnAmount"]) for line in lines) == 0


def test_stamps_are_whole_seconds_created_first_and_before_today(group: Group) -> None:
    stamped = 0
    for records in group.tables.values():
        for record in records:
            audit = record.get("audit")
            if isinstance(audit, dict):
                assert audit["createdDateTime"] <= audit["modifiedDateTime"] < TODAY.isoformat()
                assert len(audit["modifiedDateTime"]) == len("2026-01-01T00:00:00Z")
                stamped += 1
    assert stamped > 7000


def test_timesheets_are_mostly_approved_and_leave_the_last_two_weeks_to_the_export(group: Group) -> None:
    sheets = group.tables["time/timesheet"]
    approved = sum(sheet["state"] == "approved" for sheet in sheets) / len(sheets)
    assert 0.85 < approved < 0.95
    held = {(sheet["employee"]["id"], sheet["beginDate"]) for sheet in sheets if isinstance(sheet["employee"], dict)}
    assert len(held) == len(sheets)
    weeks = {date.fromisoformat(str(sheet["beginDate"])) for sheet in sheets}
    exported = {row["Week Starting"] for row in rows(demo_corrections(TODAY))}
    assert max(weeks) == date(2026, 11, 2)
    assert exported == {"11/09/2026", "11/16/2026"}


def test_awkward_data_is_there(group: Group) -> None:
    names = [str(record["name"]) for record in group.tables["accounts-receivable/customer"]]
    for sign in ("'", "&", '"', "%", "_", "\\", "株", "Ł"):
        assert any(sign in name for name in names), sign
    assert len(set(names)) == len(names)
    bills = group.tables[BILL]
    assert {None, ""} <= {record["description"] for record in bills}
    assert any("entity" in record for record in bills)
    assert any(len(str(record["description"])) > 500 for record in bills)
    inactive = [record["id"] for record in group.tables["projects/project"] if record["status"] == "inactive"]
    assert len(inactive) == 2
    assert CLOSED_PROJECT in inactive


def rows(export: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(export.decode(), newline="")))


def test_export_has_the_promised_mistakes_and_corrections_mend_only_the_two_cells(group: Group) -> None:
    before, after = rows(demo_timesheets(TODAY)), rows(demo_corrections(TODAY))
    assert tuple(before[0]) == COLUMNS
    assert 350 <= len(before) <= 450
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 2
    cells = {(column, old[column]) for old, new in changed for column in COLUMNS if old[column] != new[column]}
    assert {column for column, _ in cells} == {"Date", "Hours"}
    assert any(value.endswith("h") and "," in value for _, value in cells)
    employees = {str(record["id"]) for record in group.tables["company-config/employee"]}
    assert {row["Employee ID"] for row in before} - employees == {NEW_HIRE[0]}
    assert len({row["Entry ID"] for row in before}) == len(before)
    assert len({row["Employee ID"] for row in before if row["Project Code"] == CLOSED_PROJECT}) == 2


def test_export_names_only_projects_and_tasks_of_the_company(group: Group) -> None:
    tasks = {str(record["id"]): record["project"] for record in group.tables["projects/task"]}
    for row in rows(demo_corrections(TODAY)):
        project = tasks[row["Task"]]
        assert isinstance(project, dict)
        assert project["id"] == row["Project Code"]


def test_each_broken_row_is_a_timesheet_of_its_own() -> None:
    """Otherwise the demo would show fewer causes than it promises."""
    sheets = defaultdict(set)
    after = {row["Entry ID"]: row for row in rows(demo_corrections(TODAY))}
    for row in rows(demo_timesheets(TODAY)):
        sheet = (row["Employee ID"], row["Week Starting"])
        if row != after[row["Entry ID"]]:
            sheets[sheet].add("cell")
        if row["Project Code"] == CLOSED_PROJECT:
            sheets[sheet].add("project")
        if row["Employee ID"] == NEW_HIRE[0]:
            sheets[sheet].add("employee")
    assert sorted(map(len, sheets.values())) == [1] * 6


@pytest.mark.parametrize("today", [date(2024, 2, 29), date(2026, 3, 18), date(2026, 1, 1), date(2026, 6, 7)])
def test_any_day_makes_a_company_and_an_export(today: date) -> None:
    group = demo_group(today)
    assert len(group.tables[BILL]) == 1440
    assert len(rows(demo_timesheets(today))) > 300
    assert max(str(record["createdDate"]) for record in group.tables[BILL]) < today.isoformat()


def test_company_answers_with_what_was_loaded(company: Company, group: Group) -> None:
    admin = company.who("admin")
    bill = group.tables[BILL][700]
    read = company.read(BILL, str(bill["key"]), admin)
    assert read["totalTxnAmount"] == bill["totalTxnAmount"]
    assert isinstance(bill["lines"], list)
    assert [line["txnAmount"] for line in read["lines"]] == [line["txnAmount"] for line in bill["lines"]]
    assert isinstance(bill["vendor"], dict)
    assert read["vendor"]["id"] == bill["vendor"]["id"]
    vendors = {str(record["id"]): record["name"] for record in group.tables["accounts-payable/vendor"]}
    assert read["vendor"]["name"] == vendors[read["vendor"]["id"]]


def test_company_holds_every_line(company: Company, group: Group) -> None:
    for line, count in group.lines.items():
        answer = company.query(
            {"object": line, "fields": ["key"], "size": 1, "filterParameters": {"includePrivate": True}},
            company.who("admin"),
        )
        assert answer.total == count, line


def test_users_see_their_entity_only(company: Company, group: Group) -> None:
    private = [record for record in group.tables["accounts-payable/vendor"] if "entity" in record]
    canadian = sum(record["entity"]["id"] == "E120" for record in private if isinstance(record["entity"], dict))
    question = {"object": "accounts-payable/vendor", "fields": ["id"], "size": 1}
    top = company.query(question, company.who("admin")).total
    assert top == 120 - len(private)
    assert company.query(question, company.who("ca", "E120")).total == top + canadian
    assert canadian


def test_empty_company_has_only_its_frame() -> None:
    empty = Company("empty")
    load_empty(empty, TODAY)
    admin = empty.who("admin")
    assert empty.query({"object": "company-config/entity", "fields": ["id"]}, admin).total == 3
    assert empty.query({"object": "accounts-receivable/customer", "fields": ["id"]}, admin).total == 0
    assert set(empty.users) >= {"admin", "us", "ca"}
    empty.close()


def test_a_second_company_of_the_day_begins_like_the_first_and_goes_its_own_way() -> None:
    with Simulator("demo", clock=Clock(NOW)) as first, Simulator("demo", clock=Clock(NOW)) as second:
        mine, yours = first.company(), second.company()
        made = mine.create("accounts-payable/vendor", {"id": "V-NEW", "name": "New"}, mine.who("admin"))
        assert yours.create("accounts-payable/vendor", {"id": "V-NEW", "name": "New"}, yours.who("admin")) == made
        mine.delete("accounts-payable/vendor", made["key"], mine.who("admin"))
        assert yours.read("accounts-payable/vendor", made["key"], yours.who("admin"))["id"] == "V-NEW"
    with Simulator("demo", clock=Clock(NOW)) as third:
        asked = {"object": "accounts-payable/vendor", "fields": ["key"], "filters": [{"$eq": {"id": "V-NEW"}}]}
        assert third.company().query(asked, third.company().who("admin")).total == 0
