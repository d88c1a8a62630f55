"""`tieout simulate`: the local Sage Intacct as a server on this machine, until Ctrl-C.

What it simulates is `simulator`'s business; options are declared in `local`.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tieout.cli.conditions import Conditions
from tieout.cli.output import Output
from tieout.errors import ConfigurationError, Exit

if TYPE_CHECKING:
    from socket import socket as Socket

    import uvicorn

    from tieout.simulator.requestlog import Entry
    from tieout.simulator.server import Simulator


def simulate(
    port: int = 8765,
    company: Path | None = None,
    seed: str = "demo",
    load: Sequence[Path] = (),
    *,
    conditions: Conditions | None = None,
    log: bool = False,
    output: Output | None = None,
) -> int:
    """Serve until interrupted; the first line printed holds the address and the credentials, as JSON if `output` wants.

    `company` is the file the company is kept in and opened again from (None: memory). `load` are recordings; a company
    made from them holds nothing else, whatever `seed` says. `log` writes every request to standard error. Raises
    ConfigurationError for a taken port, a file that is no company, an unreadable recording."""
    if seed not in ("demo", "empty"):
        raise ConfigurationError(f"There is no seed {seed!r}.", advice="Use demo or empty.")
    try:
        from tieout.simulator.app import PortTakenError, listen, server
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"The simulator needs the package {error.name}.", advice="Install it: pip install 'tieout[simulator]'"
        ) from None
    try:
        socket = listen(port)
    except PortTakenError as error:
        raise ConfigurationError(str(error), advice="Choose another with --port; --port 0 picks a free one.") from None
    with socket:
        simulator = _simulator(
            company, "empty" if load or seed == "empty" else "demo", load, conditions or Conditions()
        )
        with simulator:
            simulator.origin = f"http://127.0.0.1:{socket.getsockname()[1]}"
            if log:
                simulator.traffic.log.listen(_tell)
            _greet(simulator, company, output or Output())
            _serve(server(simulator), socket)
    return Exit.DONE


def _simulator(
    path: Path | None, seed: Literal["demo", "empty"], load: Sequence[Path], conditions: Conditions
) -> Simulator:
    from tieout.simulator.clock import Clock
    from tieout.simulator.server import CompanyError, Simulator

    try:
        clock = Clock(conditions.clock)
    except ValueError as error:
        raise ConfigurationError(f"--clock: {error}.", advice="Write it like 2026-03-20T10:00:00Z.") from None
    try:
        simulator = Simulator(seed, path=path, recordings=load, clock=clock, switches=conditions.switches)
    except CompanyError as error:
        raise ConfigurationError(str(error)) from None
    if conditions.clock is not None:
        simulator.clock.freeze(conditions.clock)  # recordings have a moment of their own
    for fault in conditions.faults:
        simulator.traffic.faults.add(fault)
    return simulator


def _tell(entry: Entry) -> None:
    sys.stderr.write(entry.line() + "\n")
    sys.stderr.flush()


def _greet(simulator: Simulator, company: Path | None, output: Output) -> None:
    """The command's only result: one line, written at once."""
    if output.json:
        output.json_lines([facts(simulator, company)])
    else:
        output.line(_welcome(simulator))
    sys.stdout.flush()


def facts(simulator: Simulator, company: Path | None) -> dict[str, object]:
    """Everything that a program needs to connect."""
    client = next(iter(simulator.clients.values()))
    users = simulator.company().users
    return {
        "url": simulator.origin,
        "base_url": f"{simulator.origin}/ia/api/v1",
        "client_id": client.id,
        "client_secret": client.secret,
        "company": "demo",
        "users": list(users),
        "password": next(user.password for user in users.values()),
        "company_file": None if company is None else str(company.absolute()),
    }


def _welcome(simulator: Simulator) -> str:
    client = next(iter(simulator.clients.values()))
    return (
        f"Sage Intacct simulator at {simulator.origin} (client {client.id}, secret {client.secret}, company demo, "
        f"users {' '.join(simulator.company().users)}, password demo). Ctrl-C stops it."
    )


def _serve(running: uvicorn.Server, socket: Socket) -> None:
    """Ctrl-C and SIGTERM are how a server is stopped: no error."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        running.run(sockets=[socket])
