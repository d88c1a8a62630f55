"""A PostgreSQL server takes only so many connections: a program keeps few, and waits where there is none."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from tieout.store import engine, open_store


@pytest.fixture
def template() -> str:
    """No tables yet: they shall be the narrow user's own."""
    return "template0"


@pytest.fixture
def narrow_url(postgres_url: str) -> Iterator[str]:
    """A database whose user may have two connections."""
    name = f"narrow_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(f"create role {name} login connection limit 2 password 'narrow'")
        server.execute(f"grant all on schema public to {name}")
        try:
            place = postgres_url.partition("://")[2].rpartition("@")[2]
            yield f"postgresql://{name}:narrow@{place}"
        finally:
            server.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", [name])
            server.execute(f"drop owned by {name} cascade")
            server.execute(f"drop role {name}")


def test_a_program_that_is_idle_keeps_one_connection(postgres_url: str) -> None:
    met = threading.Barrier(4)

    def use(_: int) -> None:
        with store.read() as transaction:
            transaction.execute(text("select 1"))
            met.wait(20)

    with open_store(postgres_url) as store:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(use, range(4)))
        with psycopg.connect(postgres_url) as server:
            count = (
                "select count(*) from pg_stat_activity "
                "where application_name = 'tieout' and datname = current_database()"
            )
            end = time.monotonic() + 20
            while (found := server.execute(count).fetchone()) != (1,):
                assert found is not None
                assert time.monotonic() < end, found
                assert found[0] <= 4


def test_a_program_waits_for_a_connection(narrow_url: str) -> None:
    """Ten threads of two programs share two connections; nobody fails."""

    def use(number: int) -> int:
        with stores[number % 2].read() as transaction:
            found: int = transaction.execute(text("select 1")).scalar_one()
            return found

    stores = [open_store(narrow_url), open_store(narrow_url)]
    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(use, range(40))) == [1] * 40
    for store in stores:
        store.close()


def test_threads_that_write_to_one_file_wait_for_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in its turn, where SQLite itself would give up at once."""

    def write(number: int) -> None:
        with store.begin() as transaction:
            transaction.execute(text("insert into owners values (:id, '')"), {"id": str(number)})
            time.sleep(0.05)

    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.01)
    with open_store(f"sqlite:///{tmp_path / 'tieout.db'}") as store:
        monkeypatch.setattr(engine, "BUSY_SECONDS", 30)
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(write, range(6)))
        with store.read() as transaction:
            assert transaction.execute(text("select count(*) from owners where created_at = ''")).scalar_one() == 6
