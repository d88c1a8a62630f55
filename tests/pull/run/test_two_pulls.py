"""Two pulls of one table at once: the second is refused, and told who is at it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tieout.connections import open_connections
from tieout.errors import BusyError
from tieout.project import Project, load
from tieout.pull import Progress, pull
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread


@pytest.fixture(scope="module")
def simulator_url() -> Iterator[str]:
    with Simulator("demo") as simulator, SimulatorThread(simulator) as running:
        yield running.url


@pytest.fixture
def connected(tmp_path: Path, simulator_url: str, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("TIEOUT_KEY", "5e" * 32)
    (tmp_path / "tieout.toml").write_text("")
    project = load(tmp_path)
    connections = open_connections(project)
    connections.add_simulator("demo", simulator_url)
    connections.store.close()
    return project


def test_a_second_pull_meanwhile_is_refused_and_another_table_is_not(connected: Project) -> None:
    others = []

    def meanwhile(step: Progress) -> None:
        if step.phase != "reading":
            return
        with pytest.raises(BusyError, match=rf"into table department of .* is going on: process {os.getpid()} on "):
            pull(connected, objects=["departments"])
        if not others:
            others.extend(pull(connected, objects=["departments"], table="other"))

    (report,) = pull(connected, objects=["departments"], progress=meanwhile)
    assert report.ties
    assert [other.table for other in others] == ["other"]
    (again,) = pull(connected, objects=["departments"])
    assert (again.strategy, again.ties) == ("incremental", True)


def test_lines_are_held_with_their_documents(connected: Project) -> None:
    refused = []

    def meanwhile(step: Progress) -> None:
        if step.phase == "reading" and not refused:
            with pytest.raises(BusyError, match="into table bill_line of") as error:
                pull(connected, objects=["accounts-payable/bill-line"])
            refused.append(error)

    pull(connected, objects=["bills"], progress=meanwhile)
    assert refused
