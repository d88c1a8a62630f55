"""What `_tieout_columns` says: which field of Intacct each column holds. For people; tieout itself goes by the state.

Knows states; knows no database.
"""

from __future__ import annotations

from collections.abc import Mapping

from tieout.pull.destinations.base import Commit
from tieout.pull.schema.names import label
from tieout.pull.schema.types import type_name


def columns_changed(commit: Commit) -> bool:
    """Whether a commit adds a column, gives one another type, or finds a field gone or back."""
    before, after = commit.before, commit.after
    return (before.columns, before.gone) != (after.columns, after.gone)


def described(commit: Commit, known: Mapping[str, tuple[str | None, str | None]]) -> list[list[str | None]]:
    """One row a column: table, path, column, type, label, since, gone. `known`: path -> since and gone as stored.

    `since` and `gone` are Intacct's clock, ISO 8601 UTC: when the column came, and when its field was first found to
    be missing from the model; null while it is there, and `since` null where that was not kept."""
    state, rows = commit.after, []
    fresh = not known and bool(commit.before.version)  # a table from before there was `_tieout_columns`
    had = {column.path for column in commit.before.columns} if fresh else set()
    for column in state.columns:
        since, gone = known.get(column.path, (None if column.path in had else commit.synced, None))
        gone = (gone or commit.synced) if column.path in state.gone else None
        rows.append([state.table, column.path, column.name, type_name(column), label(column.path), since, gone])
    return rows
