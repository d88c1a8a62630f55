"""Several requests under way at once, while one thread alone decides and writes.

Knows tasks, not what they do. With one place the task runs on the calling thread, which Ctrl-C interrupts at once.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from tieout.errors import TieoutError

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
        self._asked: queue.SimpleQueue[T | None] = queue.SimpleQueue()
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

    def landed_by_now(self, most: int) -> list[tuple[T, A]]:
        """The next task that has ended, waiting for it, and up to `most` in all that have ended by now. Only while any
        is under way."""
        found = [self.landed()]
        while len(found) < most and not self._answered.empty():
            found.append(self.landed())
        return found

    def close(self) -> None:
        """Let its threads end; tasks that begin later have new ones. Only while none is under way."""
        for _ in range(self._threads):
            self._asked.put(None)
        self._threads = 0

    def _run(self) -> None:
        while (task := self._asked.get()) is not None:
            try:
                answer: A | _Crashed = self._work(task)
            except BaseException as error:  # noqa: BLE001 - raised again on the thread that decides
                answer = _Crashed(error)
            self._answered.put((task, answer))


def together(places: int, questions: Sequence[Callable[[], A]]) -> list[A]:
    """The answers to questions, in their order; at most `places` are asked at once.

    After an error no further question is asked. When those under way have ended, the first error by the order of the
    questions is raised."""
    answers: dict[int, A | TieoutError] = {}

    def ask(position: int) -> A | TieoutError:
        try:
            return questions[position]()
        except TieoutError as error:
            return error

    flights: Flights[int, A | TieoutError] = Flights(min(places, len(questions)), ask)
    coming = iter(range(len(questions)))
    is_open = True
    while True:
        following = next(coming, None) if is_open and not flights.full else None
        if following is not None:
            flights.start(following)
            continue
        if not flights.under_way:
            break
        position, answer = flights.landed()
        answers[position] = answer
        is_open = is_open and not isinstance(answer, TieoutError)
    flights.close()
    found: list[A] = []
    for position in sorted(answers):
        answer = answers[position]
        if isinstance(answer, TieoutError):
            raise answer
        found.append(answer)
    return found
