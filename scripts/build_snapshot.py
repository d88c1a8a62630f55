"""Writes src/tieout/store/migrations/snapshot.sql: what all migrations make of an empty SQLite file, at once.

    python scripts/build_snapshot.py

Run it after a migration was added; without it, new databases take that step by itself, a little slower.
"""

from __future__ import annotations

from sqlalchemy import create_engine, text

from tieout.store import migrations
from tieout.store.engine import upgrade


def main() -> None:
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        upgrade(connection)
        made = connection.execute(text("select sql from sqlite_master where sql is not null order by rowid")).scalars()
        parts = [f"-- {migrations.known()[-1]}", *made]
    engine.dispose()
    migrations.SNAPSHOT.write_text(migrations.BETWEEN.join(parts) + "\n")


if __name__ == "__main__":
    main()
