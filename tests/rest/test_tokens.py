"""Token sources: renewed in time, never the refused one again, and no secret where people look."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

import pytest

from tests.rest.conftest import World, json_reply, refused, session
from tieout import AsyncIntacct, Intacct
from tieout.errors import DeadlineError, ForbiddenError, TieoutError
from tieout.rest import ClientCredentials, RefreshToken, Token
from tieout.rest.desk import Desk
from tieout.rest.memory import ProcessMemory
from tieout.rest.writing import create_many


def grant(name: str, expires_in: int = 43200):
    return json_reply(200, f'{{"access_token":"{name}","refresh_token":"r-{name}","expires_in":{expires_in}}}')


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def source(clock: Clock) -> ClientCredentials:
    return ClientCredentials(client_id="c", client_secret="hidden-word", user="u", company="co", now=clock)


def test_a_token_is_kept_until_shortly_before_it_expires() -> None:
    clock, world = Clock(), World(grant("one", 3600), grant("two", 3600))
    tokens, desk = source(clock), session(world)
    assert world.run(tokens.token(desk)).value == "one"
    clock.now += 3400
    assert world.run(tokens.token(desk)).value == "one"
    clock.now += 150
    assert world.run(tokens.token(desk)).value == "two"


def test_a_refused_token_is_not_served_again_and_only_one_asker_fetches() -> None:
    world = World(grant("one"), grant("two"))
    tokens, desk = source(Clock()), session(world)
    one = world.run(tokens.token(desk))
    assert world.run(tokens.token(desk, refused=one)).value == "two"
    assert world.run(tokens.token(desk, refused=one)).value == "two", "a latecomer with the old token fetches nothing"
    assert len(world.sent) == 2


def test_a_failed_fetch_lets_the_next_asker_try() -> None:
    world = World(json_reply(400, '{"error":"invalid_grant"}'), grant("one"))
    tokens, desk = source(Clock()), session(world)
    with pytest.raises(TieoutError, match="invalid_grant"):
        world.run(tokens.token(desk))
    assert world.run(tokens.token(desk)).value == "one"


def test_no_secret_shows() -> None:
    tokens = source(Clock())
    refreshing = RefreshToken(client_id="c", client_secret="hidden-word", refresh_token="hidden-token")
    shown = repr(tokens) + str(tokens) + repr(refreshing) + repr(Token("hidden-token", 1.0))
    assert "hidden" not in shown


def test_a_batch_stops_at_a_shut_door_instead_of_failing_every_record() -> None:
    world = World(refused(403, "X-1"))
    desk = Desk(session=session(world), memory=ProcessMemory())
    with pytest.raises(ForbiddenError):
        world.run(create_many(desk, "vendors", [{"id": str(n)} for n in range(700)]))
    assert len(world.sent) == 1


def test_what_was_posted_before_the_door_shut_is_not_forgotten() -> None:
    good = json.dumps({"ia::result": [{"key": str(n), "ia::status": 201} for n in range(500)]})
    world = World(json_reply(201, good), refused(403, "X-1"))
    desk = Desk(session=session(world), memory=ProcessMemory())
    result = world.run(create_many(desk, "vendors", [{"id": str(n)} for n in range(700)]))
    assert (len(result.posted), len(result.unprocessed)) == (500, 200)
    assert isinstance(result[500].error, ForbiddenError)


@pytest.mark.parametrize(("given", "lifetime"), [('"3600"', 3600), ("null", 43200), ('"soon"', 43200), ("-1", 43200)])
def test_an_odd_lifetime_is_no_reason_to_refuse_a_token(given: str, lifetime: float) -> None:
    world = World(json_reply(200, f'{{"access_token":"one","expires_in":{given}}}'))
    token = world.run(source(Clock()).token(session(world)))
    assert token.expires_at == 1000 + lifetime


def test_a_short_lived_token_is_used_for_most_of_its_life() -> None:
    clock, world = Clock(), World(grant("one", 100), grant("two", 100))
    tokens, desk = source(clock), session(world)
    world.run(tokens.token(desk))
    clock.now += 80
    assert world.run(tokens.token(desk)).value == "one"
    clock.now += 15
    assert world.run(tokens.token(desk)).value == "two"


class Redirecting(BaseHTTPRequestHandler):
    """Answers a token, then redirects every call to another address."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(b'{"access_token":"precious","expires_in":43200}', 200)

    def do_GET(self) -> None:
        if self.path.startswith("/stolen"):
            self.server.stolen.append(self.headers.get("authorization"))  # type: ignore[attr-defined]
        self.send_response(307)
        self.send_header("location", "/stolen")
        self.send_header("content-length", "0")
        self.end_headers()

    def _answer(self, body: bytes, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def redirecting() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Redirecting)
    server.stolen = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Trickling(Redirecting):
    """Sends a byte now and then, for ever: each read is in time, the answer never is."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):
            while not self.server.over.wait(0.05):  # type: ignore[attr-defined]
                self.wfile.write(b" ")
                self.wfile.flush()


def test_an_answer_that_trickles_is_no_answer() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Trickling)
    server.over = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    door = {"client_id": "c", "client_secret": "s", "user": "u", "company": "co"}
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        with Intacct(**door, base_url=url, timeout=0.3, deadline=0.5) as client, pytest.raises(DeadlineError):
            client.count("vendors")

        async def awaited() -> None:
            async with AsyncIntacct(**door, base_url=url, timeout=0.3, deadline=0.5) as later:
                await later.count("vendors")

        with pytest.raises(DeadlineError):
            asyncio.run(awaited())
    finally:
        server.over.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_bearer_token_never_follows_a_redirect(redirecting: HTTPServer) -> None:
    url = f"http://127.0.0.1:{redirecting.server_port}"
    door = {"client_id": "c", "client_secret": "s", "user": "u", "company": "co"}
    with Intacct(**door, base_url=url, deadline=0.5) as client, pytest.raises(TieoutError):
        client.model("vendors")
    assert redirecting.stolen == []  # type: ignore[attr-defined]
