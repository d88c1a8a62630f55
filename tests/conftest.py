"""What every test shares: a clean environment, and state databases on SQLite and PostgreSQL."""

from __future__ import annotations

import gc
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.databases import Databases
    from tests.forks import Forks

settings.register_profile("tieout", deadline=None)  # a busy machine is no failure
settings.load_profile("tieout")

_TEST_POSTGRES = os.environ.get("TIEOUT_TEST_POSTGRES", "postgresql://127.0.0.1:5432/test")
_PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}


def pytest_collection_finish() -> None:
    """What is loaded by now stays: nobody who collects garbage needs to look through it again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No setting of the person who runs the tests reaches them: no TIEOUT_* variable, no proxy."""
    for name in list(os.environ):
        if name.lower() in _PROXIES or (name.startswith("TIEOUT_") and name not in {"TIEOUT_TORTURE"}):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-settings"))  # nor a key of theirs


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What got no answer is asked again as often as ever, but without a wait: for tests of what comes in the end."""
    from tieout.rest import attempt

    monkeypatch.setattr(attempt, "FIRST_WAIT", 0.001)


@pytest.fixture(scope="session")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    """Starts programs of their own, each a copy of one that has imported everything."""
    from tests.forks import forks

    with forks(tmp_path_factory.mktemp("forks")) as running:
        yield running


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """URL of a PostgreSQL database in which databases may be made; skips where none answers."""
    psycopg = pytest.importorskip("psycopg")
    try:
        psycopg.connect(_TEST_POSTGRES, connect_timeout=3).close()
    except psycopg.OperationalError:
        pytest.skip(f"no PostgreSQL answers at {_TEST_POSTGRES.rpartition('@')[2]} (set TIEOUT_TEST_POSTGRES)")
    return _TEST_POSTGRES


@contextmanager
def database(server_url: str, template: str) -> Iterator[str]:
    """URL of a new PostgreSQL database, a copy of `template`; dropped afterwards."""
    import psycopg

    name = f"tieout_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as server:
        server.execute(f'create database "{name}" template "{template}"')
        head, _, query = server_url.partition("?")
        try:
            yield f"{head.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
        finally:
            server.execute(f'drop database if exists "{name}" with (force)')


@pytest.fixture(scope="session")
def migrated(postgres_server: str) -> Iterator[str]:
    """Name of a PostgreSQL database with all tables and no rows but an installation's own."""
    from tieout.store import open_store

    with database(postgres_server, "template0") as url:
        open_store(url).close()
        yield url.partition("?")[0].rpartition("/")[2]


@pytest.fixture(scope="session")
def databases(postgres_server: str, migrated: str) -> Iterator[Databases]:
    """Databases with tables, each used again and again."""
    from tests.databases import Databases

    pool = Databases(postgres_server, migrated)
    yield pool
    pool.close()


@pytest.fixture
def template(migrated: str) -> str:
    """What `postgres_url` is like: with tables, unless a module says "template0"."""
    return migrated


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest, postgres_server: str, template: str) -> Iterator[str]:
    """URL of a PostgreSQL database of this test's own, with tables but nothing in them; gone afterwards."""
    fresh = template == "template0"
    with database(postgres_server, template) if fresh else request.getfixturevalue("databases").one() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty state database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tieout.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
