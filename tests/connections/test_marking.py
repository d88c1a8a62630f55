"""The lease under which a refresh is sent, where its commit was shared with a write that took long."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, text

from tieout.connections import Vault, grants
from tieout.connections.grants import LEASE_MARGIN, GrantRow
from tieout.connections.keys import Keys
from tieout.store import Store, open_store
from tieout.store.access_tables import grants as table

TIMEOUT = 60.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'tieout.db'}") as opened:
        yield opened


@pytest.fixture
def grant(store: Store, tmp_path: Path) -> GrantRow:
    row = {"id": "g", "owner": "default", "environment": "simulator", "company": "acme", "company_key": "acme"}
    row |= {"user_id": "ws", "base_url": "", "place": "", "kind": "authorization_code", "client_id": "c", "error": ""}
    row |= {"state": "active", "reason": "", "granted_at": "now"}
    with store.begin() as transaction:
        transaction.execute(insert(table).values(version=1, failures=0, **row))
    return GrantRow(store, Vault(Keys(tmp_path), store), "g", now=time.time)


def test_it_outlives_the_timeout_from_when_the_commit_is_done(
    store: Store, grant: GrantRow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grants, "LATE", 0.2)
    ended: list[float] = []

    def slow(transaction: Connection) -> None:
        transaction.execute(text("insert into owners values ('slow', '')"))
        time.sleep(0.3)
        ended.append(time.time())

    assert grant.take_lease("us") == "taken"
    with ThreadPoolExecutor(2) as pool, store.begin():
        marking = pool.submit(grant.mark_sent, "us", 1, TIMEOUT)
        while store._together.waiting < 1:
            time.sleep(0.001)
        writing = pool.submit(store.write, slow)
        while store._together.waiting < 2:
            time.sleep(0.001)
    writing.result()
    assert marking.result()
    with store.read() as transaction:
        row = transaction.execute(select(table)).one()
    assert len(ended) == 1
    assert row.sent_at >= ended[0]
    assert row.lease_until >= ended[0] + TIMEOUT + LEASE_MARGIN
