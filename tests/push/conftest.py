"""A project with one push, connected to a simulated company behind a real port."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.push.desk import Desk
from tests.push.wire import Line
from tieout.push import opening
from tieout.rest import Intacct, attempt
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


@pytest.fixture
def line(simulator: Simulator, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Line:
    """The desk's connection over a line of the test's own, with one try for each call."""
    made = Line(simulator)

    def connect(*_: Any) -> Intacct:
        return Intacct(
            client_id="demo-client",
            client_secret="demo-secret",
            user="admin",
            company="demo",
            base_url=simulator.origin,
            transport=made,
        )

    monkeypatch.setattr(opening, "connect", connect)
    monkeypatch.setattr(attempt, "ATTEMPTS", 1)
    return made
