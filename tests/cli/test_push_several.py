"""`tieout push` with several names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.push.test_order import BILLS, VENDORS
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread


@pytest.fixture
def project(tieout: Run, tmp_path: Path) -> Iterator[Run]:
    (tmp_path / "tieout.toml").write_text(BILLS + VENDORS)
    (tmp_path / "vendors.jsonl").write_text('{"id":"V-NEW","name":"New"}\n')
    (tmp_path / "bills.csv").write_text("Line,Bill,Vendor,Amount\n1,B-1,V-NEW,10.00\n")
    with Simulator("demo") as simulator, SimulatorThread(simulator) as running:
        assert tieout("connect", "demo", "--simulator", running.url).code == 0
        yield tieout


def test_several_go_as_they_need_each_other(project: Run) -> None:
    asked = project("push")
    assert asked.code == 2
    assert "Name one or more: bills, vendors." in asked.err
    looked = project("push", "bills", "vendors", "--dry-run")
    assert looked.code == 0, looked
    sent = project("push", "bills", "vendors")
    assert sent.code == 0, sent
    assert sent.out.index("vendors: 1 row") < sent.out.index("bills: 1 row")
    again = project("push", "bills", "vendors", "--json")
    assert [(each["name"], each["skipped"], each["exit_code"]) for each in again.json] == [
        ("vendors", 1, 0),
        ("bills", 1, 0),
    ]


def test_one_that_cannot_be_read_stops_who_needs_it(project: Run, tmp_path: Path) -> None:
    (tmp_path / "vendors.jsonl").write_text("{\n")
    shown = project("push", "bills", "vendors")
    assert shown.code == 2
    assert "vendors: nothing came of it" in shown.out
    assert "bills: not begun" in shown.out
    assert "need those of vendors, which failed" in shown.out
    assert "Traceback" not in shown.err
    told = project("push", "bills", "vendors", "--json")
    assert told.code == 2
    assert [each["exit_code"] for each in told.json] == [2, 1]


@pytest.mark.parametrize(("option", "value"), [("--plan", "p.plan"), ("--from", "x.csv"), ("--audit", "a.jsonl")])
def test_what_goes_with_one_push_is_refused_with_several(project: Run, option: str, value: str) -> None:
    refused = project("push", "bills", "vendors", option, value)
    assert refused.code == 2
    assert f"{option} goes with one push, and 2 are named." in refused.err
