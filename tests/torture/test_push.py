"""A push that is killed again and again while Intacct fails in every way it can: in the end the company holds each
good record exactly once, the ledger agrees with it record by record, and each bad one is listed with its reason.

`make test` runs a short form; `make torture` the long one: 10,000 records, 200 kills; it says how many hit each window.
"""

from __future__ import annotations

import json
import os
import random
import threading
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.forks import Forks
from tests.simulator.browser import control
from tieout import simulated
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread
from tieout.simulator.http import Request, Response
from tieout.store import open_store
from tieout.store.ledger import Scope

pytestmark = pytest.mark.torture

LONG = bool(os.environ.get("TIEOUT_TORTURE"))
RECORDS, BATCH = (10_000, 25) if LONG else (300, 10)
KILLS = 200 if LONG else 20
LATENCY = ("50", "200") if LONG else ("1", "4")
WINDOWS = (
    "push.after_ledger_write",
    "push.after_send",
    "before the answer",
    "push.before_result_commit",
    "random",
)
"""Where it is killed, in turn, while there is something to send. `before the answer`: Intacct has done the work, and
its answer is not out yet."""

SPREAD = "push.before_spread_commit"
LATE = 2 * BATCH
"""Records that the source gets when all those kills are over: the last one is at the end of a sending."""
PROJECT = f"""
[push.times]
object = "timesheets"
source = "times.csv"
id = "Entry"
group_by = "Sheet"
batch_size = {BATCH}
[push.times.fields]
description = "Sheet"
beginDate = {{ constant = "2026-11-16" }}
"lines.entryDate" = "Day"
"lines.quantity" = "Hours"
"lines.dimensions.project.id" = "Project"
"""
"""Timesheets have no business id: a second posting is not refused, it is there twice."""

PROGRAM = """
import sys
from tieout.rest import attempt
attempt.FIRST_WAIT, attempt.LONGEST_WAIT = 0.001, 0.02
from tieout.cli.main import main
sys.exit(main())
"""
"""The command line, impatient: how long it waits between attempts is not what is tried here."""

SHEETS = "/objects/time/timesheet"
FAULTS: tuple[dict[str, Any], ...] = (
    {"connection": "reset"},
    {"connection": "reset", "when": "after"},
    {"connection": "hang", "cap": 0.2},
    {"connection": "hang", "cap": 0.2, "when": "after"},
    {"status": 429, "headers": {"Retry-After": "0"}},
    {"status": 500},
    {"status": 500, "when": "after"},
    {"html": True},
    {"fail_items": [0, -1], "item_status": 503},
    {"status": 409, "body": {"ia::result": {"ia::error": {"code": "conflict", "message": "in progress"}}}},
    {"status": 401},
    {"drop_items": 1},
    {"cut": -20},
)
"""What befalls one request in some, each kind by itself."""


class Company(Simulator):
    """Holds the answer to one batch back, after its work is done, until somebody has died of it."""

    def __init__(self) -> None:
        super().__init__("empty", switches={"latency_from": LATENCY[0], "latency_to": LATENCY[1]})
        self.hold = threading.Event()
        self.held = threading.Event()
        self.go_on = threading.Event()

    def exchange(self, request: Request) -> Generator[float, None, Response]:
        response = yield from super().exchange(request)
        if self.hold.is_set() and request.method == "POST" and "/".join(request.segments).endswith(SHEETS):
            self.hold.clear()
            self.held.set()
            while not self.go_on.is_set():
                yield 0.01
        return response


