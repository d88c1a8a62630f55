"""A disk that takes no more, by a real error of the operating system: one sentence, code 5, and a rerun continues."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tieout.simulator.app import SimulatorThread
from tieout.simulator.server import Simulator

COMMAND = [sys.executable, "-m", "tieout"]
PROJECT = '[pull.invoices]\nobject = "invoices"\n[push.customers]\nobject = "customers"\nsource = "customers.jsonl"\n'
RECORDS = 1100
DEV_FULL = Path("/dev/full")


@pytest.fixture
def project(tieout: Run, tmp_path: Path) -> Iterator[Run]:
    """A project with a pull and a push, connected to a company of its own."""
    (tmp_path / "tieout.toml").write_text(PROJECT)
    records = [{"id": f"N-{number}", "name": f"New {number} {'x' * 60}"} for number in range(RECORDS)]
    (tmp_path / "customers.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    with Simulator("demo") as simulator, SimulatorThread(simulator) as running:
        assert tieout("connect", "demo", "--simulator", running.url).code == 0
        yield tieout


def at_most(size: int) -> Callable[[], None]:
    """No file may grow beyond `size` bytes in the child; writing there fails as on a full disk."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def filled(folder: Path, size: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=folder, preexec_fn=at_most(size), capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    assert "This is a bug" not in done.stderr
    return done


def one_sentence(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 5, done
    assert done.stdout == ""
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_a_connection_that_cannot_be_kept(tieout: Run, tmp_path: Path) -> None:
    with Simulator("empty") as simulator, SimulatorThread(simulator) as running:
        one_sentence(filled(tmp_path, 40_000, "connect", "demo", "--simulator", running.url), "tieout.db")
        assert tieout("connect", "demo", "--simulator", running.url).code == 0


def test_a_pull_goes_on_when_there_is_space_again(project: Run, tmp_path: Path) -> None:
    one_sentence(filled(tmp_path, 300_000, "pull"), "company.duckdb")
    again = project("pull")
    assert again.code == 0, again
    assert "Everything ties out" in again.out


def test_a_push_stopped_between_its_batches_posts_every_record_once(project: Run, tmp_path: Path) -> None:
    """The disk gets a little larger each time, so that it is full at one place of the push after the other."""
    room = (tmp_path / "tieout.db").stat().st_size
    stopped = 0
    while (done := filled(tmp_path, room, "push")).returncode:
        one_sentence(done, "tieout.db")
        stopped += 1
        room += 150_000
    assert stopped > 2
    found = project("query", "customers", "-f", "id", "-w", "id starts with 'N-'", "--limit", "0", "--json").json
    assert Counter(row["id"] for row in found) == {f"N-{number}": 1 for number in range(RECORDS)}
    assert project("push", "--json").json["skipped"] == RECORDS


@pytest.mark.skipif(not DEV_FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["--help"], ["model"], ["model", "vendor"], ["model", "vendor", "--json"]])
def test_output_into_a_full_disk(tmp_path: Path, arguments: list[str]) -> None:
    with DEV_FULL.open("w") as full:
        done = subprocess.run(
            [*COMMAND, *arguments], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 5
    assert done.stderr.splitlines()[0] == "error: The output cannot be written: No space left on device."
    assert len(done.stderr.splitlines()) == 2
