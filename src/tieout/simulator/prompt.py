"""A server thread that stops when it is told to: uvicorn itself looks ten times a second, and pauses at the end."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import uvicorn

GRACE = 1.0
"""Seconds that answers under way have before their connections are closed."""


class PromptServer(uvicorn.Server):
    """`run` it in a thread of its own; `stop` may come from any other."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()

    def stop(self) -> None:
        """Returns at once; `run` returns when the connections are closed."""
        self.should_exit = True  # seen by a loop that has not begun
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._told.set)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        if not self.should_exit:
            await self._told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in (*self.servers, *(sockets or ())):
            listener.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()  # at once where it is idle, otherwise after its answer
        loop = asyncio.get_running_loop()
        give_up = loop.time() + GRACE
        while (self.server_state.connections or self.server_state.tasks) and loop.time() < give_up:
            await asyncio.sleep(0.002)
        for task in self.server_state.tasks:
            task.cancel()
        await self.lifespan.shutdown()
