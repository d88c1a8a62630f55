"""The limiter: never too many, nobody forgotten, whatever falls, rises, is cancelled or held in between."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tieout.rest.drivers import AsyncDriver, SyncDriver
from tieout.rest.effects import Exchange, Slot, Work
from tieout.rest.limiter import STEADY, STEADY_ANSWERS, Claim, Limiter, NoPlace, Signal
from tieout.rest.transport import AsyncInProcessTransport, InProcessTransport

BRAKE = Signal(brake=True)
EASE = Signal(ease=True)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Watched:
    """A limiter with three clients, and what a bystander knows of it."""

    def __init__(self, limit: int, mosts: list[int]) -> None:
        self.clock = Clock()
        self.limiter = Limiter(limit, clock=self.clock)
        self.shares = [self.limiter.share(most) for most in mosts]
        self.claims: list[tuple[int, Claim]] = []
        self.over: set[int] = set()
        self.told: set[int] = set()
        self.seen: set[int] = set()

    def claim(self, share: int) -> None:
        number = len(self.claims)
        claim = self.shares[share].take() if number % 3 else None
        claim = claim or self.shares[share].claim(lambda: self.told.add(number))
        self.claims.append((share, claim))
        if claim.granted:
            self.told.add(number)

    def active(self, share: int | None = None) -> list[int]:
        return [n for n, (s, c) in self.claims_left() if c.granted and share in (None, s)]

    def waiting(self, share: int) -> list[int]:
        return [n for n, (s, c) in self.claims_left() if not c.granted and s == share]

    def claims_left(self) -> list[tuple[int, tuple[int, Claim]]]:
        return [(n, each) for n, each in enumerate(self.claims) if n not in self.over]

    def check(self) -> None:
        new = [n for n in self.active() if n not in self.seen]
        self.seen.update(new)
        limiter = self.limiter
        assert 1 <= limiter.limit <= limiter.ceiling
        if new:
            assert not limiter.held, "granted while the server wanted quiet"
            assert len(self.active()) <= limiter.limit, "granted above the limit"
        for number, share in enumerate(self.shares):
            earlier = [n for n in self.waiting(number) if new and n < max(new)]
            assert not earlier or len(self.active(number)) == share.ceiling, "another client overtook"
            assert len(self.active(number)) <= share.ceiling, "a client has more than it wanted"
            waiting, granted = self.waiting(number), self.active(number)
            assert not waiting or not granted or max(granted) < min(waiting), "overtaken"
            free = len(self.active()) < limiter.limit and len(granted) < share.ceiling
            assert not waiting or not free or limiter.held, "a place is free while somebody waits"
        assert all(n in self.told for n in self.active()), "granted and not told"

    def look(self) -> None:
        """What drivers do when a hold is over."""
        if not self.limiter.held:
            self.limiter.wake()


MOVES = st.one_of(
    st.tuples(st.just("claim"), st.integers(0, 2)),
    st.tuples(st.just("claim"), st.integers(0, 2)),
    st.tuples(st.just("release"), st.integers(0, 60)),
    st.tuples(st.just("brake"), st.integers(0, 60)),
    st.tuples(st.just("hold"), st.integers(0, 60)),
    st.tuples(st.just("ease"), st.integers(0, 60)),
    st.tuples(st.just("steady"), st.integers(0, 60)),
    st.tuples(st.just("pass"), st.integers(1, 9)),
)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 4), st.lists(st.integers(1, 6), min_size=3, max_size=3), st.lists(MOVES, max_size=120))
def test_never_too_many_nobody_overtaken_nobody_forgotten(limit: int, mosts: list[int], moves: Any) -> None:
    world = Watched(limit, mosts)
    for move, which in moves:
        if move == "claim":
            world.claim(which)
        elif move == "pass":
            world.clock.now += which
            world.look()
        elif world.claims:
            number = which % len(world.claims)
            claim = world.claims[number][1]
            if move == "release":
                world.over.add(number)
                claim.release()
            elif claim.granted:
                signal = {"brake": BRAKE, "hold": Signal(brake=True, wait=which % 7), "ease": EASE, "steady": STEADY}
                for _ in range(STEADY_ANSWERS if move == "steady" else 1):
                    claim.answered(signal[move])
        world.check()
    # However it went: once the quiet is over and places are given back, everyone gets a turn.
    for _ in range(len(world.claims) + 1):
        world.clock.now += 100
        world.look()
        for number in world.active():
            world.over.add(number)
            world.claims[number][1].release()
        world.check()
    assert not world.claims_left()


def test_one_burst_of_complaints_halves_once_and_recovery_is_slow_and_ends_at_the_ceiling() -> None:
    limiter = Limiter(8)
    burst = [limiter.claim(lambda: None) for _ in range(8)]
    for claim in burst:
        claim.answered(BRAKE)
    assert limiter.limit == 4
    for claim in burst:
        claim.release()
    later = limiter.claim(lambda: None)
    later.answered(BRAKE)
    assert limiter.limit == 2
    for _ in range(STEADY_ANSWERS - 1):
        later.answered(STEADY)
    assert limiter.limit == 2
    later.answered(STEADY)
    assert limiter.limit == 3
    for _ in range(STEADY_ANSWERS * 20):
        later.answered(STEADY)
    assert limiter.limit == 8


def test_it_never_falls_below_one() -> None:
    limiter = Limiter(2)
    for signal in (BRAKE, EASE, BRAKE):
        claim = limiter.claim(lambda: None)
        claim.answered(signal)
        claim.release()
    assert limiter.limit == 1


def test_a_waiter_whose_loop_is_gone_gives_its_place_on() -> None:
    limiter = Limiter(1)

    def gone() -> None:
        raise RuntimeError("Event loop is closed")

    held = limiter.claim(lambda: None)
    for _ in range(2000):  # more than any recursion could bear
        limiter.claim(gone)
    told: list[bool] = []
    last = limiter.claim(lambda: told.append(True))
    held.release()
    assert last.granted
    assert told == [True]


def nowhere(*_: object) -> tuple[int, dict[str, str], bytes]:
    return 200, {}, b"{}"


def test_threads_and_tasks_wait_in_one_queue_through_holds_and_falling_limits() -> None:
    limiter = Limiter(3)
    lock = threading.Lock()
    inside = most = done = 0

    def enter() -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)

    def leave() -> None:
        nonlocal inside, done
        with lock:
            inside -= 1
            done += 1

    def work(number: int) -> Exchange[None]:
        claim = yield Slot()
        try:
            yield Work(enter)
            claim.answered(Signal(brake=True, wait=0.002) if number % 10 == 3 else STEADY)
            yield Work(leave)
        finally:
            claim.release()

    transport = InProcessTransport(nowhere)

    def thread(first: int) -> None:
        driver = SyncDriver(transport, limiter)
        for number in range(first, first + 20):
            driver.run(work(number))

    async def tasks() -> None:
        driver = AsyncDriver(AsyncInProcessTransport(transport), limiter)
        running = [asyncio.ensure_future(driver.run(work(number))) for number in range(60)]
        await asyncio.sleep(0)
        for task in running[::7]:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    threads = [threading.Thread(target=thread, args=(20 * n,)) for n in range(4)]
    threads.append(threading.Thread(target=lambda: asyncio.run(tasks())))
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=30)
    assert not any(each.is_alive() for each in threads), "somebody was never woken"
    assert most <= 3
    assert done >= 80 + 60 - 9
    limiter.wake()
    assert limiter.claim(lambda: None).granted or limiter.held


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_hold_that_outlasts_patience_says_how_long_it_still_is(asynchronous: bool) -> None:
    limiter = Limiter(2)
    first = limiter.claim(lambda: None)
    first.answered(Signal(brake=True, wait=500))
    first.release()

    def waiting() -> Exchange[float]:
        try:
            yield Slot(timeout=0.01)
        except NoPlace as crowded:
            return crowded.held
        return -1

    transport = InProcessTransport(nowhere)
    if asynchronous:
        held = asyncio.run(AsyncDriver(AsyncInProcessTransport(transport), limiter).run(waiting()))
    else:
        held = SyncDriver(transport, limiter).run(waiting())
    assert 400 < held <= 500
