"""Writes of several threads in one transaction: SQLite waits for the disk at each commit, and this waits once for all
that came meanwhile. Knows transactions and turns, not what is written.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from tieout.errors import StoreError

if TYPE_CHECKING:
    from sqlalchemy import Connection

T = TypeVar("T")


class _Job:
    """What one thread wants written, and what came of it."""

    def __init__(self, write: Callable[[Connection], Any]) -> None:
        self.write, self.context = write, copy_context()
        self.results: list[Any] = []
        """One, once it is committed."""
        self.refused: StoreError | None = None
        """Why no transaction was to be had."""


class Together:
    """The threads of a program that write to one file. In its `turn` a thread is the only one that writes; `begin` is a
    transaction, and takes the same turn."""

    def __init__(
        self,
        turn: Callable[[], AbstractContextManager[None]],
        begin: Callable[[], AbstractContextManager[Connection]],
    ) -> None:
        self._turn, self._begin = turn, begin
        self._lock = threading.Lock()
        self._waiting: list[_Job] = []

    @property
    def waiting(self) -> int:
        """How many threads wait for their turn."""
        return len(self._waiting)

    def write(self, write: Callable[[Connection], T]) -> T:
        """What `write` returns, committed. Where a write of the same transaction fails, nobody's is committed, and each
        is done again in a transaction of its own: what one fails of is its thread's to know."""
        job = _Job(write)
        with self._lock:
            self._waiting.append(job)
        with self._turn():
            # Whoever had the turn before has either done this job or failed to; it is not at it any more.
            if not job.results and job.refused is None:
                self._lead(job)
            if job.results:
                found: T = job.results[0]
                return found
            if job.refused is not None:
                raise StoreError(job.refused.message, advice=job.refused.advice)
            with self._begin() as connection:
                return write(connection)

    def _lead(self, job: _Job) -> None:
        """Do all that waits, if this job is among it and not alone."""
        with self._lock:
            if job not in self._waiting:
                return
            jobs, self._waiting = self._waiting, []
        if len(jobs) == 1:
            return
        results: list[Any] = []
        begun = False
        try:
            with self._begin() as connection:
                begun = True
                results += [job.context.run(job.write, connection) for job in jobs]
        except Exception as error:  # noqa: BLE001 - whose it is comes out where each is done alone
            for each in jobs:
                # Who waited in vain for another program does not do so again, one after another.
                each.refused = error if isinstance(error, StoreError) and not begun else None
            return
        for each, result in zip(jobs, results, strict=True):
            each.results.append(result)
