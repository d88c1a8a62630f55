"""A company's slots are shared by all programs: never more than it allows, and everybody gets some."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from tests.connections.support import Wire
from tests.store.test_processes import ended_process
from tieout.connections import Connections
from tieout.connections import slots as room
from tieout.connections.slots import SlotLease, shares
from tieout.errors import StoreError
from tieout.rest.limiter import Limiter
from tieout.store.access_tables import slots


@given(st.lists(st.integers(1, 20), max_size=12), st.integers(1, 30))
def test_shares_are_fair_and_never_too_many(wants: list[int], most: int) -> None:
    given = shares(wants, most)
    assert sum(given) == min(most, sum(wants))
    assert all(share <= want for share, want in zip(given, wants, strict=True))
    short = [share for share, want in zip(given, wants, strict=True) if share < want]
    assert not short or max(given) - min(short) <= 1 or max(given) <= max(short) + 1
    if len(wants) <= most:
        assert all(given)
    assert short == sorted(short, reverse=True)


def program(connections: Connections, wanted: int, most: int = 6) -> SlotLease:
    return SlotLease(connections.store, "", "Acme", Limiter(wanted), most)


def held(connections: Connections) -> list[int]:
    with connections.store.read() as transaction:
        return list(transaction.execute(select(slots.c.held).order_by(slots.c.since)).scalars())


def test_a_newcomer_gets_what_is_free_and_at_the_next_beat_its_fair_share(connections: Connections) -> None:
    first, second = program(connections, 4), program(connections, 4)
    assert (first._beat(), second._beat()) == (4, 2)
    assert (first._beat(), second._beat()) == (3, 3)
    third = program(connections, 4)
    assert third._beat() == 0
    assert (first._beat(), second._beat(), third._beat()) == (2, 2, 2)
    first._forget()
    assert (second._beat(), third._beat()) == (3, 3)
    assert held(connections) == [3, 3]


def test_a_slot_is_given_back_when_its_request_is_over(connections: Connections) -> None:
    first, second = program(connections, 6), program(connections, 6)
    assert first._beat() == 6
    claims = [first._limiter.claim(lambda: None) for _ in range(7)]
    assert [claim.granted for claim in claims] == [True] * 6 + [False]
    assert (second._beat(), first._beat(), second._beat()) == (0, 6, 0)
    for claim in claims[:3]:
        claim.release()
    assert (first._beat(), second._beat()) == (3, 3)
    assert not claims[6].granted  # its slot is another's now
    claims[3].release()
    assert claims[6].granted


@pytest.mark.parametrize("sign", ["silent", "ended"])
def test_the_slots_of_a_program_that_died_are_taken_over(connections: Connections, sign: str) -> None:
    values: dict[str, object] = {"heard_at": 0.0} if sign == "silent" else {"process": ended_process()}
    dead = program(connections, 6)
    dead._beat()
    assert program(connections, 4)._beat() == 0
    with connections.store.begin() as transaction:
        transaction.execute(slots.delete().where(slots.c.held == 0))
        transaction.execute(update(slots).values(**values))
    assert program(connections, 4)._beat() == 4


def test_who_finds_no_slot_waits_until_another_program_is_idle(connections: Connections) -> None:
    others = [program(connections, 1) for _ in range(6)]
    for other in others:
        other._beat()
    late = program(connections, 2)
    late.begin()
    told = threading.Event()
    claim = late._limiter.claim(told.set)
    until(lambda: len(held(connections)) == 7)
    assert not claim.granted
    others[0]._forget()
    assert told.wait(20)
    assert claim.granted
    claim.release()
    until(lambda: len(held(connections)) == 5)
    late.end()


ENTITY = "company-config/entity"


def test_clients_of_a_process_share_one_lease_and_hold_it_while_they_ask(connections: Connections, wire: Wire) -> None:
    connections.add_simulator("demo", wire.origin, transport=wire.transport)
    first = connections.open("demo", transport=wire.transport)
    second = connections.open("demo", transport=wire.transport)
    assert held(connections) == []
    claim = first.limiter.claim(lambda: None)
    until(lambda: held(connections) == [4])
    assert second.references(ENTITY)
    assert held(connections) == [4]
    claim.release()
    first.close()
    assert second.references(ENTITY)
    second.close()
    assert held(connections) == []
    assert second.limiter.allowed == 4


def test_an_idle_client_holds_nothing_and_comes_back(connections: Connections, wire: Wire) -> None:
    connections.add_simulator("demo", wire.origin, transport=wire.transport)
    with connections.open("demo", transport=wire.transport) as client:
        for _ in range(2):
            assert client.references(ENTITY)
            until(lambda: held(connections) == [])


def test_a_client_that_was_forgotten_holds_nothing(connections: Connections, wire: Wire) -> None:
    connections.add_simulator("demo", wire.origin, transport=wire.transport)
    connections.open("demo", transport=wire.transport)
    gc.collect()
    until(lambda: not room._leases)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end


def test_a_tier_says_how_many_there_are(connections: Connections, wire: Wire) -> None:
    connections.add_simulator("demo", wire.origin, transport=wire.transport)
    with connections.open("demo", tier="3", transport=wire.transport) as client:
        claim = client.limiter.claim(lambda: None)
        until(lambda: held(connections) == [12])
        claim.release()


def test_a_database_that_cannot_be_written_slows_down_and_stops_nobody(
    connections: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise StoreError("The state database is full.")

    monkeypatch.setattr(connections.store, "begin", full)
    lease = program(connections, 4)
    lease.begin()
    claims = [lease._limiter.claim(lambda: None) for _ in range(2)]
    until(lambda: claims[0].granted)
    assert not claims[1].granted
    lease.end()
    assert claims[1].granted
