"""A sweep keeps everything alive that nothing else uses, whatever fails, and renews nothing twice."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update

from tests.connections.support import Wire, register, sign_in
from tests.simulator.browser import Application
from tieout.connections import Connections, Swept, rows
from tieout.connections.requests import search
from tieout.errors import ConfigurationError
from tieout.simulator import Simulator
from tieout.store.access_tables import connections as connection_rows
from tieout.store.access_tables import grants, slots, tokens

LIFE = 43_200.0
LONG = bool(os.environ.get("TIEOUT_TORTURE"))


class Estate:
    """Many owners' connections in several companies, and a clock for them and the simulator."""

    def __init__(self, connections: Connections, wire: Wire, simulator: Simulator) -> None:
        self._ahead = 0.0
        self.wire, self.simulator = wire, simulator
        self.connections = Connections(connections.store, connections.vault, now=lambda: time.time() + self._ahead)
        register(self.connections)

    def advance(self, seconds: float) -> None:
        self._ahead += seconds
        self.simulator.clock.advance(seconds)

    def fill(self, companies: int, users: int) -> None:
        """An owner for each company, whose users are connections by sign-in."""
        for number in range(companies):
            company = f"c{number}"
            self.simulator.add_company(company)
            for user in (f"u{each}" for each in range(users)):
                self.simulator.company(company).add_user(user)
                sign_in(self.connections, self.simulator, user, user, company=company, owner=f"owner-{number}")
        self.wire.fetched = 0

    def sweep(self, owner: str | None = None, **options: Any) -> Swept:
        return self.connections.sweep(owner, transport=self.wire.transport, **options)

    def change(self, company: str, user: str, **values: Any) -> None:
        with self.connections.store.begin() as transaction:
            wanted = (grants.c.company == company, grants.c.user_id == user)
            transaction.execute(update(grants).where(*wanted).values(**values))

    def still_due(self) -> int:
        with self.connections.store.read() as transaction:
            now = time.time() + self._ahead
            return len(transaction.execute(select(tokens).where(tokens.c.expires_at < now + 3600)).all())


@pytest.fixture
def estate(connections: Connections, wire: Wire, simulator: Simulator) -> Estate:
    return Estate(connections, wire, simulator)


def counts(swept: Swept) -> tuple[int, int, int, int]:
    return swept.refreshed, swept.fresh, len(swept.failed), swept.skipped


def test_what_is_due_is_renewed_once_and_the_rest_left_alone(estate: Estate) -> None:
    companies, users = (200, 5) if LONG else (6, 2)
    estate.fill(companies, users)
    total = companies * users
    assert counts(estate.sweep()) == (0, total, 0, 0)
    estate.advance(LIFE - 1800)
    told: list[tuple[int, int]] = []
    assert counts(estate.sweep(progress=lambda *how_far: told.append(how_far))) == (total, 0, 0, 0)
    assert (estate.wire.fetched, estate.still_due(), told[-1]) == (total, 0, (total, total))
    assert counts(estate.sweep()) == (0, total, 0, 0)
    assert estate.wire.fetched == total


def test_what_each_company_was_asked_is_in_the_log_of_requests(estate: Estate) -> None:
    estate.fill(3, 2)
    estate.advance(LIFE + 60)
    estate.sweep()
    logged = search(estate.connections.store)
    assert sorted(each.company for each in logged) == ["c0", "c0", "c1", "c1", "c2", "c2"]
    assert {each.status for each in logged} == {200}


def test_only_the_owner_asked_for_is_swept(estate: Estate) -> None:
    estate.fill(2, 2)
    estate.advance(LIFE)
    assert counts(estate.sweep("owner-1")) == (2, 0, 0, 0)
    assert counts(estate.sweep("nobody")) == (0, 0, 0, 0)
    assert estate.still_due() == 2


def test_two_sweeps_at_once_renew_nothing_twice(estate: Estate) -> None:
    estate.fill(3, 3)
    estate.advance(LIFE + 60)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: estate.sweep(), range(2)))
    assert sum(each.refreshed for each in both) == estate.wire.fetched == 9
    assert all(not each.failed for each in both)


