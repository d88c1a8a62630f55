"""The two drivers: they perform effects, and hold no rule of their own.

Each always closes the exchange it drives, so that `finally` blocks run on errors, cancellation and Ctrl-C.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from tieout.rest.effects import All, Effect, Exchange, Send, Sleep, Slot, Stream, Work
from tieout.rest.limiter import Claim
from tieout.rest.transport import AsyncTransport, Transport

T = TypeVar("T")


class Places(Protocol):
    """Where claims are asked for: a limiter, or a client's way into its company's."""

    @property
    def ceiling(self) -> int: ...

    def take(self) -> Claim | None: ...

    def claim(self, notify: Callable[[], None]) -> Claim: ...


class SyncDriver:
    """Performs effects on the calling thread. `All` uses at most `limiter.ceiling` further threads."""

    def __init__(self, transport: Transport, limiter: Places) -> None:
        self.transport = transport
        self.limiter = limiter

    def run(self, exchange: Exchange[T]) -> T:
        """Drive an exchange to its result."""
        steps = self._steps(exchange)
        try:
            while True:
                next(steps)
                raise TypeError("this exchange streams: iterate it")
        except StopIteration as done:
            result: T = done.value
            return result
        finally:
            steps.close()

    def iterate(self, exchange: Exchange[None]) -> Iterator[Any]:
        """Drive an exchange lazily, yielding what it streams."""
        steps = self._steps(exchange)
        try:
            yield from steps
        finally:
            steps.close()

    def _steps(self, exchange: Exchange[T]) -> Generator[Any, None, T]:
        try:
            answer, error = None, None
            while True:
                try:
                    effect = exchange.throw(error) if error is not None else exchange.send(answer)
                except StopIteration as done:
                    result: T = done.value
                    return result
                answer, error = None, None
                if isinstance(effect, Stream):
                    yield effect.value
                    continue
                try:
                    answer = self._perform(effect)
                except BaseException as raised:  # noqa: BLE001 - every error belongs to the exchange, Ctrl-C too
                    error = raised
        finally:
            exchange.close()

    def _perform(self, effect: Effect) -> Any:
        match effect:
            case Send(request, timeout):
                return self.transport.send(request, timeout)
            case Sleep(seconds):
                return time.sleep(seconds)
            case Slot(limiter, timeout):
                return self._slot(limiter if limiter is not None else self.limiter, timeout)
            case Work(function):
                return function()
            case All(exchanges):
                return self._all(exchanges)
        raise TypeError(f"unknown effect {type(effect).__name__}")

    def _slot(self, limiter: Places, timeout: float | None) -> Claim:
        if (free := limiter.take()) is not None:
            return free
        told = threading.Event()
        claim = limiter.claim(told.set)
        try:
            end = None if timeout is None else claim.clock() + timeout
            while not claim.granted:
                told.wait(claim.next_look(end))
                told.clear()
                claim.look(end)
        except BaseException:
            claim.release()
            raise
        return claim

    def _all(self, exchanges: Any) -> list[Any]:
        waiting = list(exchanges)
        if len(waiting) == 1:
            return [self.run(waiting[0])]
        with ThreadPoolExecutor(max_workers=max(1, min(self.limiter.ceiling, len(waiting)))) as pool:
            futures = [pool.submit(self.run, exchange) for exchange in waiting]
            try:
                return [future.result() for future in futures]
            except BaseException:
                for exchange, future in zip(waiting, futures, strict=True):
                    if future.cancel():
                        exchange.close()
                raise


class AsyncDriver:
    """Performs effects on the running event loop; blocking work goes to a thread."""

    def __init__(self, transport: AsyncTransport, limiter: Places) -> None:
        self.transport = transport
        self.limiter = limiter

    async def run(self, exchange: Exchange[T]) -> T:
        """Drive an exchange to its result."""
        box: list[T] = []
        async for _ in self._steps(exchange, box):
            raise TypeError("this exchange streams: iterate it")
        return box[0]

    async def iterate(self, exchange: Exchange[None]) -> AsyncIterator[Any]:
        """Drive an exchange lazily, yielding what it streams."""
        steps = self._steps(exchange, [])
        try:
            async for value in steps:
                yield value
        finally:
            await steps.aclose()  # type: ignore[attr-defined]  # an async generator has aclose

    async def _steps(self, exchange: Exchange[T], box: list[T]) -> AsyncIterator[Any]:
        try:
            answer, error = None, None
            while True:
                try:
                    effect = exchange.throw(error) if error is not None else exchange.send(answer)
                except StopIteration as done:
                    box.append(done.value)
                    return
                answer, error = None, None
                if isinstance(effect, Stream):
                    yield effect.value
                    continue
                try:
                    answer = await self._perform(effect)
                except BaseException as raised:  # noqa: BLE001 - every error belongs to the exchange, cancellation too
                    error = raised
        finally:
            exchange.close()

    async def _perform(self, effect: Effect) -> Any:
        import asyncio  # here and below: a third of what importing the blocking client would cost

        match effect:
            case Send(request, timeout):
                return await self.transport.send(request, timeout)
            case Sleep(seconds):
                return await asyncio.sleep(seconds)
            case Slot(limiter, timeout):
                return await self._slot(limiter if limiter is not None else self.limiter, timeout)
            case Work(function):
                return await asyncio.to_thread(function)
            case All(exchanges):
                return await self._all(exchanges)
        raise TypeError(f"unknown effect {type(effect).__name__}")

    async def _slot(self, limiter: Places, timeout: float | None) -> Claim:
        import asyncio

        if (free := limiter.take()) is not None:
            return free
        loop = asyncio.get_running_loop()
        told = asyncio.Event()

        def notify() -> None:
            loop.call_soon_threadsafe(told.set)

        claim = limiter.claim(notify)
        try:
            end = None if timeout is None else claim.clock() + timeout
            while not claim.granted:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(claim.next_look(end)):
                        await told.wait()
                told.clear()
                claim.look(end)
        except BaseException:
            claim.release()
            raise
        return claim

    async def _all(self, exchanges: Any) -> list[Any]:
        import asyncio

        tasks = [asyncio.ensure_future(self.run(exchange)) for exchange in exchanges]
        try:
            return list(await asyncio.gather(*tasks))
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
