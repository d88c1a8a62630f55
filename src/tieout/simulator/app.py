"""The doors with a port: the simulator as an ASGI application, and as a server in a thread of this process.

Both listen on 127.0.0.1 only and answer only requests whose Host says so, which keeps web pages out (DNS rebinding).
"""

from __future__ import annotations

import re
import socket
import threading
from types import TracebackType
from typing import TYPE_CHECKING

from tieout.simulator.http import Request, json_reply
from tieout.simulator.server import Simulator

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

HOST = "127.0.0.1"
API_PATH = "/ia/api/v1"
_OUR_HOST = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?", re.IGNORECASE)


class PortTakenError(Exception):
    """Something else listens on the port."""


def application(simulator: Simulator) -> Starlette:
    """The ASGI application. Requests are answered in the thread pool, several at a time."""
    from starlette.applications import Starlette
    from starlette.concurrency import run_in_threadpool
    from starlette.requests import Request as Incoming
    from starlette.responses import Response as Outgoing
    from starlette.routing import Route

    async def door(incoming: Incoming) -> Outgoing:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in incoming.scope["headers"]}
        if not _OUR_HOST.fullmatch(headers.get("host", "")):
            reply = json_reply(400, {"error": f"This simulator answers to {HOST} and localhost only."})
        else:
            target = incoming.scope["raw_path"].decode("latin-1")
            if query := incoming.scope["query_string"].decode("latin-1"):
                target += f"?{query}"
            request = Request.of(incoming.method, target, headers, await incoming.body())
            reply = await run_in_threadpool(simulator.handle, request)
        return Outgoing(reply.body, reply.status, headers=reply.headers)

    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    return Starlette(routes=[Route("/{rest:path}", door, methods=methods)])


def listen(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; port 0 picks a free one. Raises PortTakenError."""
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
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

    config = uvicorn.Config(
        application(simulator),
        access_log=False,
        log_level="error",
        lifespan="off",
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    return uvicorn.Server(config)


class SimulatorThread:
    """A simulator behind a real port, in a thread: `with SimulatorThread(simulator) as running: running.url`.

    The simulator stays its maker's to close."""

    def __init__(self, simulator: Simulator, *, port: int = 0) -> None:
        self.simulator = simulator
        self._socket = listen(port)
        self.port: int = self._socket.getsockname()[1]
        self._server = server(simulator)
        self._thread = threading.Thread(target=self._serve, name=f"simulator-{self.port}", daemon=True)

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`, without a path."""
        return f"http://{HOST}:{self.port}"

    @property
    def base_url(self) -> str:
        """What a client's `base_url` takes."""
        return self.url + API_PATH

    def __enter__(self) -> SimulatorThread:
        self.simulator.origin = self.url
        self._thread.start()  # the socket already listens: callers queue until the loop turns
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])
