"""Several requests under way at once, while one thread alone decides and writes.

Knows tasks, not what they do. With one place the task runs on the calling thread, which Ctrl-C interrupts at once.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
A = TypeVar("A")


class _Crashed:
    """A task that raised: a bug, not an answer."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Flights(Generic[T, A]):
    """At most `places` tasks at once. `start` begins one, `landed` gives (what was asked, answer) as they end.

    The threads are daemons: who leaves with Ctrl-C waits for none of them, and what they had sent is for the ledger's
    reader to settle. What `work` expects to go wrong it answers with; what it raises is raised by `landed`."""

    def __init__(self, places: int, work: Callable[[T], A]) -> None:
        self.places = max(1, places)
        self._work = work
        self._asked: queue.SimpleQueue[T] = queue.SimpleQueue()
        self._answered: queue.SimpleQueue[tuple[T, A | _Crashed]] = queue.SimpleQueue()
        self._threads = 0
        self.under_way = 0

    @property
    def full(self) -> bool:
        return self.under_way >= self.places

    def start(self, task: T) -> None:
        """Begin a task. Only where there is room."""
        self.under_way += 1
        if self.places == 1:
            self._answered.put((task, self._work(task)))
            return
        if self._threads < min(self.places, self.under_way):
            threading.Thread(target=self._run, name="tieout-push", daemon=True).start()
            self._threads += 1
        self._asked.put(task)

    def landed(self) -> tuple[T, A]:
        """The next task that has ended; waits for it. Only while any is under way."""
        task, answer = self._answered.get()
        self.under_way -= 1
        if isinstance(answer, _Crashed):
            raise answer.error
        return task, answer

    def _run(self) -> None:
        while True:
            task = self._asked.get()
            try:
                answer: A | _Crashed = self._work(task)
            except BaseException as error:  # noqa: BLE001 - raised again on the thread that decides
                answer = _Crashed(error)
            self._answered.put((task, answer))
