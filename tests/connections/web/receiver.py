"""A vendor's server that keeps what its webhook is told, and programs that run beside the test."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from tests.forks import Forks
from tieout.connections.webhooks import verify_webhook

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtMTIz"


class Receiver:
    """`calls` are (headers, body) as they came; `events` what they say, if the signatures fit; `status` the answer."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        self.location = ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.calls.append((dict(self.headers), body))
                self.send_response(outer.status)
                if outer.location:
                    self.send_header("location", outer.location)
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?tenant=1"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [verify_webhook(headers, body, SECRET) for headers, body in self.calls]

    def told(self) -> list[tuple[str, str, str]]:
        """(type, name, reason) of every call, sorted."""
        return sorted((event["type"], event["data"]["name"], event["data"]["reason"]) for event in self.events)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def programs(forked: Forks, code: str, *arguments: str, count: int) -> list[Any]:
    """What so many processes that run `code` at once print, as JSON. Each waits for the others before it goes on past
    `input()`."""
    running = [forked.start(code, *arguments) for _ in range(count)]
    assert {forked.heard(one) for one in running} == {"ready"}
    for one in running:
        forked.say(one, "go")
    ends = [forked.wait(one) for one in running]
    assert {code for code, _ in ends} == {0}, ends
    return [msgspec.json.decode(said.splitlines()[-1]) for _, said in ends]
