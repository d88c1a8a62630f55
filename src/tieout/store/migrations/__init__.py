"""The steps from an empty database to today's, one file each: `versions/NNNN_what.py`, its revision being NNNN.

`snapshot.sql` is what they make of an empty SQLite file, up to the revision it begins with: a new file is made from it
at once, and steps since then follow. scripts/build_snapshot.py writes it, a test compares it with the steps.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

VERSION_TABLE = "tieout_version"
DIRECTORY = Path(__file__).parent
SNAPSHOT = DIRECTORY / "snapshot.sql"
BETWEEN = "\n--\n"
"""Stands between the snapshot's revision and its statements."""


def known() -> tuple[str, ...]:
    """Revisions this version of tieout knows, oldest first. Read off the file names: no migration library needed."""
    return tuple(sorted(file.name.partition("_")[0] for file in (DIRECTORY / "versions").glob("[0-9]*_*.py")))


def lay_down(connection: Connection) -> str:
    """Makes the snapshot's tables in an empty SQLite file, and the rows of 0001 and 0006 -> its revision."""
    import uuid
    from datetime import UTC, datetime

    head, *statements = SNAPSHOT.read_text().strip().split(BETWEEN)
    revision = head.removeprefix("-- ")
    for statement in statements:
        connection.exec_driver_sql(statement)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    connection.exec_driver_sql("insert into meta (name, value) values ('installation', ?)", (str(uuid.uuid4()),))
    connection.exec_driver_sql("insert into owners (id, created_at) values ('default', ?)", (now,))
    connection.exec_driver_sql(f"insert into {VERSION_TABLE} (version_num) values (?)", (revision,))  # noqa: S608
    return revision
