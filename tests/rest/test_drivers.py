"""The two drivers: same exchange, same result; slots given back; exchanges always closed."""

from __future__ import annotations

import asyncio
import signal
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.rest.drivers import AsyncDriver, SyncDriver
from tieout.rest.effects import All, Exchange, Slot, Stream, Work
from tieout.rest.limiter import Limiter, NoPlace
from tieout.rest.transport import AsyncInProcessTransport, InProcessTransport


def nowhere(*_: object) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, b"{}"


def sync_driver(limit: int = 2) -> SyncDriver:
    return SyncDriver(InProcessTransport(nowhere), Limiter(limit))


def async_driver(limit: int = 2) -> AsyncDriver:
    return AsyncDriver(AsyncInProcessTransport(InProcessTransport(nowhere)), Limiter(limit))


def both(make):
    """Run one exchange on each driver -> the two results."""
    yield sync_driver().run(make())
    yield asyncio.run(async_driver().run(make()))


class Gauge:
    """Counts how many are inside at once, and makes them meet."""

    def __init__(self, meet: int) -> None:
        self.inside = self.most = 0
        self.lock = threading.Lock()
        self.barrier = threading.Barrier(meet)

    def enter(self) -> None:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.barrier.wait(timeout=20)
        with self.lock:
            self.inside -= 1


def test_all_answers_in_order_and_never_exceeds_the_limit() -> None:
    gauges = []

    def one(number: int, gauge: Gauge) -> Exchange[int]:
        claim = yield Slot()
        try:
            yield Work(gauge.enter)
            return number
        finally:
            claim.release()

    def many() -> Exchange[list[int]]:
        gauge = Gauge(meet=2)
        gauges.append(gauge)
        return (yield All([one(n, gauge) for n in range(6)]))

    assert list(both(many)) == [[0, 1, 2, 3, 4, 5]] * 2
    assert [gauge.most for gauge in gauges] == [2, 2]


def test_an_error_in_one_reaches_the_asker_and_closes_the_rest() -> None:
    closed = []

    def failing() -> Exchange[None]:
        yield Work(lambda: None)
        raise LookupError("mine")

    def waiting(number: int) -> Exchange[None]:
        try:
            claim = yield Slot()
            claim.release()
        finally:
            closed.append(number)

    def many() -> Exchange[None]:
        yield All([failing(), waiting(1), waiting(2)])

    for driver in (lambda: sync_driver().run(many()), lambda: asyncio.run(async_driver().run(many()))):
        closed.clear()
        with pytest.raises(LookupError, match="mine"):
            driver()
        assert set(closed) <= {1, 2}


def test_leaving_an_iteration_early_runs_the_cleanup() -> None:
    done = []

    def numbers() -> Exchange[None]:
        try:
            for n in range(10):
                yield Stream(n)
        finally:
            done.append(True)

    for n in sync_driver().iterate(numbers()):
        if n == 3:
            break
    assert done == [True]

    async def early() -> None:
        stream = async_driver().iterate(numbers())
        async for n in stream:
            if n == 3:
                break
        await stream.aclose()

    asyncio.run(early())
    assert done == [True, True]


def test_a_cancelled_task_gives_its_slot_and_its_turn_back() -> None:
    async def scene() -> None:
        driver = async_driver(limit=1)
        turn = Limiter(1)
        hold = threading.Event()
        entered = asyncio.Event()
        loop = asyncio.get_running_loop()

        def holding() -> Exchange[None]:
            claim = yield Slot(turn)
            try:
                loop.call_soon_threadsafe(entered.set)
                yield Work(lambda: hold.wait(20))
            finally:
                claim.release()

        def queued() -> Exchange[str]:
            claim = yield Slot(turn)
            claim.release()
            return "through"

        first = asyncio.ensure_future(driver.run(holding()))
        await entered.wait()
        second = asyncio.ensure_future(driver.run(queued()))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        hold.set()
        await first
        assert await asyncio.wait_for(driver.run(queued()), 20) == "through"

    asyncio.run(scene())


def test_ctrl_c_while_waiting_for_a_slot_leaves_nobody_in_the_queue() -> None:
    driver = sync_driver(limit=1)
    held = driver.limiter.claim(lambda: None)

    def waiting() -> Exchange[None]:
        (yield Slot()).release()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            driver.run(waiting())
    finally:
        signal.signal(signal.SIGALRM, before)
    held.release()
    assert driver.limiter.claim(lambda: None).granted


def test_a_place_that_does_not_come_in_time_is_given_up_and_the_queue_forgets_the_asker() -> None:
    turn = Limiter(1)

    def waiting() -> Exchange[str]:
        try:
            claim = yield Slot(turn, timeout=0.01)
        except NoPlace:
            return "none came"
        claim.release()
        return "granted"

    held = turn.claim(lambda: None)
    assert list(both(waiting)) == ["none came", "none came"]
    held.release()
    assert list(both(waiting)) == ["granted", "granted"]


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(["claim", "release", "release"]), st.integers(0, 30)), max_size=80),
)
def test_the_limiter_never_grants_too_many_and_never_forgets_a_waiter(limit: int, moves) -> None:
    limiter = Limiter(limit)
    claims: list = []
    over: set[int] = set()
    told: list[int] = []
    for move, which in moves:
        if move == "claim":
            number = len(claims)
            claims.append(limiter.claim(lambda number=number: told.append(number)))
        elif claims:
            number = which % len(claims)
            claims[number].release()
            over.add(number)
        active = [c for i, c in enumerate(claims) if c.granted and i not in over]
        waiting = [c for i, c in enumerate(claims) if not c.granted and i not in over]
        assert len(active) <= limit
        assert not waiting or len(active) == limit, "a place is free while somebody waits"
    assert len(told) == len(set(told))
