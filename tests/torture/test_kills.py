"""`kill -9` at every named crash point and at random: afterwards each record is in Intacct exactly once, and the copy
agrees with Intacct to the cent.

`make test` runs a short form; `make torture` the long one, and prints how many kills hit each window.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.forks import COMMAND, Forks
from tieout import simulated
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread

pytestmark = pytest.mark.torture

LONG = bool(os.environ.get("TIEOUT_TORTURE"))
ROWS = 600
"""New rows before each kill: two batches of a push."""
REPEATS = 5 if LONG else 1
RANDOM_KILLS = 40 if LONG else 2

PUSH_POINTS = (
    "push.after_ledger_write",
    "push.after_send",
    "push.before_result_commit",
    "push.before_spread_commit",
)
PULL_POINTS = ("pull.before_commit", "pull.after_commit")

PROJECT = """
[pull.customers]
object = "accounts-receivable/customer"

[push.customers]
object = "accounts-receivable/customer"
source = "customers.csv"
id = "Id"

[push.customers.fields]
id = "Id"
name = "Name"
creditLimit = "Limit"
"term.id" = "Term"
"""


class Scene:
    """A company in this process, a project in a folder, and commands run as programs of their own."""

    def __init__(self, folder: Path, simulator: Simulator, url: str, forked: Forks) -> None:
        self.forked = forked
        self.folder = folder
        self.simulator = simulator
        self.kills: Counter[str] = Counter()
        self.rows = 0
        (folder / "tieout.toml").write_text(PROJECT)
        (folder / "customers.csv").write_text("Id,Name,Limit,Term\n")
        assert self.run("connect", "demo", "--simulator", url) == 0

    def more(self) -> None:
        """Add rows to the source; Intacct refuses one of them."""
        new = range(self.rows, self.rows + ROWS)
        with (self.folder / "customers.csv").open("a") as file:
            file.writelines(
                f"{self.id(n)},Customer {n},{n}.50,{'no such term' if n % ROWS == 17 else ''}\n" for n in new
            )
        self.rows += ROWS

    def good(self) -> set[str]:
        return {self.id(n) for n in range(self.rows) if n % ROWS != 17}

    @staticmethod
    def id(number: int) -> str:
        return f"C-{number:06}"

    def run(self, *command: str, crash: str | None = None, after: float | None = None) -> int:
        """Run one command -> its exit code; -9 if it was killed, as asked, at a crash point or after some seconds."""
        environment = {"TIEOUT_CRASH_AT": crash} if crash else {}
        child = self.forked.start(COMMAND, *command, "--quiet", environment=environment, folder=self.folder)
        if after is None:
            code, _ = self.forked.wait(child)
        else:
            time.sleep(after)  # the dice of when it dies; nothing is waited for
            code, _ = self.forked.kill(child)
        if code == -9:
            self.kills[crash or "random"] += 1
        return code

    def answer(self, *command: str) -> object:
        _, said = self.forked.run(COMMAND, *command, "--json", folder=self.folder, apart=True)
        return json.loads(said)

    def ids(self) -> Counter[str]:
        with simulated(simulator=self.simulator) as client:
            return Counter(row.id for row in client.query("customers", ["id"], page_size=4000))


@pytest.fixture
def scene(tmp_path: Path, forked: Forks) -> Iterator[Scene]:
    with Simulator("empty") as simulator, SimulatorThread(simulator) as server:
        yield Scene(tmp_path, simulator, server.url, forked)


def test_killed_pushes_post_every_record_exactly_once(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(REPEATS):
        for point in PUSH_POINTS:
            for visit in (1, 2):
                scene.more()
                scene.run("push", "customers", crash=f"{point}:{visit}")
    dice = random.Random("push")
    for _ in range(RANDOM_KILLS):
        scene.more()
        scene.run("push", "customers", after=dice.uniform(0.0, 1.0))
    assert scene.run("push", "customers") == 1, "the record with an unknown term is refused, everything else is posted"
    held = scene.ids()
    assert set(held) == scene.good()
    assert set(held.values()) == {1}
    report = scene.answer("push", "customers")
    assert isinstance(report, dict)
    assert report["unknown"] == 0
    assert report["skipped"] == len(held), "the ledger knows what the company holds"
    _tell(capsys, "push", scene, PUSH_POINTS)


def test_killed_pulls_lose_and_double_nothing(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    with simulated(simulator=scene.simulator) as client:
        client.create_many("customers", [{"id": Scene.id(n), "name": f"n{n}", "creditLimit": n} for n in range(ROWS)])
        dice = random.Random("pull")
        for _ in range(REPEATS):
            for point in PULL_POINTS:
                for visit in (1, 2):
                    key = str(dice.randrange(1, ROWS))
                    client.update("customers", key, {"name": f"edited {dice.random()}"})
                    scene.run("pull", "customers", crash=f"{point}:{visit}")
        for _ in range(RANDOM_KILLS):
            scene.run("pull", "customers", after=dice.uniform(0.0, 1.0))
        assert scene.run("pull", "customers") == 0
        rows = {row.key: row.name for row in client.query("customers", ["key", "name"], page_size=4000)}
    import duckdb

    with duckdb.connect(str(scene.folder / "company.duckdb"), read_only=True) as copy:
        copied = copy.execute('select "key", "name" from customer').fetchall()
    assert len(copied) == len(rows)
    assert dict(copied) == rows
    assert scene.run("verify", "pull.customers") == 0
    _tell(capsys, "pull", scene, PULL_POINTS)


def _tell(capsys: pytest.CaptureFixture[str], what: str, scene: Scene, points: tuple[str, ...]) -> None:
    hits = {point: sum(n for name, n in scene.kills.items() if name.startswith(point)) for point in points}
    assert all(hits.values()), f"a window was never hit: {hits}"
    if LONG:
        with capsys.disabled():
            print(f"\n{what}: kills {hits | {'random': scene.kills['random']}}")
