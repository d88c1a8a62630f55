"""A project with one push, connected to a simulated company behind a real port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.push.desk import Desk
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator("empty") as made:
        yield made


@pytest.fixture
def desk(simulator: Simulator, tmp_path: Path) -> Iterator[Desk]:
    """An empty company and a project of its own."""
    with SimulatorThread(simulator) as running:
        yield Desk.connect(tmp_path / "project", running.url)
