"""A pull that is killed again and again while people add, change and delete records and Intacct fails in every way it
can: in the end the copy is the company, row by row.

`make test` runs a short form; `make torture` the long one, into each destination.
"""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.forks import Forks
from tests.simulator.browser import control
from tieout import Intacct, simulated
from tieout.project import Project
from tieout.pull.destinations.base import Destination
from tieout.pull.destinations.open import open_destination
from tieout.pull.destinations.parquet import ParquetFolder
from tieout.pull.run import pull
from tieout.pull.sources import Source
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread
from tieout.simulator.http import Request

pytestmark = pytest.mark.torture

LONG = bool(os.environ.get("TIEOUT_TORTURE"))
RECORDS = 400 if LONG else 40
RUNS = 120 if LONG else 6
WINDOWS = ("pull.page_taken", "pull.before_commit", "pull.after_commit", "random", "none")
"""Where it is killed, in turn."""
QUERY = "/services/core/query"
FAULTS: tuple[dict[str, Any], ...] = (
    {"connection": "reset"},
    {"connection": "reset", "when": "after"},
    {"status": 429, "headers": {"Retry-After": "0"}},
    {"status": 500},
    {"status": 504, "html": True},
    {"status": 401},
    {"cut": -20},
)
"""What befalls one query in some, each kind by itself."""

PROJECT = "".join(
    f"[pull.{name}]\nobject = '{name}'\npage_size = 20\nlookback = '0'\ndestination = 'DESTINATION'\n"
    for name in ("vendors", "timesheets")
)
PROGRAM = """
import sys
from datetime import timedelta
import msgspec
from tieout.pull.destinations.duckdb import DuckFile
from tieout.pull.destinations.parquet import ParquetFolder
from tieout.pull.destinations.postgres import PostgresSchema
from tieout.pull.destinations.sqlite import SqliteFile
from tieout.pull.reading import clock
from tieout.rest import attempt
attempt.FIRST_WAIT, attempt.LONGEST_WAIT = 0.001, 0.02
clock.OVERLAP = timedelta(seconds=2)
for kind in (DuckFile, ParquetFolder, PostgresSchema, SqliteFile):
    kind.takes = msgspec.structs.replace(kind.takes, commit_rows=45, idle_rows=min(kind.takes.idle_rows, 20))
from tieout.cli.main import main
sys.exit(main())
"""
"""The command line, impatient, committing every few rows, and with no more overlap than whole seconds need."""


