"""Answers that break the rules of HTTP: written past the server straight onto the connection, which is then closed.

It knows bytes and connections; why an answer is to be spoilt is the business of `faults`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from typing import Any

from tieout.simulator.delivery import Delivery
from tieout.simulator.http import Response

_CHUNKS = 20
"""Pieces a second of a slow body."""
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds: closing sends RST."""


def protocol() -> type[asyncio.Protocol]:
    """uvicorn's HTTP/1.1, with the connection in the scope as `transport`."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Protocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
            super().connection_made(transport)
            app = self.app

            async def with_transport(scope: Any, receive: Any, send: Any) -> None:
                await app({**scope, "transport": transport}, receive, send)

            self.app = with_transport

    return Protocol


async def spoilt(
    transport: asyncio.Transport,
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    reply: Response,
    delivery: Delivery,
) -> None:
    """Send what is left of an answer and close. Returns when the connection is gone."""
    if delivery.loss == "hang":
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_gone(receive), delivery.cap)
    elif delivery.loss == "reset":
        connection = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):  # whoever asked may have gone first
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    elif delivery.loss is None:
        await _write(transport, reply, delivery)
    transport.close()
    await _gone(receive)


async def _write(transport: asyncio.Transport, reply: Response, delivery: Delivery) -> None:
    headers = {**reply.headers, "connection": "close"}
    if delivery.length is not None:
        headers["content-length"] = str(delivery.length)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    reason = HTTPStatus(reply.status).phrase if reply.status in set(HTTPStatus) else "-"
    transport.write(f"HTTP/1.1 {reply.status} {reason}\r\n{lines}\r\n".encode("latin-1"))
    body = delivery.sent(reply.body)
    step = max(1, int(delivery.pace / _CHUNKS)) if delivery.pace else len(body) or 1
    for start in range(0, len(body), step):
        if transport.is_closing():
            return
        transport.write(body[start : start + step])
        if delivery.pace:
            await asyncio.sleep(step / delivery.pace)


async def _gone(receive: Callable[[], Awaitable[MutableMapping[str, Any]]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
