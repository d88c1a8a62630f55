"""Questions under way: a rolling window of them, answered in the order they were asked. Knows threads, not pages.

A place is taken again as soon as an answer has arrived, not when it has been dealt with; and no more answers wait than
there is room for, so that memory stays bounded however slow the taker is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

A = TypeVar("A")
R = TypeVar("R")

WAITING = 2
"""Answers and questions waiting, for each place."""


class Ahead(Generic[A, R]):
    """Asks `fetch` on `places` threads. For one thread to use; `with` ends them: what has not been sent is not sent,
    what is under way is waited for."""

    def __init__(self, fetch: Callable[[A], R], places: int) -> None:
        self._fetch, self._room = fetch, places * (1 + WAITING)
        self._queue: deque[tuple[A, Future[R]]] = deque()
        self._pool = ThreadPoolExecutor(max_workers=places, thread_name_prefix="tieout-page")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def room(self) -> bool:
        """Whether another question may be asked."""
        return len(self._queue) < self._room

    def ask(self, question: A) -> None:
        """Ask it as soon as a place is free."""
        self._queue.append((question, self._pool.submit(self._fetch, question)))

    def next(self) -> tuple[A, R]:
        """The oldest question and its answer. Raises what `fetch` raised."""
        question, future = self._queue.popleft()
        return question, future.result()

    def drop(self) -> None:
        """Nobody wants what was asked so far."""
        for _, future in self._queue:
            future.cancel()
        self._queue.clear()
