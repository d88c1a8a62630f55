"""Tokens a second that a sweep renews, beside a hand-written loop over as many of the same simulator and run: one
connection for each of 1,000 users in 200 companies, state in SQLite.

    python benchmarks/refresh_sweep.py [--companies 200] [--users 5] [--rounds 3]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from floors.refresh import Sweep
from tieout.connections import Connections, Vault
from tieout.connections.keys import Keys
from tieout.rest.tokens import Grant
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread
from tieout.store import open_store

HALF_A_DAY = 43_200.0
CLIENT = "demo-client"


def serve(companies: int, users: int) -> None:
    """Print the port and each side's refresh tokens, then serve until standard input closes."""
    sides: dict[str, dict[str, dict[str, str]]] = {"floor": {}, "tieout": {}}
    with Simulator("empty", switches={"rotation": "strict"}) as simulator:
        for company in (f"c{number}" for number in range(companies)):
            simulator.add_company(company)
            tenant = simulator.tenant(company)
            assert tenant is not None
            for side, made in sides.items():
                made[company] = {}
                for user in (f"{side}{number}" for number in range(users)):
                    tenant.company.add_user(user)
                    issued = tenant.desk.grants.begin(CLIENT, user, None, kind="authorization_code", offline=True)
                    made[company][user] = str(issued.refresh)
        with SimulatorThread(simulator) as server:
            print(json.dumps({"port": server.port, **sides}), flush=True)
            sys.stdin.read()


@contextmanager
def start(companies: int, users: int) -> Iterator[dict[str, object]]:
    """The same in a process of its own -> what it printed."""
    command = [sys.executable, __file__, "--serve", "--companies", str(companies), "--users", str(users)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.stdin.close()


def connected(folder: Path, base_url: str, tokens: dict[str, dict[str, str]]) -> Callable[[], int]:
    """Connections for all users -> what expires all their tokens and sweeps."""
    ahead = [0.0]
    store = open_store(f"sqlite:///{folder / 'tieout.db'}")
    connections = Connections(store, Vault(Keys(folder)), now=lambda: time.time() + ahead[0])
    connections.vault.keys.make_for_simulator()
    connections.apps.draft("demo", redirect_uris=["https://127.0.0.1:4711/callback"], scope="non-production")
    connections.apps.approve("demo", CLIENT, "demo-secret")
    for company, users in tokens.items():
        for user, refresh in users.items():
            waiting = connections.prepare(
                f"{company}-{user}", company=company, base_url=base_url, environment="simulator"
            )
            connections.land(waiting, Grant("expired", 60, refresh), app="demo", user=user, company=company)

    def sweep() -> int:
        ahead[0] += HALF_A_DAY
        swept = connections.sweep()
        assert not swept.failed, swept.failed[0].why
        return swept.refreshed

    return sweep


def measure(sweep: Callable[[], int], expected: int) -> tuple[float, float]:
    """Tokens a second, and milliseconds of this process's CPU for each."""
    began, cpu = time.perf_counter(), time.process_time()
    done = sweep()
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    if done != expected:
        raise SystemExit(f"{done} of {expected} tokens were renewed")
    return done / took, cpu / done * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--companies", type=int, default=200)
    parser.add_argument("--users", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.companies, asked.users)
        return
    total = asked.companies * asked.users
    print(f"{total:,} connections in {asked.companies} companies, all due; SQLite; simulator in another process\n")
    print(f"{'':<8}{'floor a second':>16}{'tieout a second':>17}{'ratio':>8}{'floor CPU ms':>14}{'tieout CPU ms':>15}")
    with start(asked.companies, asked.users) as told, tempfile.TemporaryDirectory() as folder:
        origin = f"http://127.0.0.1:{told['port']}"
        flat = [token for users in told["floor"].values() for token in users.values()]  # type: ignore[attr-defined]
        floor = Sweep(Path(folder) / "floor.db", flat)
        sweep = connected(Path(folder), origin, told["tieout"])  # type: ignore[arg-type]
        rounds = []
        for number in range(asked.rounds):
            bare = measure(lambda: floor.run(f"{origin}/ia/api/v1"), total)
            rounds.append((*bare, *measure(sweep, total)))
            show(str(number + 1), *rounds[-1])
    show("median", *(statistics.median(column) for column in zip(*rounds, strict=True)))


def show(name: str, bare: float, bare_cpu: float, tieout: float, tieout_cpu: float) -> None:
    print(
        f"{name:<8}{bare:>16,.0f}{tieout:>17,.0f}{tieout / bare:>8.2f}{bare_cpu:>14.1f}{tieout_cpu:>15.1f}", flush=True
    )


if __name__ == "__main__":
    main()
