"""The PostgreSQL database that tests of destinations use."""

from __future__ import annotations

from tests.pull.destinations.conftest import warehouse

__all__ = ["warehouse"]
