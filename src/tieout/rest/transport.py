"""One request in, one reply out. The only module that knows the HTTP library.

A transport never follows a redirect (a bearer token belongs to one host) and never repeats a request.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from tieout.rest.body import ENCODING, MAX_REPLY, Body
from tieout.rest.call import Reply, Request
from tieout.rest.cutoff import keep_deadlines, until
from tieout.rest.effects import NoAnswer
from tieout.rest.trust import trusted

if TYPE_CHECKING:
    import httpx2

USER_AGENT = "tieout/0.1"
CONNECT_TIMEOUT = 10.0
"""Seconds to reach the host; a read may take longer, a handshake may not."""
MAX_CONNECTIONS = 64


class Transport(Protocol):
    """What the sync driver needs."""

    def send(self, request: Request, timeout: float) -> Reply:
        """-> Reply, or raises NoAnswer."""
        ...

    def close(self) -> None: ...


class AsyncTransport(Protocol):
    """What the async driver needs."""

    async def send(self, request: Request, timeout: float) -> Reply:
        """-> Reply, or raises NoAnswer."""
        ...

    async def close(self) -> None: ...


class HttpTransport:
    """HTTP over the network, keep-alive, gzip, one pool per client. Threads may share it. A reply of more than
    `max_reply` bytes, decompressed, is given up."""

    def __init__(self, max_reply: int = MAX_REPLY) -> None:
        self._max_reply = max_reply
        self._lock = threading.Lock()
        self._client: httpx2.Client | None = None

    def send(self, request: Request, timeout: float) -> Reply:
        import httpx2

        try:
            with until(time.monotonic() + timeout), self._open().stream(**_sendable(request, timeout)) as answer:
                body = _body(answer, self._max_reply)
                for chunk in answer.iter_raw():
                    body.add(chunk)
                return _reply(answer, body)
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
            raise _no_answer(error, timeout) from None

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _open(self) -> httpx2.Client:
        import httpx2

        with self._lock:
            if self._client is None:
                self._client = httpx2.Client(**_settings())
                keep_deadlines(self._client)
            return self._client


class AsyncHttpTransport:
    """The same for asyncio."""

    def __init__(self, max_reply: int = MAX_REPLY) -> None:
        self._max_reply = max_reply
        self._client: httpx2.AsyncClient | None = None

    async def send(self, request: Request, timeout: float) -> Reply:
        import asyncio

        import httpx2

        if self._client is None:
            self._client = httpx2.AsyncClient(**_settings())
        try:
            async with asyncio.timeout(timeout), self._client.stream(**_sendable(request, timeout)) as answer:
                body = _body(answer, self._max_reply)
                async for chunk in answer.aiter_raw():
                    body.add(chunk)
                return _reply(answer, body)
        except TimeoutError:
            raise NoAnswer("no complete answer in time", sent=True, timeout=True) from None
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError) as error:
            raise _no_answer(error, timeout) from None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


Answer = Callable[[str, str, Mapping[str, str], bytes], tuple[int, Mapping[str, str], bytes]]
"""(method, target, headers, body) -> (status, headers, body): a server without a network."""


class InProcessTransport:
    """Asks a function instead of a network: how `tieout.simulated()` needs no port."""

    def __init__(self, answer: Answer, close: Callable[[], None] | None = None) -> None:
        self._answer = answer
        self._close = close

    @property
    def place(self) -> Answer:
        """What tells this server from another at the same address."""
        return self._answer

    def send(self, request: Request, timeout: float) -> Reply:
        started = time.monotonic()
        target = "/" + request.url.split("://", 1)[-1].partition("/")[2]
        headers = {name.lower(): value for name, value in request.headers.items()}
        status, answered, body = self._answer(request.method, target, headers, request.body or b"")
        if time.monotonic() - started > timeout:  # a function cannot be cut off, but its answer came too late
            raise NoAnswer("no answer in time", sent=True, timeout=True)
        return Reply(status, {name.lower(): value for name, value in answered.items()}, body)

    def close(self) -> None:
        if self._close is not None:
            self._close()


class AsyncInProcessTransport:
    """The same for asyncio: the answer is computed in a thread."""

    def __init__(self, inner: InProcessTransport) -> None:
        self._inner = inner

    async def send(self, request: Request, timeout: float) -> Reply:
        import asyncio

        return await asyncio.to_thread(self._inner.send, request, timeout)

    async def close(self) -> None:
        self._inner.close()


def _settings() -> dict[str, Any]:
    import httpx2

    return {
        "follow_redirects": False,
        "headers": {"user-agent": USER_AGENT, "accept-encoding": ENCODING},
        "limits": httpx2.Limits(max_connections=MAX_CONNECTIONS),
        "verify": trusted(),
    }


def _sendable(request: Request, timeout: float) -> dict[str, Any]:
    import httpx2

    return {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "content": request.body,
        "timeout": httpx2.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
    }


def _body(answer: httpx2.Response, most: int) -> Body:
    return Body(answer.headers.get("content-encoding", ""), most)


def _reply(answer: httpx2.Response, body: Body) -> Reply:
    return Reply(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, body.whole())


def _no_answer(error: Exception, timeout: float) -> NoAnswer:
    """Was it sent? Only a failure to connect proves that it was not."""
    import httpx2

    if isinstance(error, httpx2.InvalidURL | httpx2.UnsupportedProtocol):
        return NoAnswer("the address is not a valid http(s) URL", sent=False, again=False)
    if isinstance(error, httpx2.LocalProtocolError | UnicodeError):
        # The library's words quote the header, which may be the token.
        return NoAnswer(
            "a header or the token holds a character it must not",
            sent=False,
            again=False,
        )
    if isinstance(error, httpx2.ConnectTimeout):
        return NoAnswer(f"no connection within {min(timeout, CONNECT_TIMEOUT):.3g} seconds", sent=False, timeout=True)
    if isinstance(error, httpx2.PoolTimeout):
        return NoAnswer("all connections were busy", sent=False, timeout=True)
    if isinstance(error, httpx2.ConnectError | httpx2.ProxyError):
        return NoAnswer(f"the connection failed ({_plain(error)})", sent=False)
    if isinstance(error, httpx2.TimeoutException):
        return NoAnswer("no answer in time", sent=True, timeout=True)
    return NoAnswer(f"the connection broke ({_plain(error)})", sent=True)


def _plain(error: Exception) -> str:
    text = str(error).strip()
    return text.split("\n", 1)[0][:120] if text else type(error).__name__
