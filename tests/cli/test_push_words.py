"""What a push says of ids it had to make, and of entities."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread

PROJECT = """
[push.times]
object = "timesheets"
source = "times.csv"
id = ["Sheet", "Day", "Hours"]
group_by = "Sheet"
entity = { column = "Office", map = { "New York" = "E110", "Toronto" = "E120" } }
[push.times.fields]
description = "Sheet"
beginDate = { constant = "2026-11-16" }
"lines.entryDate" = "Day"
"lines.quantity" = "Hours"
"""
ROWS = """Sheet,Day,Hours,Office
A,2026-11-16,8,New York
A,2026-11-16,8,New York
B,2026-11-16,7,Toronto
C,2026-11-16,7,Paris
"""


@pytest.fixture
def project(tieout: Run, tmp_path: Path) -> Run:
    (tmp_path / "tieout.toml").write_text(PROJECT)
    (tmp_path / "times.csv").write_text(ROWS)
    return tieout


def test_derived_ids_and_entities_are_spoken_of(project: Run) -> None:
    with Simulator("demo") as simulator, SimulatorThread(simulator) as running:
        assert project("connect", "demo", "--simulator", running.url).code == 0
        looked = project("push", "--dry-run")
        assert "Ids are made of Sheet, Day, Hours: a row in which one of these is edited" in looked.out
        assert "1 row repeats another one in every column" in looked.out
        sent = project("push")
        assert sent.code == 1
        assert "Ids are made of" not in sent.out, "said where one looks first, not every night"
        lines = [line.split() for line in sent.out.splitlines()]
        assert ["entity", "posted", "held"] in lines
        assert ["E110", "1", "0"] in lines
        assert ["E120", "1", "0"] in lines
        again = project("push", "--dry-run")
        assert "ids are made of Sheet, Day, Hours\n" in again.out, "briefly, once records are known by them"
        report = project("push", "--json").json
    assert (report["derived_from"], report["told_apart"]) == (["Sheet", "Day", "Hours"], 1)
    assert report["by_entity"]["E120"]["skipped"] == 1
    assert {line["subject"] for line in report["tie_out"]} >= {"push times (E110)", "push times (E120)"}


def test_what_is_not_posted_is_listed_for_every_entity(project: Run, tmp_path: Path) -> None:
    (tmp_path / "times.csv").write_text(ROWS.replace("B,2026-11-16,7,Toronto", "B,2026-11-16,x,Toronto"))
    with Simulator("demo") as simulator, SimulatorThread(simulator) as running:
        assert project("connect", "demo", "--simulator", running.url).code == 0
        assert project("push").code == 1
        listed = {record["source_id"]: record["state"] for record in project("failed", "--json").json}
        assert listed == {"B": "held", "C": "held"}
        assert project("failed", "times", "--dismiss", "B").code == 1
        assert [record["source_id"] for record in project("failed", "--json").json] == ["C"]
        (tmp_path / "times.csv").write_text("Sheet,Day,Hours,Office\nD,2026-11-17,8,Toronto\n")
        assert project("push", "--json").json["posted"] == 1
        subjects = {line["subject"] for line in project("verify", "push.times", "--json").json["lines"]}
    assert "push times (E110), earlier sources" in subjects, "what went to another entity before is proven too"


def test_a_plan_is_looked_into_and_applied_by_its_file_alone(project: Run, tmp_path: Path) -> None:
    (tmp_path / "times.csv").rename(tmp_path / "other.csv")
    with Simulator("demo") as simulator, SimulatorThread(simulator) as running:
        assert project("connect", "demo", "--simulator", running.url).code == 0
        planned = project("push", "--plan", "n.plan", "--by", "Ada", "--from", "other.csv")
        assert "`tieout push times --apply n.plan` sends exactly these" in planned.out
        looked = project("push", "--apply", "n.plan", "--dry-run", "--records")
        assert looked.code == 1, "one record is held"
        assert "times: plan n.plan, nothing was sent" in looked.out
        assert "planned by Ada, " in looked.out
        assert f"source: {tmp_path / 'other.csv'}" in looked.out
        assert [line.split()[:3] for line in looked.out.splitlines() if line.startswith("  C ")] == [
            ["C", "held", "(none)"]
        ]
        assert project("push", "--apply", "n.plan", "--dry-run", "--json").json["plan"]["planned_by"] == "Ada"
        assert project("push", "--apply", "n.plan", "--by", "Grace", "--json").json["posted"] == 2
    assert "--records goes with --dry-run or --plan" in project("push", "--records").err
    assert "--plan and --apply exclude each other" in project("push", "--plan", "a", "--apply", "b").err
    assert "--plan sends nothing as it is" in project("push", "--plan", "a", "--dry-run").err


def test_a_file_that_was_named_and_is_not_there_is_no_mistake_of_the_section(project: Run) -> None:
    for command in (
        ["push", "--from", "none.csv"],
        ["push", "--from", "none.csv", "--dry-run"],
        ["retry", "--from", "no"],
    ):
        shown = project(*command)
        assert shown.code == 2
        assert "There is no file" in shown.err
        assert "Name another file; it is looked for in the working directory." in shown.err
        assert "source in" not in shown.err
