"""The log of requests in the state database: bounded, written in the background, never in a call's way.

A try that cannot be written, because the database is busy or full, is lost and counted; a call never fails of it. What
a try holds, and that it holds no secret, is the REST room's business.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from tieout import catalogue
from tieout.rest import Reply, Request, Tries, Try
from tieout.rest.log import begin_of
from tieout.rest.transport import AsyncInProcessTransport, AsyncTransport, InProcessTransport, Transport
from tieout.store import Store

PAUSE = 1.0
"""Seconds between two writes; a program that is killed loses at most so much of its log."""
LONGEST_QUEUE = 10_000
"""Tries that wait to be written; beyond them the oldest are lost."""
LAST_WORDS = 2.0
"""Seconds that closing waits for the last write."""
KEPT_ROWS = 100_000
KEPT_DAYS = 30
TRIM_EVERY = 5_000
"""Rows written between two looks for what is too old or too many."""
FACTS = tuple(name for name in Try.__struct_fields__ if name not in ("entity", "company"))
_DAY = 86_400.0


class Writer:
    """Writes the tries of any number of companies down, in one thread. Threads may share it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._queue: deque[tuple[dict[str, str], Try]] = deque(maxlen=LONGEST_QUEUE)
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._until_trim = 0
        self.lost = 0
        """Tries that could not be written."""

    def put(self, company: dict[str, str], tried: Try) -> None:
        """Queue a try of a company, `environment` and `company`. Neither waits nor raises."""
        with self._lock:
            if len(self._queue) == LONGEST_QUEUE:
                self.lost += 1
            self._queue.append((company, tried))
            if self._thread is None:
                self._thread = threading.Thread(target=self._write, name="tieout-requests", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Write what is left, within two seconds. It can be used again afterwards."""
        self._closing.set()
        thread = self._thread
        if thread is not None:
            thread.join(LAST_WORDS)
        self._closing.clear()

    def _write(self) -> None:
        while True:
            self._closing.wait(PAUSE)
            with self._lock:
                batch = list(self._queue)
                self._queue.clear()
                if not batch:
                    self._thread = None
                    return
            try:
                self._keep(batch)
            except Exception:  # noqa: BLE001 - whatever is wrong with the database, it is no call's business
                self.lost += len(batch)

    def _keep(self, batch: list[tuple[dict[str, str], Try]]) -> None:
        from sqlalchemy import insert

        from tieout.store.tables import requests

        rows = [
            company | {"entity": tried.entity or ""} | {name: _fitting(getattr(tried, name)) for name in FACTS}
            for company, tried in batch
        ]
        with self._store.begin() as connection:
            connection.execute(insert(requests), rows)
            self._until_trim -= len(rows)
            if self._until_trim < 0:
                _trim(connection, batch[-1][1].time)
                self._until_trim = TRIM_EVERY


class StoredLog:
    """A Meter that writes the tries of one company's clients down. Threads may share it."""

    def __init__(self, store: Store, environment: str, company: str, *, writer: Writer | None = None) -> None:
        """A `writer` given stays its maker's, who closes it."""
        self._company = {"environment": environment, "company": company}
        self._own = writer is None
        self._writer = writer or Writer(store)

    @property
    def lost(self) -> int:
        """Tries that could not be written, of all companies of the writer."""
        return self._writer.lost

    def record(self, tried: Try) -> None:
        """Queue it. Neither waits nor raises."""
        self._writer.put(self._company, tried)

    def close(self) -> None:
        """Write what is left, within two seconds. It can be used again afterwards."""
        if self._own:
            self._writer.close()


class Logged:
    """A transport whose closing writes the rest of the log first, and calls `closing` last, which may close the
    database."""

    def __init__(self, inner: Transport, log: StoredLog, closing: Callable[[], None] | None = None) -> None:
        self._inner, self._log, self._closing = inner, log, closing
        self.place = getattr(inner, "place", None)

    def send(self, request: Request, timeout: float) -> Reply:
        return self._inner.send(request, timeout)

    def close(self) -> None:
        self._log.close()
        self._inner.close()
        if self._closing is not None:
            self._closing()


class AsyncLogged:
    """The same for asyncio; what waits for the database waits in a thread."""

    def __init__(
        self,
        inner: AsyncTransport | InProcessTransport,
        log: StoredLog,
        closing: Callable[[], None] | None = None,
    ) -> None:
        self._inner = AsyncInProcessTransport(inner) if isinstance(inner, InProcessTransport) else inner
        self._log, self._closing = log, closing
        self.place = getattr(inner, "place", None)

    async def send(self, request: Request, timeout: float) -> Reply:
        return await self._inner.send(request, timeout)

    async def close(self) -> None:
        import asyncio

        await asyncio.to_thread(self._log.close)
        await self._inner.close()
        if self._closing is not None:
            await asyncio.to_thread(self._closing)


def search(
    store: Store,
    *,
    status: int | None = None,
    error_id: str | None = None,
    support_id: str | None = None,
    path: str | None = None,
    object: str | None = None,
    entity: str | None = None,
    company: str | None = None,
    since: datetime | timedelta | None = None,
    limit: int | None = None,
) -> Tries:
    """The logged tries that fit all that is given, newest first; of every company, unless one is named. As
    RequestLog.search."""
    from sqlalchemy import func, or_, select

    from tieout.store.tables import requests

    table = requests.c
    wanted: list[Any] = [table.time >= begin_of(since)]
    if status is not None:
        of_hundred = [table.status.between(status * 100, status * 100 + 99)] if status else []
        wanted.append(or_(table.status == status, *of_hundred))
    if error_id is not None:
        wanted.append(func.lower(table.error_id) == error_id.lower())
    if support_id is not None:
        wanted.append(func.lower(table.support_id).startswith(support_id.lower(), autoescape=True))
    if path:
        wanted.append(func.lower(table.path).contains(path.lower(), autoescape=True))
    if object:
        wanted.append(table.object == catalogue.resolve(object))
    if entity is not None:
        wanted.append(table.entity == entity)
    if company is not None:
        wanted.append(func.lower(table.company) == company.lower())
    query = select(requests).where(*wanted).order_by(table.time.desc(), table.id.desc()).limit(limit)
    with store.read() as connection:
        rows = connection.execute(query).mappings().all()
    return Tries(
        Try(entity=row["entity"] or None, company=row["company"], **{name: row[name] for name in FACTS}) for row in rows
    )


def _trim(connection: Any, now: float) -> None:
    from sqlalchemy import delete, func, select

    from tieout.store.tables import requests

    newest = connection.execute(select(func.max(requests.c.id))).scalar() or 0
    old = (requests.c.id <= newest - KEPT_ROWS) | (requests.c.time < now - KEPT_DAYS * _DAY)
    connection.execute(delete(requests).where(old))


def _fitting(value: Any) -> Any:
    """Texts as long as their column, without what PostgreSQL refuses in one."""
    return value.replace("\0", "")[:255] if isinstance(value, str) else value
