"""Microseconds that a call waits for a token that is valid and not due: nearly every call of a long run.

python benchmarks/token_hot_path.py [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from tieout.connections import Connections, Vault
from tieout.connections.keys import Keys
from tieout.rest import CountingMeter, InProcessTransport, Session
from tieout.rest.drivers import SyncDriver
from tieout.rest.limiter import Limiter
from tieout.simulator import Simulator
from tieout.store import open_store

CALLS = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with (
        Simulator("empty") as simulator,
        tempfile.TemporaryDirectory() as folder,
        open_store(f"sqlite:///{folder}/tieout.db") as store,
    ):
        transport = InProcessTransport(simulator.answer)
        connections = Connections(store, Vault(Keys(Path(folder))))
        made = connections.add_simulator("demo", simulator.origin, transport=transport)
        source = connections.tokens(made, transport=transport)
        session = Session(base_url=made.base_url, tokens=source, meter=CountingMeter())
        driver = SyncDriver(transport, Limiter(1))
        driver.run(source.token(session))
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            for _ in range(CALLS):
                driver.run(source.token(session))
            times.append((time.perf_counter() - began) / CALLS * 1e6)
    print(
        f"microseconds for a valid token, {CALLS:,} calls, {rounds} rounds: "
        f"least {min(times):.1f}, median {statistics.median(times):.1f} (goal 50)"
    )


if __name__ == "__main__":
    main()
