"""A row's entity may be looked up: an office, a person or a project tells in which books it belongs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tieout
from tests.push.desk import Desk
from tieout import push
from tieout.errors import CheckError
from tieout.push.fields.columns import LookupSetting
from tieout.push.fields.lookups import NoSuchLookup
from tieout.push.fields.places import read_places
from tieout.push.fields.values import Misfit
from tieout.rest import Intacct
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread

BILLS = """
[push.x]
object = "bills"
source = "x.csv"
id = "No"
entity = { column = "Office", lookup = "name", default = "E130" }
[push.x.fields]
billNumber = "No"
"vendor.id" = { constant = "V-2001" }
createdDate = { constant = "2026-11-16" }
dueDate = { constant = "2026-12-16" }
"lines.txnAmount" = { constant = "7.00" }
"lines.glAccount.id" = { constant = "6200" }
"lines.dimensions.department.id" = { constant = "300" }
"lines.dimensions.location.id" = { column = "Office", lookup = "name", default = "130-LON" }
"""


@pytest.fixture(scope="module")
def demo() -> Iterator[Intacct]:
    with tieout.simulated() as client:
        yield client


def test_an_office_is_in_the_entity_above_it(demo: Intacct) -> None:
    found = read_places(LookupSetting(by="name"), demo)
    assert [found.entity(name) for name in ("New York", "austin", " Montréal ", "Edinburgh")] == [
        "E110", "E110", "E120", "E130"
    ]  # fmt: skip
    assert found.entity("Northlight Partners UK Ltd") == "E130"  # an entity is a location, too
    with pytest.raises(Misfit) as caught:
        found.entity("Torronto")
    assert caught.value.nearest == "Toronto"
    assert caught.value.reason == "is the name of no location that belongs to an entity"


def test_people_and_projects_have_their_location(demo: Intacct) -> None:
    people = read_places(LookupSetting(by="email", object="employee"), demo)
    projects = read_places(LookupSetting(by="id", object="project"), demo)
    fields = ["primaryContact.email1", "location.id"]
    for row in demo.query("employees", fields, private=True, limit=10):
        assert people.entity(row["primaryContact.email1"]) == f"E{row['location.id'][:3]}"
    for row in demo.query("projects", ["id", "location.id"], private=True, limit=10):
        assert projects.entity(row["id"]) == f"E{row['location.id'][:3]}"


def test_what_means_several_entities_is_not_chosen_from(demo: Intacct) -> None:
    shared = read_places(LookupSetting(by="status", object="location"), demo)
    with pytest.raises(Misfit) as caught:
        shared.entity("active")
    assert caught.value.reason == "is the status of several: a location of E110 and one of E120 and one of E130"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (LookupSetting(by="nam"), "looks up by 'nam', which company-config/location does not have"),
        (LookupSetting(by={"name": "A"}), "it takes one"),
        (LookupSetting(by="name", object="depotment"), "depotment"),
        (LookupSetting(by="name", object="vendors"), "looks up by 'location.id', which accounts-payable/vendor"),
    ],
)
def test_a_lookup_that_cannot_be_made_says_why(demo: Intacct, setting: LookupSetting, words: str) -> None:
    with pytest.raises(NoSuchLookup) as caught:
        read_places(setting, demo)
    assert words in caught.value.reason


def test_rows_go_to_the_entity_that_is_found(tmp_path: Path) -> None:
    with Simulator("demo") as simulator, SimulatorThread(simulator) as running:
        desk = Desk.connect(tmp_path / "project", running.url, BILLS)
        rows = ["L1,New York", "L2,toronto", "L3,", "L4,Torronto"]
        (desk.root / "x.csv").write_text("No,Office\n" + "".join(f"{row}\n" for row in rows))
        report = push.push(desk.project, "x")
        counts: dict[str, Any] = {entity: of["posted"] for entity, of in report.by_entity.items()}
        assert counts == {"E110": 1, "E120": 1, "E130": 1, "": 0}
        office = [str(problem) for problem in report.problems if "to an entity" in str(problem)]
        assert office == [
            "row 5, column Office: 'Torronto' is the name of no location that belongs to an entity "
            "(did you mean 'Toronto'?)"
        ]
        text = BILLS.replace('lookup = "name", default = "E130"', 'lookup = "nam"')
        broken = Desk.connect(tmp_path / "broken", running.url, text)
        (broken.root / "x.csv").write_text("No,Office\nL9,New York\n")
        with pytest.raises(CheckError, match=r"\[push.x\] entity: looks up by 'nam'"):
            push.push(broken.project, "x")
