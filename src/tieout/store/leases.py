"""Leases: at most one run holds a name at a time, over all processes and machines that share the state database.

Knows names and holders, not what a run does.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING

from sqlalchemy import Column, Double, Integer, String, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from tieout.errors import BusyError, StoreError
from tieout.store.processes import has_ended, this_process
from tieout.store.tables import metadata

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from tieout.store.engine import Store

STALE_SECONDS = 60.0
"""A holder that was not heard of for so long is gone, and its lease may be taken over."""
HEARTBEAT_SECONDS = 15.0

_RENEW_SQLITE = "update leases set heard_at = ? where name = ? and holder = ?"
_RENEW_POSTGRESQL = "update leases set heard_at = extract(epoch from clock_timestamp()) where name = %s and holder = %s"

leases = Table(
    "leases",
    metadata,
    Column("name", String(1024), primary_key=True),
    Column("holder", String(36), nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process", String(255), comment="by which others on its machine see whether it lives; null: they cannot"),
    Column("since", String(32), nullable=False),
    Column("heard_at", Double, nullable=False),
    comment="Who runs what right now. `heard_at` is on the database's clock.",
)


class Lease:
    """A held name; a context manager. A thread keeps it alive, `assure` proves inside a transaction that it is ours.

    Entering raises BusyError where another living run holds the name. A holder is dead when it was silent for 60 s, or
    is a process of this machine, or of this container, that has ended."""

    def __init__(self, store: Store, name: str, what: str) -> None:
        self._store = store
        self._name = name
        self._what = what
        """What the name is for a reader: `push timesheets`."""
        self.holder = str(uuid.uuid4())
        self._beat = _Beat(store, self.assure)

    def __enter__(self) -> Lease:
        _take_all(self._store, [self])
        self._beat.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beat.stop()
        _give_back_all(self._store, [self], error)

    def assure(self, connection: Connection) -> None:
        """Renew inside the caller's transaction. Raises BusyError where another run has taken over: write nothing."""
        # By the driver itself, in one statement: a push does it for every request.
        mine: tuple[object, ...] = (self._name, self.holder)
        if self._store.dialect == "sqlite":
            renewed = connection.exec_driver_sql(_RENEW_SQLITE, (self._store.clock(connection), *mine))
        else:
            renewed = connection.exec_driver_sql(_RENEW_POSTGRESQL, mine)
        if renewed.rowcount != 1:
            raise BusyError(
                f"Another run has taken over {self._what}, because this one was silent for a minute.",
                advice="Let the other one finish; nothing is lost.",
            )

    def _take(self, connection: Connection) -> None:
        now = self._store.clock(connection)
        row = connection.execute(select(leases).where(leases.c.name == self._name).with_for_update()).one_or_none()
        if row is not None and not gone(row, now):
            raise BusyError(
                f"Another run of {self._what} is going on: process {row.pid} on {row.host}, since {row.since}.",
                advice="Wait for it to finish, or stop it; a run that died is replaced after a minute.",
            )
        values = {
            "holder": self.holder,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "process": this_process() or None,
            "since": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "heard_at": now,
        }
        if row is None:
            connection.execute(insert(leases).values(name=self._name, **values))
        else:
            connection.execute(update(leases).where(leases.c.name == self._name).values(**values))

    def _give_back(self, connection: Connection) -> None:
        connection.execute(delete(leases).where(leases.c.name == self._name, leases.c.holder == self.holder))


class Leases:
    """Several held names, all of them or none; a context manager. One thread keeps them alive; else as `Lease`."""

    def __init__(self, store: Store, names: Mapping[str, str]) -> None:
        """`names`: name -> what it is for a reader."""
        self._store = store
        # In one order for all runs, lest two wait for each other.
        self._held = [Lease(store, name, names[name]) for name in sorted(names)]
        self._beat = _Beat(store, self.assure)

    def __enter__(self) -> Leases:
        _take_all(self._store, self._held)
        self._beat.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beat.stop()
        _give_back_all(self._store, self._held, error)

    def assure(self, connection: Connection) -> None:
        """Renew all of them inside the caller's transaction. Raises BusyError as `Lease.assure`."""
        for lease in self._held:
            lease.assure(connection)


class _Beat:
    """Renews what is held, every 15 s, until it is stopped or lost."""

    def __init__(self, store: Store, assure: Callable[[Connection], None]) -> None:
        self._store, self._assure = store, assure
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tieout-lease", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            try:
                with self._store.begin() as connection:
                    self._assure(connection)
            except BusyError:
                return  # the run notices by itself before it writes again
            except StoreError:
                continue  # a busy or briefly unreachable database: the next beat may still be in time


def _take_all(store: Store, held: Sequence[Lease]) -> None:
    what = ""
    try:
        with store.begin() as connection:
            for lease in held:
                what = lease._what
                lease._take(connection)
    except IntegrityError:
        raise BusyError(f"Another run of {what} has just begun.", advice="Wait for it to finish.") from None


def _give_back_all(store: Store, held: Sequence[Lease], error: BaseException | None) -> None:
    try:
        with store.begin() as connection:
            for lease in held:
                lease._give_back(connection)
    except StoreError:
        if error is None:
            raise
        # The run's own error says more; a lease that stays is taken over when it is stale.


def gone(row: Row[tuple[object, ...]], now: float) -> bool:
    """Whether the holder of a row with `process` and `heard_at` is dead: silent for 60 s, or a process that this one
    could see and does not."""
    return now - row.heard_at > STALE_SECONDS or has_ended(row.process)
