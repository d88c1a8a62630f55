"""What a refresh gave is stored whatever the state database does meanwhile, or nothing is sent."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from tests.connections.support import Wire
from tests.connections.test_refreshing import LIFE, Desk
from tieout.connections import Connections, Vault, refreshing
from tieout.connections.keys import Keys
from tieout.errors import NotAuthorisedError, StoreError
from tieout.simulator import Simulator
from tieout.store import engine, open_store

TROUBLE = "tieout.connections"


@pytest.fixture
def desk(connections: Connections, wire: Wire, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(refreshing, "COMMIT_PAUSE", 0.05)
    return Desk(connections, wire, simulator)


@pytest.fixture
def on_sqlite(
    tmp_path: Path, wire: Wire, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Desk, Path]]:
    """A desk over a SQLite file, which gives up soon where another program holds it."""
    monkeypatch.setattr(refreshing, "COMMIT_PAUSE", 0.05)
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.2)
    with open_store(f"sqlite:///{tmp_path / 'tieout.db'}") as store:
        yield Desk(Connections(store, Vault(Keys(tmp_path))), wire, simulator), tmp_path / "tieout.db"


@pytest.fixture
def on_postgres(
    postgres_url: str, tmp_path: Path, wire: Wire, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    monkeypatch.setattr(refreshing, "COMMIT_PAUSE", 0.05)
    with open_store(postgres_url) as store:
        yield Desk(Connections(store, Vault(Keys(tmp_path))), wire, simulator)


class WhenTold(logging.Handler):
    """Does something once, when the log first tells of trouble."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self._act = act
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())
        if len(self.told) == 1:
            self._act()


@contextlib.contextmanager
def when_told(act: Callable[[], object]) -> Iterator[list[str]]:
    handler, logger = WhenTold(act), logging.getLogger(TROUBLE)
    logger.addHandler(handler)
    try:
        yield handler.told
    finally:
        logger.removeHandler(handler)


def assert_stored(desk: Desk) -> None:
    """The one refresh that was sent is not lost: the next one works."""
    assert desk.wire.fetched == 1
    assert (desk.row().state, desk.row().sent_at, desk.row().room) == ("active", None, None)
    desk.clock.advance(LIFE + 60)
    assert desk.works(desk.token())


def test_a_database_that_another_program_holds_while_the_answer_comes(on_sqlite: tuple[Desk, Path]) -> None:
    desk, file = on_sqlite
    desk.clock.advance(LIFE + 60)
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    desk.wire.meanwhile = lambda: other.execute("begin immediate") and None
    with when_told(lambda: other.execute("rollback")) as told:
        assert desk.works(desk.token())
    desk.wire.meanwhile = lambda: None
    other.close()
    assert told == [
        f"The renewed sign-in of admin@demo cannot be stored yet: The state database {file} is held by another program."
    ]
    assert_stored(desk)


def test_a_database_that_another_program_holds_before_costs_nothing(on_sqlite: tuple[Desk, Path]) -> None:
    desk, file = on_sqlite
    desk.clock.advance(LIFE + 60)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("begin immediate")
        with pytest.raises(StoreError, match="is held by another program"):
            desk.token()
    assert desk.wire.fetched == 0
    assert desk.works(desk.token())
    assert_stored(desk)


def test_in_a_file_that_becomes_full_a_refresh_is_stored_or_not_sent(on_sqlite: tuple[Desk, Path]) -> None:
    desk, _ = on_sqlite
    store = desk.connections.store
    pages = [0]
    event.listen(store._engine, "connect", lambda raw, _: raw.execute(f"pragma max_page_count = {pages[0] or 2**30}"))

    def bound(room: int) -> None:
        with store.read() as transaction:
            pages[0] = transaction.exec_driver_sql("pragma page_count").scalar_one() + room
        store.close()

    bound(5)
    refused: list[str] = []
    while len(refused) < 3:
        desk.clock.advance(LIFE + 60)
        try:
            assert desk.works(desk.token())
        except StoreError as full:
            refused.append(str(full))
        desk.change(retry_after=None)
    assert all("is full" in each for each in refused)
    stored = desk.events().count("refreshed")
    assert stored > 3
    assert desk.wire.fetched == stored
    pages[0] = 0
    store.close()
    assert desk.works(desk.token())
    assert desk.row().state == "active"


