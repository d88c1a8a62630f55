"""What an exchange asks of the world. A generator yields these; a driver performs them and sends back the answer.

Sync and async share every rule because the rules live in generators of effects; only the two drivers differ.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeAlias, TypeVar

import msgspec

from tieout.rest.call import Request
from tieout.rest.limiter import Limiter
from tieout.rest.limiter import NoPlace as NoPlace

T = TypeVar("T")


class Send(msgspec.Struct, frozen=True):
    """Send one request -> Reply. Raises NoAnswer. `timeout` in seconds, for this try."""

    request: Request
    timeout: float


class Sleep(msgspec.Struct, frozen=True):
    """Wait so many seconds -> None."""

    seconds: float


class Slot(msgspec.Struct, frozen=True):
    """Wait for a place -> Claim, to be released by the asker. Raises NoPlace after `timeout` seconds; None waits as
    long as it takes. No limiter: the company's concurrency."""

    limiter: Limiter | None = None
    timeout: float | None = None


class Work(msgspec.Struct, frozen=True):
    """Run a function that blocks (a database, a lock) -> its result. The async driver uses a thread."""

    function: Callable[[], Any]


class All(msgspec.Struct, frozen=True):
    """Run exchanges concurrently -> their results, in the order given. The first error stops the rest."""

    exchanges: Sequence[Generator[Any, Any, Any]]


class Stream(msgspec.Struct, frozen=True):
    """Hand a value to whoever iterates -> None. Only in exchanges that are iterated, not run."""

    value: Any


Effect: TypeAlias = Send | Sleep | Slot | Work | All | Stream
Exchange: TypeAlias = Generator[Effect, Any, T]


def through(exchange: Exchange[T], then: Callable[[Any], Exchange[None]]) -> Exchange[T]:
    """Run an exchange that streams, and instead of what it streams, what `then` makes of each value."""
    try:
        answer: Any = None
        error: BaseException | None = None
        while True:
            try:
                effect = exchange.throw(error) if error is not None else exchange.send(answer)
            except StopIteration as done:
                result: T = done.value
                return result
            answer, error = None, None
            if isinstance(effect, Stream):
                yield from then(effect.value)
                continue
            try:
                answer = yield effect
            except GeneratorExit:
                raise
            except BaseException as raised:  # noqa: BLE001 - every error belongs to the exchange inside
                error = raised
    finally:
        exchange.close()


class NoAnswer(Exception):
    """No usable reply came. `reason` is in plain words and holds no secret.

    `sent`: the request may have reached Intacct. `timeout`: time ran out. `reply`: something came, but not what HTTP
    promises. `again`: another try may go better."""

    def __init__(
        self, reason: str, *, sent: bool, timeout: bool = False, reply: bool = False, again: bool = True
    ) -> None:
        super().__init__(reason)
        self.reason, self.sent, self.timeout, self.reply, self.again = reason, sent, timeout, reply, again
