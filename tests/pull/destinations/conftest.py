"""A PostgreSQL database for destinations: each test has a schema of its own in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import database


@pytest.fixture(scope="session")
def warehouse(postgres_server: str) -> Iterator[str]:
    """URL of an empty database."""
    with database(postgres_server, "template0") as url:
        yield url
