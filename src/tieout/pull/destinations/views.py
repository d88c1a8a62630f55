"""Views of layouts in SQLite and PostgreSQL, and the record of which of them tieout has made.

Statements only: which transaction they run in, the caller knows.
"""

# ruff: noqa: S608 - statements are built from quoted identifiers only; values are bound

from __future__ import annotations

from collections.abc import Sequence

from tieout.errors import StoreError
from tieout.pull.destinations.base import View
from tieout.pull.destinations.sql_session import Session

_OWN = "_tieout_views"


def kept(db: Session) -> dict[str, tuple[str, str]]:
    """name -> layout and SELECT of each view tieout has made, also those dropped for a change of a column."""
    if not db.has_table(_OWN):
        return {}
    rows = db.rows(f"SELECT name, layout, sql FROM {db.name(_OWN)}")
    return {name: (layout, sql) for name, layout, sql in rows}


def stale(db: Session, views: Sequence[View]) -> list[View]:
    """Those that are not there as they should be. Raises StoreError where something else has a name."""
    known = kept(db)
    for view in views:
        if view.name not in known and db.has_table(view.name):
            raise taken(view.name, db.place)
    return [v for v in views if known.get(v.name, ("", ""))[1] != v.sql or not db.has_table(v.name)]


def put(db: Session, layout: str, views: Sequence[View]) -> None:
    """Make these, or make them anew."""
    db.ensure_place()
    db.run(f"CREATE TABLE IF NOT EXISTS {db.name(_OWN)} (name TEXT NOT NULL, layout TEXT NOT NULL, sql TEXT NOT NULL)")
    for view in stale(db, views):
        db.put_view(view.name, view.sql)
        db.run(f"DELETE FROM {db.name(_OWN)} WHERE name = {db.mark}", [view.name])
        db.run(f"INSERT INTO {db.name(_OWN)} VALUES ({db.mark}, {db.mark}, {db.mark})", [view.name, layout, view.sql])


def make_way(db: Session) -> None:
    """Drop them, so that a table below them can change; what they were is remembered."""
    for name in kept(db):
        db.run(f"DROP VIEW IF EXISTS {db.name(name)}")


def taken(name: str, place: str) -> StoreError:
    return StoreError(
        f"{place} already has a table or view {name} that tieout did not make.",
        advice="Rename or drop it, or leave `layout` out.",
    )
