"""Runs command lines in process and hands back what a user would see."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tieout.cli.main import main


@dataclass
class Shown:
    """What one command line left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def table(self) -> list[list[str]]:
        """The lines of the output, cut at runs of two spaces."""
        return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in self.out.splitlines()]


Run = Callable[..., Shown]


@pytest.fixture
def tieout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`tieout("query", "vendors")` in an empty working directory. No output may hold a traceback or a secret."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Shown:
        capsys.readouterr()
        code = main(list(arguments))
        captured = capsys.readouterr()
        for text in (captured.out, captured.err):
            assert "Traceback" not in text
            assert "demo-secret" not in text
        return Shown(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def simulator_url() -> Iterator[str]:
    """A local Sage Intacct with the demo company, for the tests of this room that only read or add to it."""
    from tieout.simulator.app import SimulatorThread
    from tieout.simulator.server import Simulator

    with Simulator("demo") as simulator, SimulatorThread(simulator) as running:
        yield running.url


@pytest.fixture
def connected(tieout: Run, simulator_url: str) -> Run:
    """`tieout` in a working directory that is connected to the demo company."""
    assert tieout("connect", "demo", "--simulator", simulator_url).code == 0
    return tieout
