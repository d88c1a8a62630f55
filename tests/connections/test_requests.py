"""The log of requests in the state database: complete, bounded, and never in the way of a call."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.connections.support import Wire
from tieout.connections import Connections
from tieout.connections import requests as room
from tieout.connections.requests import StoredLog, search
from tieout.errors import BudgetError, StoreError
from tieout.rest import Budget, Try
from tieout.store import Store, open_store
from tieout.store.tables import requests

DAY = 86_400.0


@pytest.fixture
def store(state_url: str) -> Iterator[Store]:
    with open_store(state_url) as opened:
        yield opened


def tried(time: float = 1e9, **facts: Any) -> Try:
    given: dict[str, Any] = {"method": "GET", "path": "/objects/accounts-payable/vendor/7", "status": 200}
    given |= {"transactions": 1, "sent": 3, "received": 10, "seconds": 0.25, "time": time, "company": "Acme"}
    return Try(**(given | facts))


def keep(store: Store, *tries: Try) -> StoredLog:
    log = StoredLog(store, "production", "Acme")
    for each in tries:
        log.record(each)
    log.close()
    return log


def test_what_was_tried_comes_back_whole_newest_first(store: Store) -> None:
    older = tried(2e9 - 1, entity="E110", status=429, error_id="REST-9", support_id="G%7Ea", attempt=2, slept=1.5)
    newer = tried(2e9, status=0, object="accounts-payable/vendor", operation="read", waited=0.5, replayed=True)
    keep(store, older, newer)
    assert search(store) == [newer, older]


@pytest.mark.parametrize(
    ("asked", "times"),
    [
        ({"status": 429}, [2]),
        ({"status": 4}, [3, 2]),
        ({"status": 0}, [4]),
        ({"error_id": "rest-1106"}, [3]),
        ({"support_id": "gwkm%7"}, [3]),
        ({"support_id": "GwKM_"}, []),
        ({"path": "QUERY"}, [3]),
        ({"path": "%"}, []),
        ({"object": "bills"}, [3]),
        ({"object": "vendors"}, []),
        ({"entity": "E110"}, [2]),
        ({"entity": ""}, [4, 3, 1]),
        ({"company": "acme"}, [4, 3, 2, 1]),
        ({"company": "beta"}, []),
        ({"limit": 2}, [4, 3]),
        ({"since": timedelta(days=1)}, []),
        ({"since": timedelta(days=900_000)}, [4, 3, 2, 1]),
    ],
)
def test_search(store: Store, asked: dict[str, Any], times: list[int]) -> None:
    keep(
        store,
        tried(1),
        tried(2, status=429, entity="E110"),
        tried(
            3,
            status=400,
            path="/services/core/query",
            error_id="REST-1106",
            support_id="GwKM%7Eab0a",
            object="accounts-payable/bill",
        ),
        tried(4, status=0),
    )
    assert [each.time for each in search(store, **asked)] == times


def test_the_old_and_the_too_many_go(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "KEPT_ROWS", 5)
    keep(store, tried(1 * DAY), *[tried(40 * DAY + n) for n in range(9)])
    assert [each.time - 40 * DAY for each in search(store)] == [8, 7, 6, 5, 4]
    keep(store, tried(75 * DAY))
    assert [each.time for each in search(store)] == [75 * DAY]


def test_texts_longer_or_odder_than_a_column_do_not_lose_the_others(store: Store) -> None:
    log = keep(store, tried(1, error_id="x" * 900, support_id="a\0b"), tried(2))
    assert log.lost == 0
    found = search(store)
    assert (len(found), len(found[1].error_id), found[1].support_id) == (2, 255, "ab")


def test_a_busy_database_neither_stops_nor_slows_a_call_and_nothing_waits_forever(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'tieout.db'}") as store:
        log = StoredLog(store, "production", "Acme")
        with store.begin():  # somebody else writes
            for _ in range(room.LONGEST_QUEUE // 2):
                log.record(tried())
            closing = threading.Thread(target=log.close)
            closing.start()
            closing.join(timeout=20)
            assert not closing.is_alive(), "closing waits for the database"
        log.close()
        with store.read() as connection:
            assert connection.execute(select(func.count()).select_from(requests)).scalar() == room.LONGEST_QUEUE // 2


def test_a_database_that_refuses_costs_the_log_and_no_call(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path / 'tieout.db'}") as store:

        def refuse() -> Any:
            raise StoreError("The disk is full.")

        store.begin = refuse  # type: ignore[method-assign]  # what a full disk does
        assert keep(store, tried(), tried()).lost == 2


def test_a_queue_that_nobody_empties_forgets_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room.Writer, "_write", lambda self: None)
    with open_store(f"sqlite:///{tmp_path / 'tieout.db'}") as store:
        log = StoredLog(store, "production", "Acme")
        for number in range(room.LONGEST_QUEUE + 7):
            log.record(tried(number))
    assert log.lost == 7


def test_an_opened_connection_logs_paces_by_its_company_and_keeps_a_budget(
    connections: Connections, wire: Wire
) -> None:
    connections.add_simulator("demo", wire.origin, transport=wire.transport)
    with connections.open("demo", transport=wire.transport, budget=Budget(3), tier="3") as client:
        assert client.concurrency == 12
        client.create("vendors", {"id": "V-LOG", "name": "SECRETBODY"})
        with pytest.raises(BudgetError):
            client.create_many("vendors", [{"id": f"V-L{n}", "name": "x"} for n in range(3)])
    found = search(connections.store, company="demo")
    assert (found[0].method, found[0].path) == ("POST", "/objects/accounts-payable/vendor")
    assert found[0].transactions == 1
    with connections.store.read() as connection:
        everything = repr(connection.execute(select(requests)).all())
    assert not [word for word in ("SECRETBODY", "demo-secret", "Bearer") if word in everything]
