"""Questions under way: a rolling window of them, answered in the order they were asked. Knows threads, not pages.

A place is taken again as soon as an answer has arrived, not when it has been dealt with; and no more answers wait than
there is room for, so that memory stays bounded however slow the taker is.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from types import TracebackType
from typing import Generic, Self, TypeVar

from tieout.pull.abreast import Share, fulfil

A = TypeVar("A")
R = TypeVar("R")

AT_THE_DOOR = 1
"""Questions that wait where the client counts places: one goes out as soon as an answer is there, not when whoever
asked for that has done with it."""
WAITING = 2
"""Answers and questions waiting, for each place."""


class Ahead(Generic[A, R]):
    """Asks `fetch` on a thread more than there are `places`, to which it has to keep itself; each begins when it is
    needed. For one thread to use; `with` ends them: what has not begun is not sent, what is under way is waited for,
    but not by somebody who leaves with Ctrl-C: the threads are daemons, and a page that nobody takes is read again.
    Where others read beside it, there is room for its `share` only."""

    def __init__(self, fetch: Callable[[A], R], places: int, share: Share | None = None) -> None:
        self._fetch, self._places = fetch, places
        self._share = share or Share()
        self._queue: deque[tuple[A, Future[R]]] = deque()
        self._asked: queue.SimpleQueue[tuple[A, Future[R]] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop()
        for _ in self._threads:
            self._asked.put(None)
        if kind is None or issubclass(kind, Exception):
            for thread in self._threads:
                thread.join()

    @property
    def room(self) -> bool:
        """Whether another question may be asked."""
        return not self._share.ending and len(self._queue) < self._share.of(self._places) * (1 + WAITING)

    @property
    def spare(self) -> bool:
        """Whether answers are waited for, but fewer than there are places."""
        waiting = sum(not future.done() for _, future in self._queue)
        return not self._share.ending and 0 < waiting < self._share.of(self._places)

    def ask(self, question: A) -> None:
        """Ask it as soon as a place is free."""
        future: Future[R] = Future()
        self._queue.append((question, future))
        self._asked.put((question, future))
        if len(self._threads) < min(self._places + AT_THE_DOOR, len(self._queue)):
            thread = threading.Thread(target=self._run, name="tieout-page", daemon=True)
            self._threads.append(thread)
            thread.start()

    def next(self) -> tuple[A, R]:
        """The oldest question and its answer. Raises what `fetch` raised, and Stopped."""
        if not self._queue:
            self._share.check()
        question, future = self._queue.popleft()
        return question, self._share.wait(future)

    def drop(self) -> None:
        """Nobody wants what was asked so far."""
        for _, future in self._queue:
            future.cancel()
        self._queue.clear()

    def _run(self) -> None:
        while (asked := self._asked.get()) is not None:
            question, future = asked
            if not future.set_running_or_notify_cancel():
                continue
            fulfil(future, partial(self._fetch, question))
