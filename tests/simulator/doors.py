"""One way to ask each of the three doors, so that one suite can ask them all."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from tieout.simulator.app import SimulatorThread
from tieout.simulator.delivery import LostAnswerError
from tieout.simulator.server import Simulator

API = "/ia/api/v1"
DOORS = ("in process", "thread", "stand-alone")


class Lost(Exception):
    """No complete answer. `timeout`: the caller's patience ended."""

    def __init__(self, *, timeout: bool) -> None:
        self.timeout = timeout


class Answer(msgspec.Struct):
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Door:
    """Asks, signed in as admin of `demo`. `timeout` in seconds."""

    def __init__(self) -> None:
        self.timeout = 10.0
        self.headers: dict[str, str] = {}

    def sign_in(self) -> None:
        form = b"grant_type=client_credentials&client_id=demo-client&client_secret=demo-secret&username=admin@demo"
        reply = self.send("POST", f"{API}/oauth2/token", {"content-type": "application/x-www-form-urlencoded"}, form)
        self.headers = {"authorization": f"Bearer {reply.json()['access_token']}"}

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """-> Answer, or raises Lost."""
        raise NotImplementedError

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One call of the API; `headers` with underscores."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.send(method, API + path, {"content-type": "application/json", **self.headers, **named}, content)

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One control request, which must succeed."""
        content = b"" if body is None else json.dumps(body).encode()
        reply = self.send(method, f"/_simulator/{path}", {"content-type": "application/json"}, content)
        assert reply.status < 300, reply.body
        return reply.json()

    def fault(self, **rule: Any) -> int:
        ids: list[int] = self.control("POST", "faults", rule)["ids"]
        return ids[0]

    def requests(self, query: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.control("GET", f"requests{query}")["requests"]
        return found


class InProcess(Door):
    def __init__(self, simulator: Simulator) -> None:
        super().__init__()
        self._simulator = simulator

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        try:
            return Answer(*self._simulator.answer(method, target, headers, body, self.timeout))
        except LostAnswerError as lost:
            raise Lost(timeout=lost.timeout) from None


class Port(Door):
    """A new connection for each request."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port

    def send(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        try:
            connection.request(method, target, body or None, dict(headers))
            reply = connection.getresponse()
            content = reply.read()
            return Answer(reply.status, {name.lower(): value for name, value in reply.getheaders()}, content)
        except TimeoutError:
            raise Lost(timeout=True) from None
        except (OSError, http.client.HTTPException):
            raise Lost(timeout=False) from None
        finally:
            connection.close()


@contextmanager
def stand_alone(*arguments: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """`tieout simulate` as a program of its own, and its port."""
    command = [sys.executable, "-m", "tieout", "simulate", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:(\d+)", first)
            assert found, (first, process.stderr and process.stderr.read())
            yield int(found[1]), process
            process.terminate()
            _, complaints = process.communicate(timeout=20)
            assert complaints == ""
        finally:
            process.kill()


@contextmanager
def opened(which: str) -> Iterator[Door]:
    """An empty company behind one of DOORS."""
    if which == "in process":
        with Simulator("empty") as simulator:
            yield InProcess(simulator)
    elif which == "thread":
        with Simulator("empty") as simulator, SimulatorThread(simulator) as server:
            yield Port(server.port)
    else:
        with stand_alone("--seed", "empty") as (port, _):
            yield Port(port)
