"""Programs of their own that cost no start: forked from one that has imported everything already."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]

_PARENT = """
import json, os, random, sys, traceback
import duckdb, httpx2, psycopg, sqlalchemy.dialects.postgresql, sqlalchemy.dialects.sqlite
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tieout.cli import main
from tieout.connections import Connections, Vault, rotation, sealed
from tieout.project import Project
from tieout.pull import run as pull_run
from tieout.push import run as push_run
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
    # Open for both, so that it neither waits for who speaks nor ends when nobody does.
    os.dup2(os.open(job["in"], os.O_RDWR), 0)
    for place, name in ((1, "out"), (2, "errors")):
        os.dup2(os.open(job[name], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), place)
    sys.stdin = open(0, closefd=False)
    os.environ.clear()
    os.environ.update(job["environment"])
    os.chdir(job["folder"])
    os.umask(job["umask"])
    sys.argv = ["-", *job["arguments"]]
    status = 0
    try:
        exec(compile(job["code"], "forked", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
"""

COMMAND = "import sys; from tieout.cli.main import main; sys.exit(main())"
"""What `python -m tieout` does: its arguments are those of the command line."""


class Forks:
    """`start` programs from their source, speak with them, `wait` for how they ended and what they printed."""

    def __init__(self, parent: subprocess.Popen[str], folder: Path) -> None:
        self._parent, self._folder, self._started = parent, folder, 0
        self._files: dict[int, Path] = {}
        self._read: dict[int, int] = {}

    def start(
        self,
        code: str,
        *arguments: object,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        apart: bool = False,
    ) -> int:
        """The process id. `folder` is where it works; what it says as an error stands with the rest, unless `apart`."""
        self._started += 1
        file = self._folder / f"forked-{self._started}"
        os.mkfifo(file.with_suffix(".in"))
        os.umask(umask := os.umask(0o077))
        job = {
            "umask": umask,
            "code": code,
            "arguments": [str(each) for each in arguments],
            "environment": os.environ | dict(environment or {}),
            "folder": str(folder or Path.cwd()),
            "in": str(file.with_suffix(".in")),
            "out": str(file),
            "errors": str(file.with_suffix(".errors") if apart else file),
        }
        pid = int(self._ask(job))
        self._files[pid], self._read[pid] = file, 0
        return pid

    def run(self, code: str, *arguments: object, **how: Any) -> tuple[int, str]:
        """Start it and wait for its end."""
        return self.wait(self.start(code, *arguments, **how))

    def wait(self, pid: int) -> tuple[int, str]:
        """The exit code, below zero for a signal, and what it printed: nothing, where it was killed before it began."""
        code, file = self._ask({"wait": pid}), self._files[pid]
        return code, file.read_text() if file.exists() else ""

    def kill(self, pid: int) -> tuple[int, str]:
        """With SIGKILL, unless it has ended before; then as `wait`."""
        os.kill(pid, signal.SIGKILL)  # one that has ended keeps its number until it is waited for
        return self.wait(pid)

    def say(self, pid: int, line: str) -> None:
        """To its standard input."""
        speaker = os.open(self._files[pid].with_suffix(".in"), os.O_WRONLY | os.O_NONBLOCK)
        os.write(speaker, f"{line}\n".encode())
        os.close(speaker)

    def heard(self, pid: int) -> str:
        """The next line that it prints."""
        give_up = time.monotonic() + 60
        while True:
            text = self._files[pid].read_text()[self._read[pid] :] if self._files[pid].exists() else ""
            line, end, _ = text.partition("\n")
            if end:
                self._read[pid] += len(line) + 1
                return line
            assert time.monotonic() < give_up, "it says nothing"
            time.sleep(0.005)

    def said(self, pid: int, line: str) -> None:
        """Returns once the program has printed this line."""
        while self.heard(pid) != line:
            pass

    def _ask(self, job: Mapping[str, object]) -> Any:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(job) + "\n")
        self._parent.stdin.flush()
        return json.loads(self._parent.stdout.readline())


@contextmanager
def forks(folder: Path) -> Iterator[Forks]:
    """Ends at the end; what was started is waited for, or killed, by who started it."""
    pipe, environment = subprocess.PIPE, os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _PARENT]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as parent:
        yield Forks(parent, folder)