class Scene:
    def __init__(self, folder: Path, company: Simulator, url: str, forked: Forks, destination: str) -> None:
        self.folder, self.company, self.forked = folder, company, forked
        self.dice, self.dice_of_people = random.Random("pull"), random.Random("people")
        self.kills: Counter[str] = Counter()
        (folder / "tieout.toml").write_text(PROJECT.replace("DESTINATION", destination))
        self.destination = open_destination(folder, destination)
        self.edits = 0
        with simulated(simulator=company) as client:
            client.create_many("vendors", [{"id": f"V{n:04}", "name": f"vendor {n}"} for n in range(RECORDS)])
            client.create_many("timesheets", [sheet(n) for n in range(RECORDS // 2)], check=False)
            self.keys = {
                object: [row.key for row in client.query(object, ["key"], private=True)]
                for object in ("vendors", "timesheets")
            }
        assert self.run("connect", "demo", "--simulator", url)[0] == 0

    def start(self, *command: str, crash: str = "") -> int:
        environment = {"TIEOUT_CRASH_AT": crash} if crash else {}
        return self.forked.start(PROGRAM, *command, "--quiet", environment=environment, folder=self.folder)

    def run(self, *command: str, crash: str = "") -> tuple[int, str]:
        code, said = self.forked.wait(self.start(*command, crash=crash))
        assert "Traceback" not in said, said
        return code, said

    def pull(self, window: str) -> None:
        """Pull once, and kill it there."""
        command = ("pull", "--no-tie-out", *(["--full"] if self.dice.random() < 0.2 else []))
        if window == "random":
            child = self.start(*command)
            threading.Event().wait(self.dice.uniform(0.02, 0.4))  # the dice of when it dies; nothing is waited for
            code, said = self.forked.kill(child)
        else:
            crash = f"{window}:{self.dice.randint(1, 4)}" if window != "none" else ""
            code, said = self.run(*command, crash=crash)
        assert code in (0, 1, 3, 4, -9), said
        self.kills[window] += code == -9

    @contextmanager
    def people(self) -> Iterator[None]:
        """At work until the end of the block."""
        end = threading.Event()

        def work() -> None:
            with simulated(simulator=self.company) as client:
                while not end.wait(0.02):
                    self._edit(client)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()

    def _edit(self, client: Intacct) -> None:
        self.edits += 1
        dice = self.dice_of_people
        object = dice.choice(["vendors", "timesheets"])
        keys, what = self.keys[object], dice.random()
        if what < 0.35 or len(keys) < RECORDS // 4:
            body = {"id": f"N{self.edits:05}", "name": "new"} if object == "vendors" else sheet(self.edits)
            keys.append(client.create(object, body, check=False).key)
        elif what < 0.85:
            field = "name" if object == "vendors" else "description"
            client.update(object, dice.choice(keys), {field: f"edit {self.edits}"})
        else:
            client.delete(object, keys.pop(dice.randrange(len(keys))))

    def faults(self) -> None:
        for number, fault in enumerate(FAULTS):
            control(self.company, "faults", {"path": QUERY, "probability": 0.02, "seed": number + 1} | fault)

    def fair_weather(self) -> list[int]:
        """No faults any more -> how often each of them struck."""
        struck = [fault["hits"] for fault in control(self.company, "faults")["faults"]]
        self.company.handle(Request.of("DELETE", "/_simulator/faults"))
        return struck

    def compare(self, *, deleted: bool) -> None:
        """The copy with one that is made now, undisturbed, column by column; and names with what Intacct says."""
        fresh = Project(self.folder, self.folder / "none.toml", "")
        url = f"duckdb:///fresh{self.edits}{deleted}.duckdb"
        with simulated(simulator=self.company) as client:
            source = Source(client, "demo")
            pull(fresh, objects=["vendors", "timesheets"], destination=url, source=source)
            names = {row.key: row.name for row in client.query("vendors", ["key", "name"], private=True)}
        theirs = open_destination(self.folder, url)
        for table in ("vendor", "timesheet", "timesheet_line"):
            wanted, had = rows(theirs, table), rows(self.destination, table)
            missing = wanted.keys() - had.keys()
            extra = had.keys() - wanted.keys() if deleted else set()
            differ = {
                (key, path): (had[key][path], value)
                for key in wanted.keys() & had.keys()
                for path, value in wanted[key].items()
                if had[key][path] != value
            }
            assert (missing, extra, differ) == (set(), set(), {}), table
        assert {key: row["name"] for key, row in rows(theirs, "vendor").items()} == names


def sheet(number: int) -> dict[str, Any]:
    days = range(1 + number % 3)
    lines = [{"entryDate": f"2026-11-{16 + day}", "quantity": f"{day + 1}.25"} for day in days]
    return {"description": f"sheet {number}", "beginDate": "2026-11-16", "lines": lines}


def rows(destination: Destination, table: str) -> dict[str, dict[str, Any]]:
    state = destination.state(table)
    assert state is not None
    columns = sorted((c for c in state.columns if c.path != "href"), key=lambda c: c.path)
    return destination.rows(table, [key for lot in destination.keys(table) for key in lot], columns)


DESTINATIONS = ["duckdb", "sqlite", "postgresql", "parquet"] if LONG else ["duckdb"]


@pytest.fixture
def scene(tmp_path: Path, forked: Forks, request: pytest.FixtureRequest) -> Iterator[Scene]:
    kind = request.param
    url = request.getfixturevalue("postgres_url") if kind == "postgresql" else f"{kind}:///company.{kind}"
    with Simulator("empty") as company, SimulatorThread(company) as server:
        yield Scene(tmp_path, company, server.url, forked, url)


@pytest.mark.parametrize("scene", DESTINATIONS, indirect=True)
def test_killed_everywhere_while_everything_changes_and_fails(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.faults()
    with scene.people():
        for number in range(RUNS):
            scene.pull(WINDOWS[number % len(WINDOWS)])
            if number % 10 == 9 and isinstance(
                scene.destination, ParquetFolder
            ):  # commits of a few rows make many files
                code, said = scene.run("compact")
                assert code == 0, said
    struck = scene.fair_weather()
    code, said = scene.run("pull", "--no-tie-out")
    assert code == 0, said
    scene.compare(deleted=False)  # what was deleted is found by a read of everything
    code, said = scene.run("pull", "--full", "--allow-deletes")  # people may well have deleted more than a fifth
    assert code == 0, said
    scene.compare(deleted=True)
    assert scene.edits > RUNS
    assert sum(scene.kills.values()) >= RUNS // 4, scene.kills
    if LONG:
        with capsys.disabled():
            print(f"\n{scene.edits:,} edits, kills {dict(scene.kills)}, faults {sum(struck)} {struck}")
