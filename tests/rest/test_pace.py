"""Pace: one limit for all clients of a company, set by the tier, lowered and raised by Intacct's answers."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import weakref
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import pytest

from tests.rest.conftest import World, created, json_reply, refused, session
from tieout import AsyncIntacct, Intacct, simulated, simulated_async
from tieout.errors import ConfigurationError, DeadlineError, UnknownNameError
from tieout.rest import InProcessTransport, RefreshToken, Reply, operations
from tieout.rest.limiter import Claim, Limiter
from tieout.rest.pace import company_in, signal_of
from tieout.rest.perform import perform
from tieout.simulator import Simulator


def read():
    return operations.get_one("accounts-payable/vendor", "7")


RECORD = '{"ia::result":{"key":"7"},"ia::meta":{}}'


class Server:
    """Answers every call with a record; the token names the company `acme`."""

    def __init__(self) -> None:
        self.calls = 0
        self.status = 200
        self.headers: Mapping[str, str] = {}
        claims = urlsafe_b64encode(json.dumps({"cnyId": "Acme"}).encode()).decode().rstrip("=")
        self.token = f"e30.{claims}.c2ln"

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        if "oauth2" in target:
            return 200, {}, json.dumps({"access_token": self.token, "expires_in": 43200}).encode()
        self.calls += 1
        return self.status, self.headers, RECORD.encode()

    def client(self, kind: type = Intacct, **options: Any) -> Any:
        given = {"client_id": "a", "client_secret": "b", "base_url": "http://127.0.0.1:1"}
        if not {"tokens", "refresh_token"} & set(options):
            given |= {"user": "u", "company": "acme"}
        return kind(transport=InProcessTransport(self.answer), **(given | options))


@pytest.mark.parametrize(
    ("headers", "slower"),
    [
        ({}, False),
        ({"x-ia-throttle-limit": "6", "x-ia-throttle-limit-remaining": "0"}, True),
        ({"x-ia-throttle-limit": "6", "x-ia-throttle-limit-remaining": "2"}, False),
        ({"x-ia-throttle-limit-remaining": "-1"}, False),
        ({"x-ia-throttle-limit-remaining": "0"}, True),
        ({"x-ia-minute-rate-limit": "100", "x-ia-minute-rate-limit-remaining": "9"}, True),
        ({"x-ia-minute-rate-limit": "100", "x-ia-minute-rate-limit-remaining": "60"}, False),
        ({"x-ia-minuteratelimit": "100", "x-ia-minuteratelimitremaining": "60"}, False),
        ({"xiahourratelimit": "1000", "xiahourratelimitremaining": "50"}, True),
        ({"x-ia-tenant-throttle-limit": "LIMIT001-10", "x-ia-tenant-throttle-limit-remaining": "LIMIT001-0"}, True),
        ({"x-ia-tenant-throttle-limit": "LIMIT001-10", "x-ia-tenant-throttle-limit-remaining": "LIMIT001-8"}, False),
        ({"x-ia-tenant-throttle-limit-remaining": "LIMIT001--1"}, False),
        ({"x-ia-cpu-limit": "5000", "x-ia-cpu-limit-remaining": "12.5"}, True),
        ({"x-ia-cpu-limit-remaining": "plenty"}, False),
        ({"x-ia-cpu-limit-remaining": ""}, False),
        ({"x-rate-limit-remaining": "0"}, False),
    ],
)
def test_soft_limits_slow_down_before_they_are_hit(headers: dict[str, str], slower: bool) -> None:
    signal = signal_of(Reply(200, headers, b"{}"), None)
    assert (signal.ease, signal.brake) == (slower, False)


@pytest.mark.parametrize(
    "reply", [refused(429, "x"), refused(503, "x"), Reply(503, {}, b"<html>"), refused(400, "GW-0010")]
)
def test_a_throttle_or_an_overload_brakes(reply: Reply) -> None:
    assert signal_of(reply, 7.0).brake
    assert signal_of(reply, 7.0).wait == 7


@pytest.mark.parametrize("reply", [created(), refused(500, "x"), refused(400, "REST-1064"), refused(422, "x")])
def test_other_answers_do_not_change_the_pace(reply: Reply) -> None:
    assert not signal_of(reply, None).brake
    assert not signal_of(reply, None).ease


def test_a_429_holds_everybody_until_the_servers_wait_has_passed() -> None:
    world = World(refused(429, "x", retry_after="40"), created("1"))
    world.limiter = Limiter(4, clock=lambda: world.now)
    exchange = perform(session(world), operations.create("accounts-payable/vendor", {}))
    world.run(exchange)
    assert world.slept == [40]
    assert world.limiter.limit == 2

    world = World(refused(429, "x", retry_after="400"), created("1"))
    world.limiter = Limiter(4, clock=lambda: world.now)
    with pytest.raises(Exception, match="no"):
        world.run(perform(session(world), read()))
    with pytest.raises(DeadlineError, match=r"Intacct asked for \d+ more seconds without requests"):
        world.run(perform(session(world, deadline=50), read()))  # another call, held like the first
    assert len(world.sent) == 1


def test_clients_of_one_company_share_a_limit_and_each_keeps_its_own() -> None:
    server = Server()
    wide, narrow = server.client(concurrency=3), server.client(AsyncIntacct, concurrency=1, company="ACME")
    twin = narrow.with_entity("E110")

    def places(client: Any, count: int) -> list[bool]:
        claims.extend(client._driver.limiter.claim(lambda: None) for _ in range(count))
        return [claim.granted for claim in claims[-count:]]

    claims: list[Claim] = []
    assert places(narrow, 1) == [True]
    assert places(twin, 1) == [False], "an entity is the same client"
    assert places(wide, 3) == [True, True, False]
    claims[2].release()
    assert [claim.granted for claim in claims] == [True, False, True, True, True]
    claims[0].release()
    assert claims[1].granted


def test_a_throttled_client_slows_the_others_of_its_company_down_and_no_one_else() -> None:
    server, other = Server(), Server()
    first, second, stranger = server.client(tier="3"), server.client(AsyncIntacct, tier="3"), other.client(tier="3")
    another_company = server.client(tier="3", company="beta")
    assert first.concurrency == second.concurrency == 12
    server.headers = {"X-IA-Throttle-Limit-Remaining": "0"}
    first.call(read())
    assert first.concurrency == second.concurrency == 11
    assert stranger.concurrency == another_company.concurrency == 12


def test_a_refresh_tokens_company_is_read_from_the_access_token() -> None:
    server = Server()
    named = server.client(concurrency=9)
    found = server.client(tokens=RefreshToken(client_id="a", client_secret="b", refresh_token="r"), concurrency=9)
    server.headers = {"X-IA-Throttle-Limit-Remaining": "0"}
    found.call(read())
    server.headers = {}
    found.call(read())
    assert named.concurrency == 8, "the second answer was judged in the company that the token names"
    assert found.company_usage.calls == 3
    assert found.log.search()[0].company == "Acme"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "opaque",
        "a.b.c",
        "a.!.c",
        "a.e30.c",
        "a.WzFd.c",
        "a." + "A" * 4000 + ".c",
        "a.eyJjbnlJZCI6MX0.c",
        "..",
        "é.é.é",
    ],
)
def test_a_token_that_names_no_company_is_left_alone(token: str) -> None:
    assert company_in(token) is None


def test_a_limit_lives_as_long_as_a_client_does_and_keeps_no_server_alive() -> None:
    server = Server()
    first = server.client(tier="1")
    server.headers = {"X-IA-Throttle-Limit-Remaining": "0"}
    first.call(read())
    assert server.client(tier="1").concurrency == 5
    gone = weakref.ref(server)
    del first, server
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("options", "most"),
    [({}, 4), ({"tier": "1"}, 6), ({"tier": "2-500k"}, 8), ({"tier": "4"}, 15), ({"tier": "5", "concurrency": 30}, 30)],
)
def test_the_tier_or_a_number_is_the_ceiling(options: Any, most: int) -> None:
    assert Server().client(**options).concurrency == most


@pytest.mark.parametrize("options", [{"concurrency": n} for n in (0, -1, 65, True, 2.5, "4")])
def test_a_wrong_ceiling_is_refused(options: Any) -> None:
    with pytest.raises(ConfigurationError, match="concurrency is a whole number from 1 to 64"):
        Server().client(**options)


def test_an_unknown_tier_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError, match="The tiers are 1, 2, 2-500k, 3, 4, 5"):
        Server().client(tier="9")


def test_threads_and_tasks_against_one_simulated_company() -> None:
    with Simulator("empty") as simulator:
        sync = simulated(simulator=simulator, concurrency=2)
        made = sync.create_many("vendors", [{"id": f"P-{n}", "name": f"Vendor {n}"} for n in range(12)])
        keys = [str(outcome.key) for _, outcome in made.posted]
        found: list[str] = []
        threads = [threading.Thread(target=lambda k=key: found.append(sync.get("vendors", k).key)) for key in keys]

        async def tasks() -> list[str]:
            async with simulated_async(simulator=simulator, concurrency=2) as client:
                assert client.company_usage.calls >= 2, "the company's total is not shared"
                records = await asyncio.gather(*(client.get("vendors", key) for key in keys))
            return [record.key for record in records]

        for each in threads:
            each.start()
        assert asyncio.run(tasks()) == keys
        for each in threads:
            each.join(timeout=60)
        assert sorted(found) == sorted(keys)
        assert sync.concurrency == 2


def test_waits_and_tries_are_told_apart_in_the_usage() -> None:
    world = World(refused(429, "x", retry_after="40"), json_reply(200, RECORD))
    desk = session(world)
    world.run(perform(desk, read()))
    usage = desk.meter.usage
    assert (usage.calls, usage.retries, usage.slept, usage.transactions) == (2, 1, 40, 1)
