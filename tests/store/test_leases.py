"""Several names held at once: all of them or none, and all given back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from tieout.errors import BusyError
from tieout.store import Store, open_store
from tieout.store.leases import Lease, Leases, leases


@pytest.fixture
def store(state_url: str) -> Iterator[Store]:
    with open_store(state_url) as opened:
        yield opened


def held(store: Store) -> list[str]:
    with store.read() as connection:
        return list(connection.execute(select(leases.c.name).order_by(leases.c.name)).scalars())


def test_one_that_is_taken_leaves_the_others_free(store: Store) -> None:
    several = {"pull/a": "table a", "pull/b": "table b", "pull/c": "table c"}
    with Lease(store, "pull/b", "table b"):
        with pytest.raises(BusyError, match="Another run of table b is going on"), Leases(store, several):
            pass
        assert held(store) == ["pull/b"]
    with Leases(store, several):
        assert held(store) == list(several)
        with pytest.raises(BusyError, match="table c"), Lease(store, "pull/c", "table c"):
            pass
    assert held(store) == []


def test_all_are_proven_to_be_ours_and_an_overtaken_one_is_told(store: Store) -> None:
    with Leases(store, {"pull/a": "table a", "pull/b": "table b"}) as ours:
        with store.begin() as connection:
            ours.assure(connection)
            connection.execute(leases.update().where(leases.c.name == "pull/b").values(holder="another"))
        with pytest.raises(BusyError, match="has taken over table b"), store.begin() as connection:
            ours.assure(connection)
    assert held(store) == ["pull/b"], "what another run holds by now is not ours to give back"
