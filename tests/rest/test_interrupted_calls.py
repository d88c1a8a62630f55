"""Ctrl-C and cancellation in the middle of a call: what was sent and not answered is told as unknown."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.rest.conftest import World, json_reply, session
from tests.rest.test_attempts import LOST, read, run, write
from tieout import AsyncIntacct
from tieout.errors import (
    OutcomeUnknownError,
    ReplyError,
    left_unknown,
)
from tieout.rest.call import Reply, Request
from tieout.rest.effects import NoAnswer
from tieout.rest.perform import perform


def interrupted_at(call: Any, *before: Any) -> BaseException:
    """Ctrl-C in the middle of the last try, thrown into the exchange as a driver does."""

    def ctrl_c(_: Request) -> Reply:
        raise KeyboardInterrupt

    world = World(*before, ctrl_c)
    exchange = perform(session(world), call)
    with pytest.raises(KeyboardInterrupt) as pressed:
        world.run(exchange)
    with pytest.raises(KeyboardInterrupt) as caught:
        exchange.throw(pressed.value)
    return caught.value


def test_ctrl_c_after_a_write_was_sent_carries_what_settles_it_and_after_a_read_nothing() -> None:
    unknown = left_unknown(interrupted_at(write("mine")))
    assert unknown is not None
    assert unknown.idempotency_key == "mine"
    assert left_unknown(interrupted_at(read())) is None
    assert left_unknown(interrupted_at(write("mine"), LOST)) is not None


def test_a_cancelled_or_timed_out_task_tells_what_became_of_its_write() -> None:
    class Hanging:
        def __init__(self) -> None:
            self.sent = asyncio.Event()

        async def send(self, request: Request, timeout: float) -> Reply:
            if "oauth2" in request.url:
                return json_reply(200, '{"access_token":"t"}')
            self.sent.set()
            await asyncio.Event().wait()
            raise AssertionError

        async def close(self) -> None: ...

    async def scene() -> None:
        wire = Hanging()
        given = {"client_id": "c", "client_secret": "s", "user": "u", "company": "co"}
        async with AsyncIntacct(**given, transport=wire, concurrency=1) as it:
            task = asyncio.ensure_future(it.call(write("mine")))
            await wire.sent.wait()
            queued = asyncio.ensure_future(it.call(write("later")))
            await asyncio.sleep(0)
            queued.cancel()
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            unknown = left_unknown(caught.value)
            assert unknown is not None
            assert unknown.idempotency_key == "mine"
            with pytest.raises(asyncio.CancelledError) as never:
                await queued
            assert left_unknown(never.value) is None, "it was still waiting for its turn"
            with pytest.raises(TimeoutError) as late:
                async with asyncio.timeout(0.01):
                    await it.call(write("again"))
            assert left_unknown(late.value) is not None

    asyncio.run(scene())


def test_a_reply_that_never_fits_names_what_to_change() -> None:
    too_big = NoAnswer("the reply is larger than 10 bytes", sent=True, reply=True, again=False)
    world = World(too_big)
    with pytest.raises(ReplyError, match="max_reply"):
        run(world, read())
    assert len(world.sent) == 1
    with pytest.raises(OutcomeUnknownError):
        run(World(too_big), write())
