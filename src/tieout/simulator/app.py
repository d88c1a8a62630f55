"""The doors with a port: the simulator as an ASGI application, and as a server in a thread of this process.

Both listen on 127.0.0.1 only and answer only requests whose Host says so, which keeps web pages out (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tieout.simulator.http import Request, Response, json_reply
from tieout.simulator.server import Simulator
from tieout.simulator.traffic import Exchange
from tieout.simulator.wire import protocol, spoilt

if TYPE_CHECKING:
    import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

WORKERS = 40
"""Requests that are worked on at once."""
KEPT_ALIVE = 75
"""Seconds that an idle connection stays open (INFERRED: the custom of gateways like Sage's)."""
HOST = "127.0.0.1"
API_PATH = "/ia/api/v1"
_OUR_HOST = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?", re.IGNORECASE)


class PortTakenError(Exception):
    """Something else listens on the port."""


def application(simulator: Simulator) -> Application:
    """The ASGI application. Requests are answered in threads, several at a time; one that only waits holds none."""
    pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="simulator")

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        target = scope["raw_path"].decode("latin-1")
        if query := scope["query_string"].decode("latin-1"):
            target += f"?{query}"
        body = await _body(receive)
        if body is None:
            return
        request = Request.of(scope["method"], target, headers, body)
        if not _OUR_HOST.fullmatch(headers.get("host", "")):
            reply = json_reply(400, {"error": f"This simulator answers to {HOST} and localhost only."})
        else:
            reply = await _drive(simulator.exchange(request), pool)
        if reply.delivery is None:
            await _send(send, reply)
        else:
            await spoilt(scope["transport"], receive, reply, reply.delivery)

    return door


async def _body(receive: Receive) -> bytes | None:
    """None where the sender has gone before all of it came: half a request is none."""
    parts = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts += message.get("body", b"")
        if not message.get("more_body", False):
            return bytes(parts)


async def _drive(exchange: Exchange, pool: ThreadPoolExecutor) -> Response:
    """Every step in a thread, every wait in the loop."""
    loop = asyncio.get_running_loop()
    while True:
        step = await loop.run_in_executor(pool, _step, exchange)
        if isinstance(step, Response):
            return step
        try:
            await asyncio.sleep(step)
        except asyncio.CancelledError:
            exchange.close()
            raise


def _step(exchange: Exchange) -> float | Response:
    try:
        return next(exchange)
    except StopIteration as stop:
        answer: Response = stop.value
        return answer


async def _send(send: Send, reply: Response) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; port 0 picks a free one. Raises PortTakenError."""
    # The protocol is named because asyncio turns Nagle's delay off for such sockets only: with it, every answer that
    # goes out in two pieces waits some 40 ms for its reader's acknowledgement.
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((HOST, port))
        taken.listen(512)
    except OSError as error:
        taken.close()
        raise PortTakenError(f"Port {port} on {HOST} cannot be used: {error.strerror}.") from None
    return taken


def server(simulator: Simulator) -> uvicorn.Server:
    """A server that says nothing unless something breaks, and leaves the Date header to the simulated clock."""
    import uvicorn

    return uvicorn.Server(_config(simulator))


def _config(simulator: Simulator) -> uvicorn.Config:
    import uvicorn

    return uvicorn.Config(
        application(simulator),
        http=protocol(),
        access_log=False,
        log_level="error",
        lifespan="off",
        date_header=False,
        server_header=False,
        timeout_keep_alive=KEPT_ALIVE,
        timeout_graceful_shutdown=1,
    )


class SimulatorThread:
    """A simulator behind a real port, in a thread: `with SimulatorThread(simulator) as running: running.url`.

    The simulator stays its maker's to close."""

    def __init__(self, simulator: Simulator, *, port: int = 0) -> None:
        self.simulator = simulator
        self._socket = listen(port)
        self.port: int = self._socket.getsockname()[1]
        from tieout.simulator.prompt import PromptServer

        self._server = PromptServer(_config(simulator))
        self._thread = threading.Thread(target=self._serve, name=f"simulator-{self.port}", daemon=True)

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`, without a path."""
        return f"http://{HOST}:{self.port}"

    @property
    def base_url(self) -> str:
        """What a client's `base_url` takes."""
        return self.url + API_PATH

    @property
    def credentials(self) -> dict[str, str]:
        """What signs in as admin of the first company; the names are those that `Intacct` takes."""
        client = next(iter(self.simulator.clients.values()))
        company = self.simulator.tenants()[0].company
        return {
            "base_url": self.base_url,
            "client_id": client.id,
            "client_secret": client.secret,
            "user": "admin" if "admin" in company.users else next(iter(company.users)),
            "company": company.name,
        }

    def __enter__(self) -> SimulatorThread:
        self.simulator.origin = self.url
        self._thread.start()  # the socket already listens: callers queue until the loop turns
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.stop()
        self._thread.join()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])
