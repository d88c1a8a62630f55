"""Writes the first files of a project. Never overwrites one."""

from __future__ import annotations

from pathlib import Path

from tieout.errors import ConfigurationError

_PROJECT = """\
# A tieout project: what to copy out of Sage Intacct, and what to post to it.
# Paths are relative to this file. ${NAME} is replaced by the environment variable NAME, in any value.
# Secrets do not belong here: `tieout connect` keeps them encrypted in the state database.
#
#   tieout connect NAME    connect to a company          tieout push NAME      post records to Intacct
#   tieout query vendors   look at it                    tieout failed         what Intacct refused, and why
#   tieout pull            copy it into a database       tieout verify         prove that both sides agree

# Where tieout keeps connections, ledgers and what it has learnt. PostgreSQL: "${DATABASE_URL}".
# [state]
# url = "sqlite:///tieout.db"

# Labels for connections. The connection itself is made by `tieout connect us`.
# [connections.us]
# environment = "production"              # or "sandbox"
# entity = "E110"                         # work in this entity; without it, at the top level

# One section for each object to copy. Settings not given here have defaults:
#   connection = "us"                     only needed where there are several
#   destination = "duckdb:///company.duckdb"
#   fields = ["id", "name"]               all that can be queried
#   where = "status = 'active'"           all records
[pull.vendors]
object = "accounts-payable/vendor"

[pull.bills]
object = "accounts-payable/bill"

# One section for each file to post. Rows that share the `group_by` columns become the lines of one record.
# [push.timesheets]
# object = "time/timesheet"
# source = "timesheets.csv"
# id = "entry_id"                         # what names a row in your system, so that nothing is posted twice
# group_by = ["employee", "week"]
#
# [push.timesheets.fields]                # field of Intacct = column of the file
# "employee.id" = "employee"
# beginDate = { column = "week", date = "%m/%d/%Y" }
# "lines.quantity" = "hours"
# "lines.dimensions.project.id" = "project"
"""

_IGNORED = ("tieout.db*", "*.key", ".env", "*.duckdb", "*.duckdb.wal")


def init(directory: Path) -> list[Path]:
    """Makes `directory` a project: a commented tieout.toml, and a .gitignore that keeps state and keys out of git.

    Returns the files written. A .gitignore that exists is kept and only gets the lines it lacks. Raises
    ConfigurationError where tieout.toml exists already or the folder cannot be written.
    """
    project, ignore = directory / "tieout.toml", directory / ".gitignore"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with project.open("x", encoding="utf-8") as file:
            file.write(_PROJECT)
        written = [project]
        before = ignore.read_bytes().decode("utf-8", "surrogateescape") if ignore.exists() else ""
        missing = [line for line in _IGNORED if line not in before.splitlines()]
        if missing:
            head = "" if not before or before.endswith("\n") else "\n"
            with ignore.open("a", encoding="utf-8") as file:
                file.write(head + "\n".join(missing) + "\n")
            written.append(ignore)
    except FileExistsError:
        raise ConfigurationError(
            f"{project if project.exists() else directory} exists already and is left as it is.",
            advice="Edit it, or choose another folder.",
        ) from None
    except OSError as error:
        raise ConfigurationError(f"{error.filename or directory} cannot be written: {error.strerror}.") from None
    return written
