"""Ends a blocking request in time, however slowly the server trickles.

The HTTP library limits each read of a socket; a server that sends a byte a second passes that for hours. Here every
read and write of a thread's request gets what is left of its time. asyncio needs none of this: it cuts off by itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx2

PIECE = 16_384
"""Bytes written at once; the time left is looked at between pieces."""
READ = 262_144
"""Bytes read at once where as many are there. The library asks for 64 kB, and each piece of a large page passes through
all of its layers."""

_of_this_thread = threading.local()


@contextmanager
def until(end: float) -> Iterator[None]:
    """What this thread reads and writes meanwhile must be over at `end`, by the monotonic clock."""
    _of_this_thread.end = end
    try:
        yield
    finally:
        _of_this_thread.end = None


def keep_deadlines(client: httpx2.Client) -> None:
    """Make a client's connections, through proxies too, keep to `until`.

    The library's own parameter for this belongs to its lower half and would cost us its reading of proxy settings, so
    the one attribute that holds it is replaced; `tests/rest/test_sockets.py` notices if that stops working."""
    mounted = [client._transport, *(transport for transport in client._mounts.values() if transport is not None)]
    for transport in mounted:
        pool = getattr(transport, "_pool", None)
        backend = getattr(pool, "_network_backend", None)
        if backend is not None:
            pool._network_backend = _Backend(backend)  # type: ignore[union-attr]


def _left(timeout: float | None) -> float | None:
    end: float | None = getattr(_of_this_thread, "end", None)
    if end is None:
        return timeout
    left = max(0.000_001, end - time.monotonic())  # 0 would mean not to wait at all, and another error
    return left if timeout is None else min(timeout, left)


class _Backend:
    """Opens connections whose streams keep to the time left."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> _Stream:
        return _Stream(self._inner.connect_tcp(host, port, timeout=_left(timeout), **options))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Stream:
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = self._inner.read(max(max_bytes, READ), timeout=_left(timeout))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for at in range(0, len(buffer), PIECE):
            self._inner.write(buffer[at : at + PIECE], timeout=_left(timeout))

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> _Stream:
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout=_left(timeout)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)
