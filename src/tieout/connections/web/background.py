"""Sends the webhook's events while a server runs. Knows no page."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from tieout.errors import TieoutError

if TYPE_CHECKING:
    from tieout.connections.registry import Connections

LOG = logging.getLogger("tieout.connect")


@contextlib.asynccontextmanager
async def delivering(connections: Connections, every: float = 5.0) -> AsyncIterator[None]:
    """Send what is due every so many seconds, for as long as the context lasts; never with 0. Any number of servers
    may do so at once."""
    task = asyncio.create_task(_deliver(connections, every)) if every > 0 else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _deliver(connections: Connections, every: float) -> None:
    while True:
        sent = 0
        try:
            sent = (await asyncio.to_thread(connections.webhooks.deliver, 1)).delivered  # one: a server stops soon
        except TieoutError as error:  # a database that is away for a while comes back
            LOG.warning("The webhook's events were not sent: %s", error)
        if not sent:
            await asyncio.sleep(every)
