"""A program among many that use the same grants: waits for a word, uses the connections it is told, tells what came.

Run as a script: state URL, folder of the key file, file of the clock, names of connections by comma, a company's apart
from the next one's by semicolon. Each line it reads is the number of a company.
"""

from __future__ import annotations

import random
import struct
import sys
import time
from pathlib import Path

from tieout.connections import Connections, Vault
from tieout.connections.keys import Keys
from tieout.errors import TieoutError
from tieout.rest import Intacct
from tieout.rest.transport import HttpTransport
from tieout.store import open_store


def ahead(file: Path) -> float:
    """Seconds by which the clock that tokens expire by is ahead of ours."""
    found: float = struct.unpack("d", file.read_bytes())[0]
    return found


def main() -> None:
    url, folder, clock, names = sys.argv[1:]
    with open_store(url) as store:
        connections = Connections(store, Vault(Keys(Path(folder))), now=lambda: time.time() + ahead(Path(clock)))
        transport = HttpTransport()  # one for all: reading the trust store forty times would be most of the work
        companies: list[dict[str, Intacct]] = [
            {name: connections.open(name, tier="5", concurrency=1, transport=transport) for name in company.split(",")}
            for company in names.split(";")
        ]
        print("ready", flush=True)
        for line in sys.stdin:
            clients = companies[int(line)]
            mine = list(clients)
            random.shuffle(mine)
            failed = []
            for name in mine:
                try:
                    clients[name].references("company-config/entity")
                except TieoutError as error:
                    failed.append(f"{name}: {error}")
            print("; ".join(failed) or "good", flush=True)


if __name__ == "__main__":
    main()