def test_connections_that_the_server_cut_while_the_answer_came(on_postgres: Desk, postgres_url: str) -> None:
    desk = on_postgres
    desk.clock.advance(LIFE + 60)

    def cut() -> None:
        with psycopg.connect(postgres_url, autocommit=True) as server:
            server.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where application_name = 'tieout' and datname = current_database()"
            )

    desk.wire.meanwhile = cut
    assert desk.works(desk.token())
    desk.wire.meanwhile = lambda: None
    assert_stored(desk)


def test_a_connection_that_the_server_cut_in_the_middle_of_storing(on_postgres: Desk, postgres_url: str) -> None:
    """The transaction waits for a row that another one holds, and is cut there."""
    desk = on_postgres
    desk.clock.advance(LIFE + 60)
    cutter: list[threading.Thread] = []

    def hold_and_cut(holding: Any) -> None:
        waits = "from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
        with holding, psycopg.connect(postgres_url, autocommit=True) as server:
            while not server.execute(f"select pg_terminate_backend(pid) {waits}").fetchall():
                time.sleep(0.01)  # until it waits; nothing else ends this

    def meanwhile() -> None:
        holding = psycopg.connect(postgres_url)
        holding.execute("select * from grants for update")
        cutter.append(threading.Thread(target=hold_and_cut, args=(holding,)))
        cutter[0].start()

    desk.wire.meanwhile = meanwhile
    with when_told(lambda: None) as told:
        assert desk.works(desk.token())
    desk.wire.meanwhile = lambda: None
    cutter[0].join()
    assert len(told) == 1
    assert_stored(desk)


def test_a_server_that_restarts_while_the_answer_comes(
    on_postgres: Desk, postgres_url: str, postgres_server: str
) -> None:
    desk = on_postgres
    desk.clock.advance(LIFE + 60)
    name = postgres_url.partition("?")[0].rpartition("/")[2]

    def allow(answer: str) -> None:
        with psycopg.connect(postgres_server, autocommit=True) as server:
            server.execute(f'alter database "{name}" with allow_connections {answer}')
            if answer == "false":
                server.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])

    desk.wire.meanwhile = lambda: allow("false")
    with when_told(lambda: allow("true")) as told:
        assert desk.works(desk.token())
    desk.wire.meanwhile = lambda: None
    assert told[0].startswith("The renewed sign-in of admin@demo cannot be stored yet")
    assert_stored(desk)


def test_a_confirmation_that_was_lost_is_not_taken_for_a_failure(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.clock.advance(LIFE + 60)
    source = desk.source()
    keep = source._grant.keep

    def keep_and_lose(*given: Any, **more: Any) -> bool:
        kept = keep(*given, **more)
        monkeypatch.setattr(source._grant, "keep", keep)
        raise StoreError(f"The state database cannot be reached ({kept}).")

    monkeypatch.setattr(source._grant, "keep", keep_and_lose)
    assert desk.works(desk.token(source))
    assert_stored(desk)


def test_what_could_not_be_stored_in_the_end_is_said_aloud(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refreshing, "COMMIT_TRIES", 3)
    desk.clock.advance(LIFE + 60)
    source = desk.source()
    tries = [0]

    def away(*_: Any, **__: Any) -> bool:
        tries[0] += 1
        raise StoreError("The state database is full.", advice="Free some disk space.")

    monkeypatch.setattr(source._grant, "keep", away)
    with (
        when_told(lambda: None) as told,
        pytest.raises(StoreError, match=r"renewed, and what Intacct gave could not be stored: .*is full.*connect it"),
    ):
        desk.token(source)
    assert tries == [3]
    assert told[-1] == "What Intacct gave to renew the sign-in of admin@demo is lost: The state database is full."
    desk.change(lease_until=0.0)
    with pytest.raises(NotAuthorisedError, match=r"is in doubt: a program was cut off"):
        desk.token()