class Scene:
    def __init__(self, folder: Path, company: Company, url: str, forked: Forks, state: str) -> None:
        self.folder, self.company, self.forked, self.state = folder, company, forked, state
        self.kills: Counter[str] = Counter()
        self.dice = random.Random(f"push {state[:6]}")
        (folder / "tieout.toml").write_text(PROJECT)
        assert self.run("connect", "demo", "--simulator", url) == 0

    def write(self, records: int) -> None:
        """The source, with so many of its records."""
        with (self.folder / "times.csv").open("w") as file:
            file.write("Entry,Sheet,Day,Hours,Project\n")
            for number in range(records):
                bad = number % 50 == 7
                for line in range(1 + number % 3):
                    file.write(
                        f"{number}-{line},S{number:05},2026-11-{16 + line},{1 + line}.25,{'NONE' if bad else ''}\n"
                    )

    @staticmethod
    def good() -> set[str]:
        return {f"S{number:05}" for number in range(RECORDS) if number % 50 != 7}

    @staticmethod
    def bad() -> set[str]:
        return {f"S{number:05}" for number in range(RECORDS) if number % 50 == 7}

    def start(self, *command: str, crash: str = "") -> int:
        environment = {"TIEOUT_STATE_URL": self.state} | ({"TIEOUT_CRASH_AT": crash} if crash else {})
        return self.forked.start(PROGRAM, *command, "--quiet", environment=environment, folder=self.folder)

    def run(self, *command: str, crash: str = "") -> int:
        code, said = self.forked.wait(self.start(*command, crash=crash))
        assert "Traceback" not in said, said
        return code

    def kill(self, window: str) -> bool:
        """Push once, and kill it there -> whether it came so far."""
        if window == "before the answer":
            return self._kill_before_the_answer()
        if window == "random":
            child = self.start("push", "times")
            threading.Event().wait(self.dice.uniform(0.05, 1.0))  # the dice of when it dies; nothing is waited for
            code, _ = self.forked.kill(child)
        else:
            visit = 1 if window == SPREAD else self.dice.randint(1, 3)  # it comes once in a run
            code = self.run("push", "times", crash=f"{window}:{visit}")
        self.kills[window] += code == -9
        return code == -9

    def _kill_before_the_answer(self) -> bool:
        company = self.company
        company.held.clear()
        company.go_on.clear()
        company.hold.set()
        child = self.start("push", "times")
        came = company.held.wait(10)
        company.hold.clear()
        code, _ = self.forked.kill(child)
        company.go_on.set()
        self.kills["before the answer"] += came and code == -9
        return came

    def faults(self) -> None:
        for number, fault in enumerate(FAULTS):
            rule = {"path": SHEETS, "method": "POST", "probability": 0.04, "seed": number + 1} | fault
            control(self.company, "faults", rule)

    def fair_weather(self) -> list[int]:
        """No faults any more -> how often each of them struck."""
        struck = [fault["hits"] for fault in control(self.company, "faults")["faults"]]
        self.company.handle(Request.of("DELETE", "/_simulator/faults"))
        return struck

    def held_by_company(self) -> dict[str, list[str]]:
        """Description -> the keys of the timesheets that have it."""
        found: dict[str, list[str]] = {}
        with simulated(simulator=self.company) as client:
            for row in client.query("timesheets", ["key", "description"], page_size=4000, private=True):
                found.setdefault(row.description, []).append(row.key)
        return found

    def assert_all_is_well(self) -> None:
        held = self.held_by_company()
        assert {name: len(keys) for name, keys in held.items() if len(keys) > 1} == {}, "posted twice"
        assert set(held) == self.good()
        ledger = self.ledger()
        posted = {name: key for name, (state, key, _) in ledger.items() if state == "posted"}
        assert posted == {name: keys[0] for name, keys in held.items()}, "the ledger agrees record by record"
        left = {name: (state, error) for name, (state, _, error) in ledger.items() if state != "posted"}
        assert set(left) == self.bad()
        assert {state for state, _ in left.values()} <= {"failed", "held"}
        assert all("NONE" in error for _, error in left.values()), "the right reason"

    def ledger(self) -> dict[str, tuple[str, str | None, str]]:
        from sqlalchemy import select

        from tieout.store.ledger_tables import push_records

        columns = push_records.c
        scope = Scope(company="demo", environment="simulator", entity="", push="times")
        with open_store(self.state) as store, store.read() as connection:
            rows = connection.execute(select(push_records).where(columns.push == scope.push, columns.step == 0)).all()
        return {row.source_id: (row.state, row.sage_key, row.error or "") for row in rows}


@pytest.fixture
def scene(tmp_path: Path, forked: Forks, state_url: str) -> Iterator[Scene]:
    with Company() as company, SimulatorThread(company) as server:
        yield Scene(tmp_path, company, server.url, forked, state_url)
        company.go_on.set()


def test_killed_in_every_window_while_everything_fails(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.write(RECORDS - LATE)
    scene.faults()
    for number in range(KILLS):
        scene.kill(WINDOWS[number % len(WINDOWS)])
    struck = scene.fair_weather()
    scene.write(RECORDS)
    assert scene.kill(SPREAD), "at the end of a sending, before posted records have rows"
    assert scene.run("push", "times") == 1, "the bad ones are listed"
    missed = [window for window in WINDOWS if not scene.kills[window]]
    scene.assert_all_is_well()
    assert not missed, scene.kills
    assert sum(bool(times) for times in struck) >= (len(FAULTS) if LONG else 5), struck
    if LONG:
        with capsys.disabled():
            print(f"\n{scene.state.partition(':')[0]}: kills {dict(scene.kills)}, faults {sum(struck)} {struck}")


def test_four_programs_push_the_same_source_at_once(scene: Scene) -> None:
    scene.write(RECORDS)
    scene.faults()
    codes: list[int] = []
    for round_ in range(8 if LONG else 3):
        children = [scene.start("push", "times", crash=f"{WINDOWS[round_ % 2]}:2" if n == 3 else "") for n in range(4)]
        codes += [scene.forked.wait(child)[0] for child in children]
    assert set(codes) <= {0, 1, 4, 6, -9}, codes
    scene.fair_weather()
    assert scene.run("push", "times") == 1
    scene.assert_all_is_well()
    report = json.loads(scene.forked.wait(scene.start("failed", "times", "--json"))[1])
    assert {record["source_id"] for record in report} == scene.bad()
