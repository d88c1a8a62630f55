"""Fixtures for other people's tests: a local Sage Intacct behind a port, as new for every test.

pytest loads this module wherever tieout is installed, so it imports nothing of the simulator until a fixture is used.
It hands out addresses and credentials, not clients: any client can be tested with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tieout.simulator.app import SimulatorThread
    from tieout.simulator.company import Company
    from tieout.simulator.snapshots import Snapshot

MARKER = (
    "intacct(seed=None, **switches): the local Sage Intacct of this test: seed 'demo' or 'empty', and switches such as "
    "rotation='strict'"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("intacct_seed", "What the local Sage Intacct holds: demo or empty.", default="demo")
    parser.addini("intacct_switches", "How it behaves: NAME=VALUE, one a line.", type="linelist", default=[])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


class _Servers:
    """One server for each seed that a session's tests ask for, and how it was at first."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[SimulatorThread, Snapshot]] = {}

    def fresh(self, seed: str) -> SimulatorThread:
        """As it was when it started, on the same port."""
        from tieout.simulator.app import SimulatorThread
        from tieout.simulator.server import Simulator
        from tieout.simulator.snapshots import Snapshot

        if seed not in ("demo", "empty"):
            raise pytest.UsageError(f"There is no seed {seed!r}: use demo or empty.")
        if seed not in self._running:
            simulator = Simulator("demo" if seed == "demo" else "empty")
            server = SimulatorThread(simulator)
            server.__enter__()
            self._running[seed] = (server, Snapshot.take(simulator))
        server, first = self._running[seed]
        first.put_back(server.simulator)
        server.simulator.traffic.reset()
        return server

    def close(self) -> None:
        for server, _ in self._running.values():
            server.__exit__(None, None, None)
            server.simulator.close()


@pytest.fixture(scope="session")
def _intacct_servers() -> Iterator[_Servers]:
    servers = _Servers()
    yield servers
    servers.close()


@pytest.fixture
def intacct_simulator(request: pytest.FixtureRequest, _intacct_servers: _Servers) -> SimulatorThread:
    """A local Sage Intacct behind a port: `url`, `base_url`, `credentials`, and `simulator` with its `clock`,
    `traffic.faults`, `traffic.log` and `settings`.

    Every test finds it as new. `@pytest.mark.intacct("empty", rotation="strict")` chooses what it holds and how it
    behaves, the ini options `intacct_seed` and `intacct_switches` for all tests."""
    config = request.config
    seed = str(config.getini("intacct_seed"))
    switches: dict[str, object] = {}
    for line in config.getini("intacct_switches"):
        name, _, value = str(line).partition("=")
        switches[name.strip()] = value.strip()
    for mark in reversed(list(request.node.iter_markers("intacct"))):
        if len(mark.args) > 1:
            raise pytest.UsageError("The marker intacct takes one seed; switches are given by name.")
        chosen = dict(mark.kwargs)
        seed = str(mark.args[0] if mark.args else chosen.pop("seed", None) or seed)
        switches |= chosen
    server = _intacct_servers.fresh(seed)
    try:
        server.simulator.settings.set(switches)
    except ValueError as error:
        raise pytest.UsageError(f"{error}.") from None
    return server


@pytest.fixture
def intacct_company(intacct_simulator: SimulatorThread) -> Company:
    """The company `demo` behind `intacct_simulator`: `load` records, `add_user`, `query` what was written."""
    return intacct_simulator.simulator.company()
