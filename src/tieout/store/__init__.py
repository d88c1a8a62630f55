"""tieout's own state database: tables, migrations, the engine. What a row means is known by the room that wrote it."""

from __future__ import annotations

from tieout.store.engine import Store, open_store

__all__ = ["Store", "open_store"]
