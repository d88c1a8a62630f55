"""Several pushes: which goes first, what happens where one fails, and what a look ahead at all of them sees."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.push.desk import Desk
from tieout import push
from tieout.errors import ConfigurationError, SourceError, UnknownNameError
from tieout.project import Project, load
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread

BILLS = """
[push.bills]
object = "bills"
entity = "E110"
source = "bills.csv"
id = "Line"
group_by = "Bill"
[push.bills.fields]
billNumber = "Bill"
"vendor.id" = "Vendor"
createdDate = { constant = "2026-11-16" }
dueDate = { constant = "2026-12-16" }
"lines.txnAmount" = "Amount"
"lines.glAccount.id" = { constant = "6000" }
"lines.dimensions.department.id" = { constant = "200" }
"lines.dimensions.location.id" = { constant = "110-NYC" }
"""
VENDORS = """
[push.vendors]
object = "vendors"
source = "vendors.jsonl"
"""
TERMS = """
[push.terms]
object = "accounts-payable/term"
source = "terms.jsonl"
"""


def project(folder: Path, *parts: str) -> Project:
    (folder / "tieout.toml").write_text("".join(parts))
    return load(folder)


def test_what_records_refer_to_goes_first_and_else_they_go_as_given(tmp_path: Path) -> None:
    made = project(tmp_path, BILLS, VENDORS, TERMS)
    assert push.in_order(made, ["bills", "vendors"]) == ["vendors", "bills"]
    assert push.in_order(made, ["vendors", "bills"]) == ["vendors", "bills"]
    assert push.in_order(made, ["push.bills"]) == ["bills"]
    order = push.in_order(made)
    assert sorted(order) == ["bills", "terms", "vendors"]
    assert order.index("terms") < order.index("vendors") < order.index("bills"), "vendors refer to terms"


def test_a_reference_that_no_field_sends_is_none(tmp_path: Path) -> None:
    alone = BILLS.replace('"lines.dimensions.location.id" = { constant = "110-NYC" }\n', "")
    locations = '[push.locations]\nobject = "locations"\nsource = "l.jsonl"\n'
    assert push.in_order(project(tmp_path, alone, locations), ["bills", "locations"]) == ["bills", "locations"]
    assert push.in_order(project(tmp_path, BILLS, locations), ["bills", "locations"]) == ["locations", "bills"]


def test_what_a_section_says_wins(tmp_path: Path) -> None:
    after = VENDORS.replace('source = "v', 'after = ["bills"]\nsource = "v')
    assert push.in_order(project(tmp_path, BILLS, after)) == ["bills", "vendors"]
    with pytest.raises(UnknownNameError, match="'bils'") as refused:
        push.in_order(project(tmp_path, BILLS, after.replace('"bills"', '"bils"')))
    assert refused.value.nearest == ("bills",)
    ring = BILLS.replace('source = "b', 'after = "vendors"\nsource = "b')
    with pytest.raises(ConfigurationError, match=r"need each other in a ring: \[push"):
        push.in_order(project(tmp_path, ring, after))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with Simulator("demo") as simulator, SimulatorThread(simulator) as running:
        made = Desk.connect(tmp_path / "project", running.url, BILLS + VENDORS + TERMS)
        (made.root / "vendors.jsonl").write_bytes(msgspec.json.encode({"id": "V-NEW", "name": "New"}) + b"\n")
        (made.root / "bills.csv").write_text("Line,Bill,Vendor,Amount\n1,B-1,V-NEW,10.00\n2,B-2,V-NONE,5.00\n")
        yield made


def test_a_look_ahead_at_several_counts_on_what_the_first_would_make(desk: Desk) -> None:
    (alone,) = push.push_all(desk.project, ["bills"], dry_run=True)
    assert alone.report is not None
    assert (alone.report.ready, alone.report.held) == (0, 2)
    vendors, bills = push.push_all(desk.project, ["bills", "vendors"], dry_run=True)
    assert vendors.report is not None
    assert bills.report is not None
    assert (vendors.name, vendors.report.ready) == ("vendors", 1)
    assert (bills.report.ready, bills.report.held) == (1, 1)
    assert "V-NONE" in bills.report.problems[0].reason
    assert desk.held_by_company("vendors", "id")["V-NEW"] == 0, "nothing was sent"


def test_each_arrives_after_what_it_needs(desk: Desk) -> None:
    done = list(push.push_all(desk.project, ["bills", "vendors"]))
    assert [(each.name, each.report.posted if each.report else None) for each in done] == [("vendors", 1), ("bills", 1)]
    assert [each.exit_code for each in done] == [0, 1], "a bill of a vendor that nobody made is held"


def test_who_needs_one_that_failed_as_a_whole_is_not_begun(desk: Desk) -> None:
    (desk.root / "vendors.jsonl").unlink()
    (desk.root / "terms.jsonl").write_bytes(msgspec.json.encode({"id": "N45", "description": "45 days"}) + b"\n")
    done = {each.name: each for each in push.push_all(desk.project, ["bills", "vendors", "terms"], dry_run=True)}
    assert isinstance(done["vendors"].error, SourceError)
    assert (done["bills"].waits_for, done["bills"].report, done["bills"].exit_code) == ("vendors", None, 1)
    assert done["terms"].report is not None
