"""Ctrl-C and cancelled tasks in the middle of batches under way at once: nothing known is lost, nothing posts twice."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator

import pytest

from tieout import Intacct
from tieout.rest import AsyncIntacct, BatchResult, InProcessTransport, Reply, Request
from tieout.rest.transport import AsyncInProcessTransport
from tieout.simulator import Simulator

DOOR = {
    "client_id": "demo-client",
    "client_secret": "demo-secret",
    "user": "admin",
    "company": "demo",
    "base_url": "http://127.0.0.1",
}
MINE = [{"id": f"C-{n:04}", "name": f"n{n}"} for n in range(2400)]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator("empty") as inner:
        yield inner


class Gate(InProcessTransport):
    """Lets the first posts through; those after do reach Intacct, and then `meet` before their answer is given."""

    def __init__(self, simulator: Simulator, free: int) -> None:
        super().__init__(simulator.answer)
        self.free = free
        self.lock = threading.Lock()
        self.held = threading.Event()
        self.opened = threading.Event()

    def send(self, request: Request, timeout: float) -> Reply:
        reply = super().send(request, timeout)
        if request.method == "POST" and request.url.endswith("/customer"):
            with self.lock:
                self.free -= 1
                stuck = self.free < 0
            if stuck:
                self.held.set()
                while not self.opened.wait(0.05):  # a signal that comes just before one wait ends the next
                    pass
        return reply


def check_rescued(simulator: Simulator, result: BatchResult | None, posted: int) -> None:
    """What was posted is known, what was under way is unknown, the rest was not sent; asking again settles it."""
    assert result is not None
    assert [o.state for o in result[:posted]] == ["posted"] * posted
    assert result.unknown
    assert result.unprocessed
    assert len(result.posted) + len(result.unknown) + len(result.unprocessed) == len(MINE)
    client = Intacct(**DOOR, transport=InProcessTransport(simulator.answer))
    settled = client.retry_unknown(result)
    assert not settled.unknown
    assert not settled.failed
    assert client.count("customers") == len(settled.posted)
    left = client.create_many("customers", [record for record, _ in settled.unprocessed])
    assert client.count("customers") == len(MINE) == len(settled.posted) + len(left.posted)


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_cancelled_task_hands_over_its_result(simulator: Simulator, at_once: int) -> None:
    async def cancelled() -> BatchResult | None:
        gate = Gate(simulator, free=2)
        client = AsyncIntacct(**DOOR, check=False, transport=AsyncInProcessTransport(gate))
        try:
            async with asyncio.timeout(None) as limit:
                asking = asyncio.to_thread(gate.held.wait, 30)
                waiting = asyncio.ensure_future(asking)
                waiting.add_done_callback(lambda _: limit.reschedule(0))
                await client.create_many("customers", MINE, in_flight=at_once)
        except TimeoutError as error:
            return BatchResult.rescued(error)
        finally:
            gate.opened.set()
        return None

    check_rescued(simulator, asyncio.run(cancelled()), 1000)


@pytest.mark.parametrize("at_once", [1, 2])
def test_ctrl_c_hands_over_its_result(simulator: Simulator, at_once: int) -> None:
    gate = Gate(simulator, free=2)
    client = Intacct(**DOOR, check=False, transport=gate)
    main = threading.main_thread().ident
    assert main is not None

    def press() -> None:
        gate.held.wait(30)
        signal.pthread_kill(main, signal.SIGINT)
        if at_once > 1:
            gate.opened.set()

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        client.create_many("customers", MINE, in_flight=at_once)
    gate.opened.set()
    presser.join()
    result = BatchResult.rescued(caught.value)
    assert result is not None
    if at_once == 1:
        check_rescued(simulator, result, 1000)
    else:  # what was under way on other threads was still answered
        assert len(result.posted) == 2000
        assert len(result.unprocessed) == 400
