"""`tieout simulate`: the local Sage Intacct as a server on this machine, until Ctrl-C.

What it simulates is `simulator`'s business; options are declared in `local`.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tieout.cli.output import Output
from tieout.errors import ConfigurationError, Exit

if TYPE_CHECKING:
    from socket import socket as Socket

    import uvicorn

    from tieout.simulator.server import Simulator


def simulate(
    port: int = 8765,
    company: Path | None = None,
    seed: str = "demo",
    load: Sequence[Path] = (),
    *,
    switches: Mapping[str, object] | None = None,
    output: Output | None = None,
) -> int:
    """Serve until interrupted; the first line printed holds the address and the credentials, as JSON if `output` wants.

    `company` is the file the company is kept in and opened again from (None: memory). `load` are recordings; a company
    made from them holds nothing else, whatever `seed` says. `switches` as in docs/simulator.md. Raises
    ConfigurationError for a taken port, a file that is no company, an unreadable recording, an unknown switch."""
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
        simulator = _simulator(company, "empty" if load or seed == "empty" else "demo", load, switches or {})
        with simulator:
            simulator.origin = f"http://127.0.0.1:{socket.getsockname()[1]}"
            _greet(simulator, company, output or Output())
            _serve(server(simulator), socket)
    return Exit.DONE


def _simulator(
    path: Path | None,
    seed: Literal["demo", "empty"],
    load: Sequence[Path],
    switches: Mapping[str, object],
) -> Simulator:
    from tieout.simulator.server import CompanyError, Simulator

    try:
        return Simulator(seed, path=path, recordings=load, switches=switches)
    except CompanyError as error:
        raise ConfigurationError(str(error)) from None
    except ValueError as error:
        raise ConfigurationError(f"{error}.", advice="docs/simulator.md lists the switches.") from None


def _greet(simulator: Simulator, company: Path | None, output: Output) -> None:
    """The command's only result: one line, written at once."""
    if output.json:
        output.json_lines([facts(simulator, company)])
    else:
        output.line(_welcome(simulator))
    sys.stdout.flush()


def facts(simulator: Simulator, company: Path | None) -> dict[str, object]:
    """Everything that a program needs to connect."""
    client, secret = next(iter(simulator.clients.items()))
    users = simulator.company().users
    return {
        "url": simulator.origin,
        "base_url": f"{simulator.origin}/ia/api/v1",
        "client_id": client,
        "client_secret": secret,
        "company": "demo",
        "users": list(users),
        "password": next(user.password for user in users.values()),
        "company_file": None if company is None else str(company.absolute()),
    }


def _welcome(simulator: Simulator) -> str:
    client, secret = next(iter(simulator.clients.items()))
    return (
        f"Sage Intacct simulator at {simulator.origin} (client {client}, secret {secret}, company demo, "
        f"users {' '.join(simulator.company().users)}, password demo). Ctrl-C stops it."
    )


def _serve(running: uvicorn.Server, socket: Socket) -> None:
    """Ctrl-C and SIGTERM are how a server is stopped: no error."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        running.run(sockets=[socket])
