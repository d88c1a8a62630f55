"""Many programs over one state database share grants through many expiries, and are killed: one refresh for each grant,
level and expiry, no call fails, none is made with a stale token, and no grant dies that could be saved."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import struct
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update

from tests.connections.support import register, sign_in
from tests.forks import Forks
from tieout.connections import Connections, Vault, rows
from tieout.connections.keys import Keys
from tieout.connections.rows import Connection
from tieout.errors import TieoutError
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread
from tieout.simulator.http import Request, Response
from tieout.simulator.requestlog import Entry
from tieout.store import open_store
from tieout.store.access_tables import grants
from tieout.store.crashpoints import VARIABLE

LONG = bool(os.environ.get("TIEOUT_TORTURE"))
LIFE = 43_200.0

pytestmark = pytest.mark.torture


class Gate(Simulator):
    """A simulator that keeps a token request from Intacct (`hold` is "request"), or the answer from the one who asked
    ("answer"), until nobody holds it any more; a request that was kept is then lost."""

    def __init__(self) -> None:
        super().__init__("empty", switches={"rotation": "strict"})
        self.hold = ""
        self.held, self.answered = threading.Event(), threading.Event()

    def exchange(self, request: Request) -> Generator[float, None, Response]:
        hold = self.hold if request.segments[-1:] == ("token",) else ""
        if hold == "answer":
            response = yield from super().exchange(request)
            self.answered.set()
        if hold:
            self.held.set()
            while self.hold:
                yield 0.02
        if hold == "request":
            return Response(503, {}, b"")
        return response if hold else (yield from super().exchange(request))


class World:
    """A simulator behind a port whose sign-ins kill and whose refresh tokens work once, a state database, a clock."""

    def __init__(self, gate: Gate, server: SimulatorThread, url: str, folder: Path, forked: Forks) -> None:
        self.forked = forked
        self.simulator = gate
        self.url, self.folder, self.server = url, folder, server
        self.clock = folder / "clock"
        self._ahead = 0.0
        self.advance(0)
        self.store = open_store(url)
        self.connections = Connections(self.store, Vault(Keys(folder)), now=lambda: time.time() + self._ahead)
        register(self.connections)
        self._lock = threading.Lock()
        self.asked: Counter[tuple[str, int]] = Counter()
        """Requests by `token` or `call` and status; pages of a sign-in are not counted."""
        self.total: Counter[tuple[str, int]] = Counter()
        self.simulator.traffic.log.listen(self._note)

    def _note(self, entry: Entry) -> None:
        if (is_token := entry.path.endswith("/token")) or "/objects/" in entry.path:
            with self._lock:
                self.asked["token" if is_token else "call", entry.status] += 1

    def advance(self, seconds: float) -> None:
        self._ahead += seconds
        self.simulator.clock.advance(seconds)
        draft = self.clock.with_suffix(".new")
        draft.write_bytes(struct.pack("d", self._ahead))
        draft.replace(self.clock)

    def connect(self, count: int, companies: int = 1) -> list[list[str]]:
        """Connections of so many users, each at the top level and at an entity's level, by company."""
        names: list[list[str]] = []
        for number in range(companies):
            company = f"company{number}"
            self.simulator.add_company(company)
            names.append([])
            for user in (f"user{number}-{each}" for each in range(count // companies)):
                self.simulator.company(company).add_user(user)
                made = self.sign_in(user)
                level = msgspec.structs.replace(
                    made, id=rows.new_id(), name=f"{user}-E110", entity="E110", level="E110"
                )
                with self.store.begin() as transaction:
                    rows.keep(transaction, level, new=True)
                names[-1] += [made.name, level.name]
        self.asked.clear()
        return names

    def sign_in(self, user: str) -> Connection:
        """As often as one likes: the connection is called as its user."""
        company = "company" + user.removeprefix("user").partition("-")[0]
        return sign_in(self.connections, self.simulator, user, user, origin=self.server.url, company=company).connection

    def start(self, names: list[list[str]], **environment: str) -> int:
        told = ";".join(",".join(company) for company in names)
        return self.forked.start(
            "from tests.torture.users import main; main()",
            *(self.url, self.folder, self.clock, told),
            environment=environment,
        )

    def use(self, names: list[str]) -> set[str]:
        """Use connections after all who held a lease are gone -> what came: good, in doubt, another error."""
        with self.store.begin() as transaction:
            transaction.execute(update(grants).values(lease_until=0.0))
        found = set()
        for name in names:
            with self.connections.open(name) as client:
                try:
                    client.references("company-config/entity")
                    found.add("good")
                except TieoutError as error:
                    found.add("in doubt" if "in doubt" in str(error) else str(error))
        return found

    def grants(self) -> list[Any]:
        with self.store.read() as transaction:
            return list(transaction.execute(select(grants).order_by(grants.c.user_id)))


@pytest.fixture
def world(state_url: str, tmp_path: Path, forked: Forks) -> Iterator[World]:
    with Gate() as simulator, SimulatorThread(simulator) as server:
        made = World(simulator, server, state_url, tmp_path, forked)
        try:
            yield made
        finally:
            made.store.close()


@contextlib.contextmanager
def running(world: World, names: list[list[str]], programs: int) -> Iterator[list[int]]:
    """So many programs, ready; killed in the end."""
    children = [world.start(names) for _ in range(programs)]
    try:
        assert {world.forked.heard(child) for child in children} == {"ready"}
        yield children
    finally:
        for child in children:
            world.forked.kill(child)


def test_one_refresh_for_each_grant_level_and_expiry(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """In between a user signs in anew, twice: before an expiry, and while all programs are at work."""
    programs, users, expiries, companies = (50, 20, 200, 10) if LONG else (6, 4, 4, 2)
    names = world.connect(users, companies)
    levels, began = 2 * users, time.monotonic()
    calls_each_round = programs * levels // companies
    with running(world, names, programs) as children:
        # The entities' levels have no token yet: the first round fetches it.
        for round_ in range(expiries + 1):
            if round_:
                world.advance(LIFE + 3600 if round_ % 2 else LIFE - 60)  # expired, or due but valid
            for number, child in enumerate(children):
                world.forked.say(child, str((number + round_) % companies))
            if round_ == expiries // 2:
                world.sign_in("user0-0")
            assert {world.forked.heard(child) for child in children} == {"good"}
            if round_ == expiries // 2:
                assert_nearly(world, levels, calls_each_round)
            else:
                refreshes = levels if round_ else levels // 2
                if round_ and round_ % 2 == 0:
                    # Still valid, a token is used on while another level of its grant is refreshed, so that it may be
                    # refreshed at its expiry only.
                    refreshes = min(refreshes, world.asked["token", 200])
                assert world.asked == Counter({("token", 200): refreshes, ("call", 200): calls_each_round})
            world.total += world.asked
            world.asked.clear()
    assert {row.state for row in world.grants()} == {"active"}
    if LONG:
        with capsys.disabled():
            print(f"\n{world.store.dialect}: {dict(world.total)} in {time.monotonic() - began:.0f} s")


def assert_nearly(world: World, levels: int, calls: int) -> None:
    """Of a round in which a user signed in anew: a refresh may have been sent with the token that it killed."""
    assert levels - 2 <= world.asked["token", 200] - 1 <= levels + 2
    assert world.asked["token", 400] <= 2
    assert world.asked["call", 200] == calls
    assert world.asked["call", 401] == 0


@pytest.mark.parametrize(
    ("point", "rotation", "ends"),
    [
        ("refresh.before", "strict", "active"),
        ("refresh.marked", "strict", "active"),
        ("refresh.answered", "strict", "doubt"),
        ("refresh.commit", "strict", "doubt"),
        ("refresh.answered", "lenient", "active"),
        ("refresh.commit", "lenient", "active"),
    ],
)
def test_killed_at(world: World, point: str, rotation: str, ends: str) -> None:
    """Only a kill between Intacct's answer and the commit may cost the grant, and only where Intacct is strict."""
    world.simulator.settings.set({"rotation": rotation})
    names = world.connect(1)
    world.advance(LIFE + 60)
    name = names[0][0]
    child = world.start([[name]], **{VARIABLE: point})
    assert world.forked.heard(child) == "ready"
    world.forked.say(child, "0")
    code, said = world.forked.wait(child)
    assert code == -signal.SIGKILL, said
    assert (world.grants()[0].sent_at is None) == (point == "refresh.before")
    assert world.use([name]) == ({"good"} if ends == "active" else {"in doubt"})
    assert world.grants()[0].state == ends


@pytest.mark.parametrize(
    ("hold", "rotation", "ends"),
    [("request", "strict", "active"), ("answer", "lenient", "active"), ("answer", "strict", "doubt")],
)
def test_killed_while_a_refresh_is_on_its_way(world: World, hold: str, rotation: str, ends: str) -> None:
    """There and back. Only an answer that was on its way back can cost the grant."""
    gate = world.simulator
    gate.settings.set({"rotation": rotation})
    names = world.connect(1)
    world.advance(LIFE + 60)
    gate.hold = hold
    child = world.start(names)
    assert world.forked.heard(child) == "ready"
    world.forked.say(child, "0")
    assert gate.held.wait(60)
    world.forked.kill(child)
    gate.hold = ""
    assert gate.answered.is_set() == (hold == "answer")
    assert world.grants()[0].sent_at is not None
    assert world.use(names[0]) == ({"good"} if ends == "active" else {"in doubt"})
    assert world.grants()[0].state == ends


@pytest.mark.parametrize("rotation", ["strict", "lenient"])
def test_killed_at_any_moment(world: World, rotation: str) -> None:
    """A grant is lost only where Intacct refreshed it once more than was stored, and is strict."""
    world.simulator.settings.set({"rotation": rotation})
    names = world.connect(3)
    for _ in range(40 if LONG else 2):
        children = [world.start(names) for _ in range(3)]
        assert {world.forked.heard(child) for child in children} == {"ready"}
        world.advance(LIFE + 60)
        for child in children:
            world.forked.say(child, "0")
        time.sleep(random.random() * 0.4)  # the dice of when they die; nothing is waited for
        for child in children:
            world.forked.kill(child)
        world.use(names[0])
        stored = sum(entry.what == "refreshed" for entry in world.connections.audit.entries())
        states = Counter(row.state for row in world.grants())
        assert set(states) <= {"active", "doubt"}
        assert states["doubt"] <= (world.asked["token", 200] - stored if rotation == "strict" else 0)
