"""Says in one sentence why the state database did not do what was asked. Knows drivers' error codes, no table."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from tieout.errors import StoreError

_SQLITE: dict[int, tuple[str, str]] = {
    sqlite3.SQLITE_FULL: ("is full", "Free some disk space, then run the command again: nothing is lost."),
    sqlite3.SQLITE_READONLY: ("is read-only", "Make the file and its folder writable for this user."),
    sqlite3.SQLITE_BUSY: ("is held by another program", "Wait for it to finish, then run the command again."),
    sqlite3.SQLITE_LOCKED: ("is held by another program", "Wait for it to finish, then run the command again."),
    sqlite3.SQLITE_NOTADB: ("is not a tieout state database", "Name another with [state] url or TIEOUT_STATE_URL."),
    sqlite3.SQLITE_CORRUPT: ("is damaged", "Restore it from a backup; the file was not changed."),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "Check that its folder exists and may be written by this user."),
    sqlite3.SQLITE_PERM: ("may not be opened by this user", "Give this user the right to read and write it."),
    sqlite3.SQLITE_IOERR: ("cannot be read or written: the disk reports an error", "Check the disk."),
}
_POSTGRES = {
    "53100": ("is full", "Free some disk space on the server, then run the command again: nothing is lost."),
    "25006": ("is read-only", "Connect to the primary server."),
    "55P03": ("is held by another program", "Wait for it to finish, then run the command again."),
    "40P01": ("is held by another program", "Run the command again."),
    "40001": ("is held by another program", "Run the command again."),
    "53300": ("takes no more connections", "Close others, or raise max_connections on the server."),
    "42501": ("does not give this user the rights needed", "Grant the user CREATE on its schema."),
    "3D000": ("does not exist", "Create the database, or name another with [state] url or TIEOUT_STATE_URL."),
    "28P01": ("refused the user or password", "Check the user and password in the state URL."),
    "28000": ("refused the user", "Check the user in the state URL and the server's access rules."),
}


@contextmanager
def explained(place: str) -> Iterator[None]:
    """Turns driver errors inside into StoreError. `place` names the database without its password.

    A violated constraint is left as SQLAlchemy's IntegrityError: the room that wrote the row knows what it means.
    """
    from sqlalchemy import exc

    try:
        yield
    except exc.IntegrityError:
        raise
    except exc.TimeoutError:
        raise StoreError(
            f"The state database {place} had no free connection within 30 seconds.", advice="Run fewer at once."
        ) from None
    except (exc.OperationalError, exc.InternalError, exc.InterfaceError) as error:
        raise explain(error.orig, place) from None
    except exc.DBAPIError as error:
        # What is left are mistakes in a statement (ours), save for what the codes above name.
        if type(error) is exc.DatabaseError or _code(error.orig) in _POSTGRES:
            raise explain(error.orig, place) from None
        raise
    except sqlite3.Error as error:
        raise explain(error, place) from None


def explain(error: BaseException | None, place: str) -> StoreError:
    """The StoreError for an error of the database driver."""
    known = _known(error)
    if known is not None:
        return StoreError(f"The state database {place} {known[0]}.", advice=known[1])
    if _number(error) is None and _code(error) is None:
        return StoreError(
            f"The state database {place} cannot be reached.",
            advice="Check that the server runs and that host, port and database in the state URL are right.",
        )
    lines = str(error).strip().splitlines()
    return StoreError(f"The state database {place} reports: {lines[0] if lines else 'no reason'}.")


def takes_no_more(error: BaseException | None) -> bool:
    """Whether a PostgreSQL server refused a connection because it has as many as it takes."""
    return _known(error) == _POSTGRES["53300"]


def _known(error: BaseException | None) -> tuple[str, str] | None:
    number, code = _number(error), _code(error)
    if number is not None:
        return _SQLITE.get(number & 0xFF)  # the low byte is the code, the rest refines it
    if code is not None:
        return _POSTGRES.get(code)
    # libpq gives no code for a refused sign-in or a missing database: only its words tell.
    words = str(error)
    for sign, state in (
        ("does not exist", "3D000"),
        ("authentication failed", "28P01"),
        ("too many", "53300"),
        ("connection slots", "53300"),
    ):
        if "FATAL" in words and sign in words:
            return _POSTGRES[state]
    return None


def _number(error: BaseException | None) -> int | None:
    number = getattr(error, "sqlite_errorcode", None)
    return number if isinstance(number, int) else None


def _code(error: BaseException | None) -> str | None:
    code = getattr(error, "sqlstate", None)
    return code if isinstance(code, str) else None
