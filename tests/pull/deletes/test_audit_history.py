"""Audit history saves a sweep where it tells of deletions, and is never needed: the copy ends right without it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import tieout
from tests.pull.deletes.test_deletes import live
from tieout.project import Project
from tieout.pull import PullReport
from tieout.pull.deletes.audit import AUDIT
from tieout.pull.run import pull
from tieout.pull.sources import Source
from tieout.rest import Intacct
from tieout.simulator import Simulator

VENDORS = "accounts-payable/vendor"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator("empty") as simulator:
        yield simulator


@pytest.fixture
def client(simulator: Simulator) -> Iterator[Intacct]:
    with tieout.simulated(simulator=simulator) as client:
        client.create_many("vendors", [{"id": f"V-{i}", "name": f"Vendor {i}"} for i in range(1, 31)])
        yield client


def pulled(client: Intacct, project: Project) -> PullReport:
    (report,) = pull(project, objects=["vendors"], source=Source(client, "demo"))
    return report


def delete(client: Intacct, *ids: str) -> None:
    keys = {row.id: row.key for row in client.query("vendors", ["id", "key"])}
    for id in ids:
        client.delete("vendors", keys[id])


@pytest.mark.parametrize("history", ["none", "written", "forbidden"])
def test_whatever_audit_history_says_the_copy_ends_right(
    simulator: Simulator, client: Intacct, project: Project, history: str
) -> None:
    simulator.settings.set({"audit_history": history})
    pulled(client, project)
    delete(client, "V-3", "V-30")
    report = pulled(client, project)
    assert (report.strategy, report.missing, report.ties) == ("incremental", 2, True)
    assert live(project, "duckdb:///company.duckdb", "vendor") == {row.key for row in client.query("vendors", ["key"])}
    assert (report.findings == []) is (history == "written")  # where history tells, nobody has to look closer


def test_what_is_recorded_in_part_is_swept_for_the_rest(
    simulator: Simulator, client: Intacct, project: Project
) -> None:
    simulator.settings.set({"audit_history": "written"})
    pulled(client, project)
    delete(client, "V-3")
    simulator.settings.set({"audit_history": "none"})
    delete(client, "V-5")
    report = pulled(client, project)
    assert (report.missing, report.ties, len(report.findings)) == (2, True, 1)


def test_an_id_that_was_deleted_and_made_again_is_not_gone(
    simulator: Simulator, client: Intacct, project: Project
) -> None:
    simulator.settings.set({"audit_history": "written"})
    pulled(client, project)
    delete(client, "V-3", "V-4")
    client.create("vendors", {"id": "V-3", "name": "Vendor 3 again"})
    report = pulled(client, project)
    assert (report.new, report.missing, report.ties) == (1, 2, True)


def test_a_history_that_may_not_be_read_is_asked_for_once(
    simulator: Simulator, client: Intacct, project: Project
) -> None:
    simulator.settings.set({"audit_history": "forbidden"})
    pulled(client, project)
    for id in ("V-3", "V-4"):
        delete(client, id)
        pulled(client, project)
    asked = [tried for tried in client.log.search(object=AUDIT, limit=100) if tried.operation == "query"]
    assert len(asked) == 1
