"""Ctrl-C in real processes, at a moment the test knows: code 130, one line, and a rerun continues."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.connections.support import register, sign_in
from tieout.cli import directory
from tieout.simulator.app import SimulatorThread
from tieout.simulator.http import Request, Response
from tieout.simulator.server import Simulator
from tieout.store import open_store

COMMAND = [sys.executable, "-m", "tieout"]
PROJECT = """
[pull.departments]
object = "departments"
[push.customers]
object = "customers"
source = "customers.jsonl"
"""
RECORDS = 30


class Gate(Simulator):
    """A company that keeps the answer to a chosen request back until the test has looked."""

    def __init__(self) -> None:
        super().__init__("empty")
        self.wanted = ""
        self.arrived = threading.Event()
        self.go_on = threading.Event()

    def exchange(self, request: Request) -> Generator[float, None, Response]:
        response = yield from super().exchange(request)
        path = "/".join(request.segments)
        if self.wanted and self.wanted in f"{request.method} {path}":
            self.arrived.set()
            while not self.go_on.is_set():
                yield 0.05
        return response


@pytest.fixture
def gate() -> Iterator[Gate]:
    with Gate() as made:
        yield made


@pytest.fixture
def project(gate: Gate, tieout: Run, tmp_path: Path) -> Iterator[Run]:
    """`tieout` in a project with one pull and one push, connected to the gate."""
    (tmp_path / "tieout.toml").write_text(PROJECT)
    records = [{"id": f"C-{number}", "name": f"Customer {number}"} for number in range(RECORDS)]
    (tmp_path / "customers.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    with SimulatorThread(gate) as running:
        try:
            assert tieout("connect", "demo", "--simulator", running.url).code == 0
            yield tieout
        finally:
            gate.go_on.set()


def interrupt(gate: Gate, folder: Path, arguments: list[str], wanted: str, number: int = signal.SIGINT) -> str:
    """Runs a command, sends the signal while Intacct has its request and before the answer -> standard error."""
    gate.wanted = wanted
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert gate.arrived.wait(60)
        running.send_signal(number)
        out, error = ended(running)
    gate.wanted = ""
    gate.go_on.set()
    assert running.returncode == (130 if number == signal.SIGINT else -number), error
    assert out == ""
    assert "Traceback" not in error
    return error


def ended(running: subprocess.Popen[Any], answer: str | None = None) -> tuple[Any, Any]:
    """What a process said until it ended. One that does not end is killed, so that the test fails and does not hang."""
    try:
        return running.communicate(answer, timeout=30)
    except subprocess.TimeoutExpired:
        running.kill()
        raise


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["query", "departments"], "POST ia/api/v1/services/core/query"),
        (["get", "department", "1"], "GET ia/api/v1/objects"),
        (["pull"], "POST ia/api/v1/services/core/query"),
        (["pull", "--json"], "POST ia/api/v1/services/core/query"),
        (["push"], "POST ia/api/v1/objects/accounts-receivable/customer"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_ctrl_c_is_130_and_one_line(
    project: Run, gate: Gate, tmp_path: Path, arguments: list[str], wanted: str
) -> None:
    error = interrupt(gate, tmp_path, arguments, wanted)
    assert error.split("\n") == [
        "",
        "Interrupted. What was finished is kept; run the same command again to continue.",
        "",
    ]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_sign_in_that_is_being_renewed_is_not_lost(
    project: Run, gate: Gate, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """The command ends when the answer has come and is stored; how often it is asked to end makes no difference."""
    from sqlalchemy import select

    from tieout.connections import Connections
    from tieout.store.access_tables import grants, tokens

    with Connections.at(f"sqlite:///{tmp_path / 'tieout.db'}") as connections:
        register(connections)
        url = connections.get("demo").base_url
        connections.remove("demo")
        sign_in(connections, gate, "browser", origin=url)
        with connections.store.begin() as transaction:
            transaction.execute(tokens.delete())
    gate.wanted = "POST ia/api/v1/oauth2/token"
    with subprocess.Popen(
        [*COMMAND, "query", "departments"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert gate.arrived.wait(60)
        for _ in range(3):
            running.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                running.wait(0.2)
                pytest.fail(f"it ended: {running.communicate()}")
        gate.go_on.set()
        _, error = ended(running)
    assert running.returncode == code, error
    assert "Traceback" not in error
    with open_store(f"sqlite:///{tmp_path / 'tieout.db'}") as store, store.read() as connection:
        row = connection.execute(select(grants).filter_by(kind="authorization_code")).one()
    assert (row.version, row.sent_at, row.state) == (2, None, "active")
    gate.wanted = ""
    assert project("query", "departments").code == 0


def test_ctrl_c_in_a_push_posts_every_record_exactly_once(project: Run, gate: Gate, tmp_path: Path) -> None:
    from sqlalchemy import text

    interrupt(gate, tmp_path, ["push"], "POST ia/api/v1/objects/accounts-receivable/customer")
    with open_store(f"sqlite:///{tmp_path / 'tieout.db'}") as store, store.read() as connection:
        batch = connection.execute(text("select state, record_count, records is not null from push_batches")).one()
        assert not connection.execute(text("select state from push_records")).all()
    assert tuple(batch) == ("open", RECORDS, 1), "sent, and nobody has seen the answer"
    again = project("push", "--json")
    assert again.code == 0, again
    assert again.json["posted"] == RECORDS
    found = project("query", "customers", "-f", "id", "--json").json
    assert Counter(row["id"] for row in found) == {f"C-{number}": 1 for number in range(RECORDS)}
    assert project("push", "--json").json["skipped"] == RECORDS


def test_ctrl_c_in_a_verify_changes_nothing(project: Run, gate: Gate, tmp_path: Path) -> None:
    assert project("push").code == 0
    assert project("pull").code == 0
    interrupt(gate, tmp_path, ["verify"], "POST ia/api/v1/services/core/query")
    assert project("verify").code == 0


def test_sigterm_ends_a_push_without_a_word_and_gives_its_lease_back(project: Run, gate: Gate, tmp_path: Path) -> None:
    from sqlalchemy import text

    wanted = "POST ia/api/v1/objects/accounts-receivable/customer"
    assert interrupt(gate, tmp_path, ["push"], wanted, signal.SIGTERM) == ""
    with open_store(f"sqlite:///{tmp_path / 'tieout.db'}") as store, store.read() as connection:
        assert connection.execute(text("select count(*) from leases")).scalar_one() == 0
    assert project("push", "--json").json["posted"] == RECORDS


def swallowing_command() -> None:
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise RuntimeError("Query interrupted") from None


def test_ctrl_c_that_a_library_makes_its_own_error_of(tieout: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """DuckDB answers Ctrl-C with RuntimeError("Query interrupted"): still an interruption, not a bug."""
    monkeypatch.setitem(directory.COMMANDS, "slow", directory.Entry("slow", __name__, "swallowing_command", ""))
    shown = tieout("slow")
    assert shown.code == 130
    assert shown.err.strip() == "Interrupted. What was finished is kept; run the same command again to continue."
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_at_the_prompt_keeps_nothing(gate: Gate, tmp_path: Path) -> None:
    with SimulatorThread(gate) as address:
        master, slave = pty.openpty()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TIEOUT_")}
        with subprocess.Popen(
            [*COMMAND, "connect", "us", "--base-url", address.url],
            cwd=tmp_path,
            env=environment,
            stdin=slave,
            stdout=subprocess.PIPE,
            stderr=slave,
            start_new_session=True,
        ) as running:
            os.close(slave)
            said = b""
            while b"Choose" not in said:
                said += os.read(master, 1024)
            # A signal that comes a moment before the read of the answer only marks it: a person would press again.
            while running.poll() is None:
                running.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    running.wait(10)
            out, _ = ended(running)
            said += os.read(master, 4096)
        os.close(master)
    assert (running.returncode, out.strip()) == (130, b"")
    assert b"Traceback" not in said
    assert said.count(b"Interrupted.") == 1
