"""Tables of one run side by side: a few threads for them, what each may have of the run, and the word to stop.

Knows threads; knows no table.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, Generic, TypeVar

R = TypeVar("R")

AT_ONCE = 4
"""Tables under way at once. More of them ask for no more pages, since the client bounds those; each holds rows."""
_LOOK = 0.2
"""Seconds after which the main thread looks up: on Windows Ctrl-C does not reach one that waits."""


class Stopped(KeyboardInterrupt):
    """The run is to end, for Ctrl-C or for what another table has met. It is answered as Ctrl-C is: what came is
    committed with its place."""


class Share:
    """What a table may have of a run in which others are read beside it. One for all of them, and for any thread."""

    def __init__(self) -> None:
        self.under_way = 1
        """Tables that are read now."""
        self.ending = False
        """Nothing more is to be asked for. What was asked for is taken, since it may have been paid for."""
        self._stopped: Future[None] = Future()
        self._lock = threading.Lock()

    def of(self, whole: int) -> int:
        """One table's part of what the run may have: places, bytes. At least 1."""
        return max(whole // self.under_way, 1)

    def end(self) -> None:
        """Every table is to ask for nothing more."""
        self.ending = True

    def stop(self) -> None:
        """Every table is to end at once, and wait for nothing that it has asked for."""
        with self._lock:
            self.ending = True
            if not self._stopped.done():
                self._stopped.set_result(None)

    def check(self) -> None:
        """Raises Stopped where nothing more is to be asked for."""
        if self.ending:
            raise Stopped

    def wait(self, answer: Future[R]) -> R:
        """The answer, or Stopped where the run is to end at once. Raises what it holds."""
        if not answer.done():
            either: tuple[Future[Any], ...] = (answer, self._stopped)
            wait(either, return_when=FIRST_COMPLETED)
        if self._stopped.done():
            raise Stopped
        return answer.result()


class Aside(Generic[R]):
    """One question on a thread of its own, beside what this thread does meanwhile. The thread is a daemon: whoever does
    not want the answer any more, does not wait for it."""

    def __init__(self, ask: Callable[[], R], share: Share) -> None:
        self._ask, self._share = ask, share
        self._answer: Future[R] | None = None
        self._since = 0.0

    @property
    def begun(self) -> bool:
        """Whether it was asked."""
        return self._answer is not None

    @property
    def seconds(self) -> float:
        """Since it was asked."""
        return time.monotonic() - self._since

    def begin(self) -> None:
        """Ask, the first time."""
        if self._answer is None:
            self._answer, self._since = Future(), time.monotonic()
            threading.Thread(target=fulfil, args=(self._answer, self._ask), name="tieout-aside", daemon=True).start()

    def answer(self) -> R:
        """After `begin`. Raises what the question raised, and Stopped."""
        assert self._answer is not None
        return self._share.wait(self._answer)


def fulfil(answer: Future[R], work: Callable[[], R]) -> None:
    """What `work` gives or raises becomes the answer, for the thread that waits for it."""
    try:
        answer.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
        answer.set_exception(error)


def abreast(tasks: Sequence[Callable[[], R]], most: int, share: Share) -> list[R]:
    """What all tasks give, in their order. At most `most` are under way at once; one at a time is this thread's work.

    What one of them raises ends the others and is raised after them: of several errors that of the first task. Ctrl-C
    stops them at once; a second one does not wait for them."""
    if most < 2 or len(tasks) < 2:
        return [task() for task in tasks]
    return _Abreast(tasks, share).run(min(most, len(tasks)))


class _Abreast(Generic[R]):
    def __init__(self, tasks: Sequence[Callable[[], R]], share: Share) -> None:
        self._tasks, self._share = tasks, share
        self._begun = self._ended = 0
        self._given: dict[int, R] = {}
        self._raised: dict[int, BaseException] = {}
        self._changed = threading.Condition()

    def run(self, most: int) -> list[R]:
        self._share.under_way = most
        try:
            for _ in range(most):
                # Daemons: whoever leaves with a second Ctrl-C does not wait for them.
                threading.Thread(target=self._work, name="tieout-table", daemon=True).start()
            self._await()
        except BaseException:
            self._share.stop()
            self._await()
            raise
        errors = [error for _, error in sorted(self._raised.items()) if not isinstance(error, Stopped)]
        if errors:
            raise errors[0]
        self._share.check()
        return [given for _, given in sorted(self._given.items())]

    def _await(self) -> None:
        # Tasks are waited for, not threads: a thread whose `join` was interrupted is taken for dead (CPython 3.11).
        with self._changed:
            while self._ended < self._begun or not self._no_more:
                self._changed.wait(_LOOK)

    @property
    def _no_more(self) -> bool:
        return self._share.ending or self._begun == len(self._tasks)

    def _work(self) -> None:
        while (at := self._next()) is not None:
            try:
                self._given[at] = self._tasks[at]()
            except BaseException as error:  # noqa: BLE001 - raised again by `run`, on the thread that asked
                self._raised[at] = error
                self._share.end()
            with self._changed:
                self._ended += 1
                self._changed.notify_all()

    def _next(self) -> int | None:
        with self._changed:
            if self._no_more:
                self._share.under_way = max(self._share.under_way - 1, 1)
                return None
            self._begun += 1
            return self._begun - 1
