"""Views of layouts in a DuckDB file, and the record of which of them tieout has made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tieout.pull.destinations.base import View
from tieout.pull.destinations.duckdb_system import has_table, quote
from tieout.pull.destinations.views import taken

if TYPE_CHECKING:
    import duckdb


def kept(db: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, str]]:
    """name -> layout and SELECT of each view tieout has made, also those dropped for a change of a column."""
    if not has_table(db, "_tieout_views"):
        return {}
    rows = db.execute("SELECT name, layout, sql FROM _tieout_views").fetchall()
    return {name: (layout, sql) for name, layout, sql in rows}


def stale(db: duckdb.DuckDBPyConnection, views: Sequence[View], place: str) -> list[View]:
    """Those that are not there as they should be. Raises StoreError where something else has a name."""
    known = kept(db)
    for view in views:
        if view.name not in known and has_table(db, view.name):
            raise taken(view.name, place)
    return [v for v in views if known.get(v.name, ("", ""))[1] != v.sql or not has_table(db, v.name)]


def put(db: duckdb.DuckDBPyConnection, layout: str, views: Sequence[View], place: str) -> None:
    """Make these, or make them anew."""
    db.execute("CREATE TABLE IF NOT EXISTS _tieout_views (name VARCHAR, layout VARCHAR, sql VARCHAR)")
    for view in stale(db, views, place):
        db.execute(f"CREATE OR REPLACE VIEW {quote(view.name)} AS {view.sql}")
        db.execute("DELETE FROM _tieout_views WHERE name = ?", [view.name])
        db.execute("INSERT INTO _tieout_views VALUES (?, ?, ?)", [view.name, layout, view.sql])


def make_way(db: duckdb.DuckDBPyConnection) -> None:
    """Drop them, so that a table below them can change; what they were is remembered."""
    for name in kept(db):
        db.execute(f"DROP VIEW IF EXISTS {quote(name)}")
