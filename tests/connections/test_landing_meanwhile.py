"""Sign-ins that land where something else happened meanwhile, or that only words say whose they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from tests.connections.support import BOTH, one_database, register, sign_in, signed_in
from tieout.connections import Connection, Connections
from tieout.errors import NotAuthorisedError
from tieout.rest.tokens import Grant
from tieout.simulator import Simulator
from tieout.store.access_tables import data_keys, grants, owners

OPAQUE = Grant("an-opaque-token", 21600, "an-opaque-refresh-token")


@pytest.fixture
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return one_database(request, tmp_path)


@pytest.fixture(autouse=True)
def app(connections: Connections) -> None:
    register(connections)


def prepared(connections: Connections, simulator: Simulator, name: str, **options: str) -> Connection:
    return connections.prepare(name, base_url=simulator.origin, environment="simulator", **options)


def secrets_of(connections: Connections, owner: str) -> list[tuple[bytes, int]]:
    with connections.store.read() as transaction:
        found = transaction.execute(select(grants).where(grants.c.owner == owner))
        return [(row.refresh_token_sealed, row.version) for row in found]


def rows_of(connections: Connections, owner: str) -> list[int]:
    with connections.store.read() as transaction:
        counts = [select(func.count()).where(table.c.owner == owner) for table in (grants, data_keys)]
        counts.append(select(func.count()).where(owners.c.id == owner))
        return [transaction.execute(count).scalar_one() for count in counts]


def test_who_only_says_that_he_is_another_owner_s_user_changes_nothing_of_theirs(
    connections: Connections, simulator: Simulator
) -> None:
    sign_in(connections, simulator, "us", "us", owner="victim")
    before = secrets_of(connections, "victim")
    mine = prepared(connections, simulator, "mine", owner="attacker")
    landed = connections.land(
        mine, OPAQUE, app="demo", promised_user="us", promised_company="demo", user="us", company="demo"
    )
    assert (landed.reason, landed.connection.state) == ("other_owner", "unconnected")
    assert secrets_of(connections, "victim") == before
    assert secrets_of(connections, "attacker") == []


def test_a_token_that_says_whose_it_is_goes_on_serving_the_owner_it_belongs_to(
    connections: Connections, simulator: Simulator
) -> None:
    sign_in(connections, simulator, "us", "us", owner="first")
    before = secrets_of(connections, "first")
    mine = prepared(connections, simulator, "mine", owner="second")
    assert connections.land(mine, signed_in(simulator, "us"), app="demo").reason == "other_owner"
    ((_, version),), ((_, now),) = before, secrets_of(connections, "first")
    assert now == version + 1


@BOTH
def test_a_sign_in_that_lands_after_its_connection_was_removed_leaves_nothing(
    connections: Connections, simulator: Simulator
) -> None:
    waiting = prepared(connections, simulator, "us", owner="tenant-7")
    connections.remove("us", "tenant-7")
    with pytest.raises(NotAuthorisedError, match="was removed while somebody signed in"):
        connections.land(waiting, signed_in(simulator, "us"), app="demo")
    assert rows_of(connections, "tenant-7")[0] == 0


@BOTH
def test_an_owner_who_was_let_go_does_not_come_back_with_a_late_sign_in(
    connections: Connections, simulator: Simulator
) -> None:
    waiting = prepared(connections, simulator, "us", owner="tenant-7")
    connections.offboard("tenant-7", revoke=False)
    with pytest.raises(NotAuthorisedError, match="was removed while somebody signed in"):
        connections.land(waiting, signed_in(simulator, "us"), app="demo")
    assert rows_of(connections, "tenant-7") == [0, 0, 0]


def test_what_a_late_sign_in_ended_goes_on_with_it_for_the_user_s_other_connections(
    connections: Connections, simulator: Simulator
) -> None:
    sign_in(connections, simulator, "us", "us")
    waiting = prepared(connections, simulator, "again")
    connections.remove("again")
    ((old, version),) = secrets_of(connections, "default")
    with pytest.raises(NotAuthorisedError):
        connections.land(waiting, signed_in(simulator, "us"), app="demo")
    ((new, now),) = secrets_of(connections, "default")
    assert (new != old, now) == (True, version + 1)


def test_of_two_sign_ins_for_one_connection_the_second_cannot_bring_another_company(
    connections: Connections, simulator: Simulator
) -> None:
    waiting = prepared(connections, simulator, "us")
    connections.land(waiting, OPAQUE, app="demo", user="us", company="first")
    late = connections.land(waiting, OPAQUE, app="demo", user="us", company="second")
    assert (late.reason, late.connection.company) == ("wrong_company", "first")
    assert connections.get("us").company == "first"