def test_a_failure_is_told_and_stops_nothing_else(estate: Estate) -> None:
    estate.fill(3, 1)
    Application(estate.simulator, company="c1", user="u0").authorized()
    estate.advance(LIFE + 60)
    swept = estate.sweep()
    assert counts(swept) == (2, 0, 1, 0)
    (failed,) = swept.failed
    assert (failed.owner, failed.company, failed.connections) == ("owner-1", "c1", ("u0",))
    assert "was ended outside this installation" in failed.why
    assert "tieout connect u0" in failed.why
    assert counts(estate.sweep()) == (0, 2, 0, 1)


def test_a_failure_that_a_valid_token_covers_is_told_too(estate: Estate) -> None:
    estate.fill(1, 1)
    estate.advance(LIFE - 1800)
    estate.wire.broken = True
    swept = estate.sweep()
    assert counts(swept) == (0, 0, 1, 0)
    assert counts(estate.sweep()) == (0, 0, 0, 1)  # it rests


def test_a_grant_that_another_program_is_at_is_skipped(estate: Estate) -> None:
    estate.fill(1, 1)
    estate.advance(LIFE - 1800)
    estate.change("c0", "u0", lease_holder="other", lease_until=time.time() + 600)
    assert counts(estate.sweep()) == (0, 0, 0, 1)
    assert estate.wire.fetched == 0


def test_every_level_that_a_connection_uses_is_swept(estate: Estate) -> None:
    estate.fill(1, 1)
    with estate.connections.store.begin() as transaction:
        grant = transaction.execute(select(grants.c.id)).scalar_one()
        row = transaction.execute(select(tokens)).one()._mapping
        transaction.execute(tokens.insert().values({**row, "level": "once"}))
    made = sign_in(estate.connections, estate.simulator, "other", "u0", company="c0", owner="owner-0").connection
    assert made.grant_id == grant
    with estate.connections.store.begin() as transaction:
        rows.keep(transaction, msgspec.structs.replace(made, entity="E110", level="E110"), new=False)
    estate.advance(LIFE + 60)
    assert counts(estate.sweep()) == (2, 0, 0, 0)  # a level that was used once is not kept alive


def test_a_refresh_token_is_used_before_it_is_too_old(estate: Estate) -> None:
    """Nothing else uses it: its token lives for long, or no connection borrows its grant."""
    estate.simulator.settings.set({"token_lifetime": 100 * 86_400, "refresh_token_lifetime": 180 * 86_400})
    estate.fill(2, 1)
    estate.connections.prepare(
        "promised", company="c1", owner="owner-1", base_url=estate.wire.origin, environment="simulator"
    )
    with estate.connections.store.begin() as transaction:
        transaction.execute(connection_rows.delete().where(connection_rows.c.owner == "owner-1"))
    assert counts(estate.sweep()) == (0, 1, 0, 0)
    for _ in range(8):
        estate.advance(31 * 86_400)
        assert counts(estate.sweep()) == (2, 0, 0, 0)
    assert counts(estate.sweep()) == (0, 1, 0, 0)


def test_a_sweep_keeps_within_the_companys_slots(estate: Estate) -> None:
    """Another program holds them all until we let it go."""
    estate.fill(1, 1)
    estate.advance(LIFE + 60)
    with estate.connections.store.read() as transaction:
        place = transaction.execute(select(grants.c.place)).scalar_one()
    other = {"holder": "other", "place": place, "company_key": "c0", "wanted": 6, "held": 6, "most": 6}
    beat = {"host": "elsewhere", "pid": 1, "since": 0.0, "heard_at": time.time() + 600}
    with estate.connections.store.begin() as transaction:
        transaction.execute(slots.insert().values(other | beat))
    done: list[Swept] = []
    sweeping = threading.Thread(target=lambda: done.append(estate.sweep()))
    sweeping.start()
    sweeping.join(0.5)
    assert (done, estate.wire.fetched) == ([], 0)
    with estate.connections.store.begin() as transaction:
        transaction.execute(slots.delete().where(slots.c.holder == "other"))
    sweeping.join()
    assert counts(done[0]) == (1, 0, 0, 0)


def test_a_sweep_far_ahead_is_refused(estate: Estate) -> None:
    with pytest.raises(ConfigurationError, match="at most 6 hours"):
        estate.sweep(before=7 * 3600)
