"""A connect page before a simulator, on SQLite, and on PostgreSQL too where the database is what matters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connections.web.visitor import Visitor, register, settings
from tieout.connections import Connections
from tieout.connections.web import Settings, connect_app
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread


@pytest.fixture
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """On SQLite, or as `BOTH` says: a new PostgreSQL database for every small test would cost minutes."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{tmp_path / 'tieout.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


BOTH = pytest.mark.parametrize("state_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def served_simulator(simulator: Simulator) -> Iterator[Simulator]:
    with SimulatorThread(simulator):
        yield simulator


@pytest.fixture
def made(connections: Connections, served_simulator: Simulator) -> Settings:
    register(connections, served_simulator)
    return settings(served_simulator)


@pytest.fixture
def visitor(connections: Connections, made: Settings) -> Visitor:
    return Visitor(connect_app(connections, made))
