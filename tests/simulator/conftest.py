"""A simulator without a port, and a caller that is signed in to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tieout.simulator.clock import Clock
from tieout.simulator.http import Request, Response
from tieout.simulator.server import Simulator

API = "/ia/api/v1"
NOW = datetime(2026, 3, 20, 10, 0, 0, tzinfo=UTC)


class Caller:
    """One signed-in user. `path` is below the API's base path."""

    def __init__(self, simulator: Simulator, username: str = "admin@demo") -> None:
        self.simulator = simulator
        reply = self.sign_in(username=username)
        assert reply.status == 200, reply.body
        self.tokens = reply.json()
        self.headers = {"authorization": f"Bearer {self.tokens['access_token']}"}

    def sign_in(self, **form: str) -> Response:
        form = {
            "grant_type": "client_credentials",
            "client_id": "demo-client",
            "client_secret": "demo-secret",
            **form,
        }
        body = json.dumps(form).encode()
        request = Request.of("POST", f"{API}/oauth2/token", {"content-type": "application/json"}, body)
        return self.simulator.handle(request)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """`headers` with underscores; a body that is not bytes is sent as JSON."""
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.simulator.handle(Request.of(method, API + path, {**self.headers, **named}, content))

    def get(self, path: str, **headers: str) -> Response:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Response:
        return self.call("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Response:
        return self.call("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Response:
        return self.call("DELETE", path, **headers)

    def query(self, **payload: Any) -> Response:
        return self.post("/services/core/query", payload)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """An empty company at a fixed moment."""
    with Simulator("empty", clock=Clock(NOW)) as made:
        yield made


@pytest.fixture
def caller(simulator: Simulator) -> Caller:
    return Caller(simulator)


@pytest.fixture
def sign_in(simulator: Simulator) -> Any:
    """Sign in as someone: `sign_in("us@demo|E110")` -> Caller."""
    return lambda username: Caller(simulator, username)


@pytest.fixture
def caller_of() -> Any:
    """`caller_of(simulator)` -> Caller signed in as admin."""
    return Caller
