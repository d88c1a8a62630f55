"""What was asked of Intacct and what it answered, try by try, to search afterwards. Never a body, a header or a query
string, so that no secret can be in it.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from tieout import catalogue
from tieout.errors import ConfigurationError
from tieout.rest.meter import Try

KEPT = 1_000
"""Tries that a client remembers."""
LOGGER = logging.getLogger("tieout.rest")
"""Each try at level DEBUG, one line."""


class Tries(list[Try]):
    """Tries, newest first. Its repr has one line for each of the first twenty."""

    def __repr__(self) -> str:
        lines = [repr(tried) for tried in self[:20]]
        if len(self) > 20:
            lines.append(f"and {len(self) - 20:,} more")
        return "\n".join(lines) if lines else "no tries"


class RequestLog:
    """The last tries of one client, in memory. A Meter: it is told of every try."""

    def __init__(self, kept: int = KEPT) -> None:
        self._lock = threading.Lock()
        self._tries: deque[Try] = deque(maxlen=kept)

    def record(self, tried: Try) -> None:
        with self._lock:
            self._tries.append(tried)
        if LOGGER.isEnabledFor(logging.DEBUG):
            LOGGER.debug("%s", tried)

    def search(
        self,
        *,
        status: int | None = None,
        error_id: str | None = None,
        support_id: str | None = None,
        path: str | None = None,
        object: str | None = None,
        entity: str | None = None,
        since: datetime | timedelta | None = None,
        limit: int | None = None,
    ) -> Tries:
        """The tries that fit all that is given, newest first.

        `status` 0 is no answer, 4 and 5 stand for all of their hundred. `path` is a part of it, `support_id` the
        beginning of one; case does not matter. `object` is what a request was about, a query too, whose path does not
        say it. `since` is an aware time, or how long ago at most. Raises UnknownNameError."""
        with self._lock:
            newest = list(reversed(self._tries))
        first = begin_of(since)
        wanted, about = (path or "").casefold(), catalogue.resolve(object) if object else None
        found = (
            tried
            for tried in newest
            if tried.time >= first
            and (status is None or status in (tried.status, tried.status // 100 or None))
            and (error_id is None or tried.error_id.casefold() == error_id.casefold())
            and (support_id is None or tried.support_id.casefold().startswith(support_id.casefold()))
            and wanted in tried.path.casefold()
            and about in (None, tried.object)
            and (entity is None or (tried.entity or "") == entity)
        )
        return Tries(_first(found, limit))

    def __len__(self) -> int:
        return len(self._tries)

    def __repr__(self) -> str:
        refused = sum(tried.status >= 400 for tried in self.search())
        silent = len(self.search(status=0))
        return f"RequestLog({len(self):,} tries, {refused:,} refused, {silent:,} without an answer)"


def begin_of(since: datetime | timedelta | None) -> float:
    """Unix time from which on a try is wanted. Raises ConfigurationError for a time without a zone."""
    if since is None:
        return 0.0
    if isinstance(since, timedelta):
        return datetime.now(UTC).timestamp() - since.total_seconds()
    if since.tzinfo is None:
        raise ConfigurationError(
            f"{since} has no time zone, so nobody can say which moment it means.",
            advice="Give an aware datetime, such as datetime.now(UTC), or a timedelta for how long ago.",
        )
    return since.timestamp()


def _first(tries: Iterable[Try], limit: int | None) -> list[Try]:
    found: list[Try] = []
    for tried in tries:
        if limit is not None and len(found) >= limit:
            break
        found.append(tried)
    return found
