"""What every test shares: a clean environment, and state databases on SQLite and PostgreSQL."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("tieout", deadline=None)  # a busy machine is no failure
settings.load_profile("tieout")

_TEST_POSTGRES = os.environ.get("TIEOUT_TEST_POSTGRES", "postgresql://127.0.0.1:5432/test")
_PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy"}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No setting of the person who runs the tests reaches them: no TIEOUT_* variable, no proxy."""
    for name in list(os.environ):
        if name.lower() in _PROXIES or (name.startswith("TIEOUT_") and name not in {"TIEOUT_TORTURE"}):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "no-settings"))  # nor a key of theirs


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """URL of a PostgreSQL database in which databases may be made; skips where none answers."""
    psycopg = pytest.importorskip("psycopg")
    try:
        psycopg.connect(_TEST_POSTGRES, connect_timeout=3).close()
    except psycopg.OperationalError:
        pytest.skip(f"no PostgreSQL answers at {_TEST_POSTGRES.rpartition('@')[2]} (set TIEOUT_TEST_POSTGRES)")
    return _TEST_POSTGRES


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of a new, empty PostgreSQL database of this test's own; dropped afterwards."""
    import psycopg

    name = f"tieout_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server, autocommit=True) as server:
        server.execute(f'create database "{name}" template template0')
        head, _, query = postgres_server.partition("?")
        try:
            yield f"{head.rpartition('/')[0]}/{name}" + (f"?{query}" if query else "")
        finally:
            server.execute(f'drop database if exists "{name}" with (force)')


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty state database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tieout.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url
