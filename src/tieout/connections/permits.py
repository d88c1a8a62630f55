"""What a connection may write: everything, nothing, or what a list allows. Decided from the request alone, before it is
sent and before a token is asked for.

The project file says it (`[connections.NAME]`); every client that is opened over the connection keeps to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import msgspec

from tieout import catalogue
from tieout.errors import ConfigurationError, TieoutError

if TYPE_CHECKING:
    from tieout.rest.call import Call

_VERBS = {"POST": "create", "PATCH": "update", "DELETE": "delete"}
_READS = ("/services/core/query", "/services/core/view", "/services/core/export", "/services/core/model")
"""POSTs that change nothing (REST reference 5, 7.4)."""


class Permits(msgspec.Struct, frozen=True):
    """Called with each write of a client: raises ConfigurationError where the connection may not make it."""

    connection: str
    read_only: bool = False
    allow: tuple[str, ...] | None = None
    """`object:operation`, the operation being create, update, delete or a workflow action; `*` stands for any part:
    `time/timesheet:*`. None allows everything."""

    def __call__(self, call: Call[Any]) -> None:
        if not self.read_only and self.allow is None:
            return
        object, operation = named(call.method, call.path)
        if not object or (not self.read_only and self._allowed(object, operation)):
            return
        section = f"[connections.{self.connection}]"
        if self.read_only:
            raise ConfigurationError(
                f"{section} is read-only, so {operation} of {object} was not sent.",
                advice="Use another connection, or take read_only out of the project file.",
            )
        raise ConfigurationError(
            f"{section} does not allow {operation} of {object}, so it was not sent.",
            advice=f'If it is meant, add "{object}:{operation}" to allow in the project file.',
        )

    def _allowed(self, object: str, operation: str) -> bool:
        names = {object, object.partition("::")[0]}
        for entry in self.allow or ():
            what, _, verb = entry.rpartition(":")
            if fnmatchcase(operation, verb) and any(fnmatchcase(name, what) for name in names):
                return True
        return False

    def __str__(self) -> str:
        """In a list of connections; "" where everything is allowed."""
        if self.read_only:
            return "read-only"
        return "" if self.allow is None else f"writes only {', '.join(self.allow) or 'nothing'}"


def permits_of(connection: str, read_only: bool, allow: Sequence[str] | None) -> Permits:
    """Raises ConfigurationError for an entry of `allow` that means nothing."""
    return Permits(connection, read_only, None if allow is None else tuple(_entry(connection, each) for each in allow))


def _entry(connection: str, entry: str) -> str:
    object, colon, operation = entry.rpartition(":")
    known = "*" in object or object.startswith("services/")
    if colon and operation and not object.endswith(":"):
        try:
            return entry if known else f"{catalogue.resolve(object)}:{operation}"
        except TieoutError as error:
            where = f"[connections.{connection}] allow:"
            raise ConfigurationError(f"{where} {error.message}", advice=error.advice) from None
    raise ConfigurationError(
        f"[connections.{connection}] allow: {entry!r} is no object and operation.",
        advice='Write "accounts-payable/bill:create" or "time/timesheet:*".',
    )


def named(method: str, path: str) -> tuple[str, str]:
    """The object and the operation of a request that writes; ("", "") for one that only reads."""
    parts = [unquote(part) for part in path.partition("?")[0].split("/") if part]
    if method == "GET" or any(path.startswith(read) for read in _READS):
        return "", ""
    if parts[:1] == ["objects"] and len(parts) >= 3:
        return "/".join(parts[1:3]), _VERBS.get(method, method.lower())
    if parts[:1] == ["workflows"] and len(parts) >= 4:
        return "/".join(parts[1:-1]), parts[-1]
    return "/".join(parts), "call"
