"""A simulated Intacct, in process or behind a port, and the connections of an empty project beside it."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.connections.support import Wire
from tieout.connections import Connections, Vault
from tieout.connections.keys import Keys
from tieout.simulator import Simulator
from tieout.store import open_store


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """With strict rotation: a refresh token works once, so that a second refresh at the same time would fail."""
    with Simulator("empty", switches={"rotation": "strict"}) as running:
        yield running


@pytest.fixture
def wire(simulator: Simulator) -> Wire:
    return Wire(simulator)


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """All that a store loads is loaded, and no garbage that each of these tests would look through."""
    open_store(f"sqlite:///{tmp_path_factory.mktemp('loaded') / 'tieout.db'}").close()
    gc.collect()
    gc.freeze()


@pytest.fixture
def connections(state_url: str, tmp_path: Path, loaded: None) -> Iterator[Connections]:
    """On SQLite and on PostgreSQL."""
    with open_store(state_url) as store:
        yield Connections(store, Vault(Keys(tmp_path)))
        gc.collect()  # clients that a test left open give their slots back before the database goes
        for thread in threading.enumerate():
            if thread.name == "tieout-slots":
                thread.join(5)
