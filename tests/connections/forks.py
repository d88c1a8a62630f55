"""Programs of their own that cost no start: forked from one that has imported everything already."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_PARENT = """
import json, os, sys, traceback
import psycopg, sqlalchemy.dialects.postgresql, sqlalchemy.dialects.sqlite
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tieout.connections import Connections, Vault, rotation, sealed
from tieout.store import access_tables, connect_tables, ledger, open_store

for line in sys.stdin:
    job = json.loads(line)
    if "wait" in job:
        print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(job["wait"], 0)[1])), flush=True)
        continue
    pid = os.fork()
    if pid:
        print(json.dumps(pid), flush=True)
        continue
    file = os.open(job["out"], os.O_CREAT | os.O_WRONLY, 0o600)
    for place in (1, 2):
        os.dup2(file, place)
    os.environ.update(job["environment"])
    sys.argv = ["-", *job["arguments"]]
    status = 0
    try:
        exec(compile(job["code"], "forked", "exec"), {"__name__": "__main__"})
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    os._exit(status)
"""


class Forks:
    """`start` programs from their source, `wait` for how they ended and what they printed."""

    def __init__(self, parent: subprocess.Popen[str], folder: Path) -> None:
        self._parent, self._folder, self._files = parent, folder, dict[int, Path]()

    def start(self, code: str, *arguments: object, environment: Mapping[str, str] | None = None) -> int:
        """The process id; printed so far is what `said` tells."""
        file = self._folder / f"forked-{len(self._files)}"
        given = {name: value for name, value in os.environ.items() if name.startswith("TIEOUT_")}
        job = {"code": code, "arguments": [str(each) for each in arguments], "out": str(file)}
        pid = int(self._ask(job | {"environment": given | dict(environment or {})}))
        self._files[pid] = file
        return pid

    def wait(self, pid: int) -> tuple[int, str]:
        """The exit code, below zero for a signal, and what it printed, errors too."""
        return self._ask({"wait": pid}), self._files[pid].read_text()

    def said(self, pid: int, line: str) -> None:
        """Returns once the program has printed this line."""
        give_up = time.monotonic() + 60
        while line not in (self._files[pid].read_text().splitlines() if self._files[pid].exists() else []):
            assert time.monotonic() < give_up, "it says nothing"
            time.sleep(0.005)

    def _ask(self, job: Mapping[str, object]) -> Any:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(job) + "\n")
        self._parent.stdin.flush()
        return json.loads(self._parent.stdout.readline())


@contextmanager
def forks(folder: Path) -> Iterator[Forks]:
    """Ends, with all that were started, at the end."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdin=pipe, stdout=pipe, text=True) as parent:
        yield Forks(parent, folder)
