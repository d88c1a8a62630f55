"""State databases for what the connect page needs: SQLite, and PostgreSQL too where the database is what matters."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """On SQLite, or as `BOTH` says: a new PostgreSQL database for every small test would cost minutes."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return f"sqlite:///{tmp_path / 'tieout.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


BOTH = pytest.mark.parametrize("state_url", ["sqlite", "postgresql"], indirect=True)
