"""A vendor's server that keeps what its webhook is told, and programs that run beside the test."""

from __future__ import annotations

import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

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


def programs(code: str, *arguments: str, count: int = 1) -> list[Any]:
    """What so many processes that run `code` at once print, as JSON. Each waits for the others before it goes on past
    `input()`."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    for one in running:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in running:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    printed = [one.communicate(timeout=60)[0] for one in running]
    assert [one.returncode for one in running] == [0] * count
    return [msgspec.json.decode(text) for text in printed]
