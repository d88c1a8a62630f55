"""The request log: what was asked and answered, to search, with nothing in it that must not be seen."""

from __future__ import annotations

import contextlib
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tests.rest.conftest import World, created, json_reply, refused, session
from tieout import simulated
from tieout.errors import ConfigurationError, TieoutError
from tieout.rest import Call, Repeat, RequestLog, operations
from tieout.rest.effects import NoAnswer
from tieout.rest.meter import Several, Try
from tieout.rest.perform import perform

NOON = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)


def tried(minutes: float = 0, **facts: Any) -> Try:
    given: dict[str, Any] = {"method": "GET", "path": "/objects/accounts-payable/vendor/7", "status": 200}
    given |= {"transactions": 1, "sent": 0, "received": 10, "seconds": 0.25}
    return Try(**(given | {"time": (NOON + timedelta(minutes=minutes)).timestamp()} | facts))


@pytest.fixture
def log() -> RequestLog:
    log = RequestLog(kept=4)
    log.record(tried(0, status=201))
    log.record(tried(1, status=429, error_id="REST-9", entity="E110"))
    log.record(tried(2, path="/services/core/query", method="POST", status=0, attempt=2, object="time/timesheet"))
    log.record(tried(3, status=400, error_id="REST-1106", support_id="GwKM%7Eab0a", path="/services/core/query"))
    log.record(tried(4, status=500, replayed=True))
    return log


@pytest.mark.parametrize(
    ("asked", "minutes"),
    [
        ({}, [4, 3, 2, 1]),
        ({"status": 429}, [1]),
        ({"status": 4}, [3, 1]),
        ({"status": 0}, [2]),
        ({"error_id": "rest-1106"}, [3]),
        ({"support_id": "GwKM"}, [3]),
        ({"path": "Vendor"}, [4, 1]),
        ({"object": "timesheets"}, [2]),
        ({"object": "bills"}, []),
        ({"entity": "E110"}, [1]),
        ({"entity": ""}, [4, 3, 2]),
        ({"since": NOON + timedelta(minutes=3)}, [4, 3]),
        ({"since": timedelta(days=100_000)}, [4, 3, 2, 1]),
        ({"limit": 1}, [4]),
        ({"limit": 0}, []),
        ({"path": "query", "status": 4}, [3]),
    ],
)
def test_search_finds_the_newest_first_of_those_kept(log: RequestLog, asked: Any, minutes: list[int]) -> None:
    assert [(each.at - NOON) / timedelta(minutes=1) for each in log.search(**asked)] == minutes


def test_a_moment_without_a_zone_is_refused(log: RequestLog) -> None:
    with pytest.raises(ConfigurationError, match="has no time zone"):
        log.search(since=datetime(2026, 3, 20))  # noqa: DTZ001 - that is what is tested


def test_reprs_say_what_happened(log: RequestLog) -> None:
    assert repr(log) == "RequestLog(4 tries, 3 refused, 1 without an answer)"
    assert repr(log.search(path="query")) == (
        "2026-03-20 12:03:00 GET /services/core/query 400 REST-1106 0.25 s support id GwKM%7Eab0a\n"
        "2026-03-20 12:02:00 POST /services/core/query (time/timesheet) no answer 0.25 s try 2"
    )


def test_every_try_is_an_entry_with_its_facts() -> None:
    world = World(
        NoAnswer("gone", sent=True),
        refused(429, "REST-7"),
        json_reply(
            201,
            '{"ia::result":{"key":"7"},"ia::meta":{}}',
            x_ia_idempotency_cached_date="2026-03-20T11:59:00Z",
        ),
    )
    log = RequestLog()
    desk = session(world, entity="E110")
    desk.meter = Several(desk.meter, log)
    world.run(perform(desk, operations.create("accounts-payable/vendor", {"id": "V7"})))
    found = log.search()[::-1]
    assert [(each.attempt, each.status, each.error_id, each.replayed) for each in found] == [
        (1, 0, "", False),
        (2, 429, "REST-7", False),
        (3, 201, "", True),
    ]
    assert found[1].support_id == "S%7E1"
    assert {(e.object, e.operation, e.entity) for e in found} == {("accounts-payable/vendor", "create", "E110")}
    assert [each.transactions for each in found] == [0, 0, 1]


def test_no_secret_no_body_and_no_query_string_is_kept_or_logged(caplog: pytest.LogCaptureFixture) -> None:
    planted = ["SECRETBODY", "SECRETQUERY", "SECRETHEADER", "demo-secret", "SECRETREPLY", "SECRETPATH"]
    world = World(
        json_reply(400, '{"ia::result":{"ia::error":{"message":"SECRETREPLY","errorId":"REST-1","code":"x"}}}'),
        NoAnswer("SECRETREPLY", sent=False),
        created(),
    )
    log = RequestLog()
    desk = session(world)
    desk.meter = Several(desk.meter, log)
    call = Call(
        method="POST",
        path="/objects/a/b?token=SECRETPATH",
        parse=lambda reply: None,
        repeat=Repeat.FREE,
        query=(("q", "SECRETQUERY"),),
        headers={"X-Odd": "SECRETHEADER"},
        body=b'{"ssn": "SECRETBODY"}',
        idempotency_key="SECRETHEADER",
    )
    with caplog.at_level(logging.DEBUG, logger="tieout.rest"):
        for _ in range(2):
            with contextlib.suppress(TieoutError):
                world.run(perform(desk, call))
        with simulated("empty") as intacct:
            intacct.create("vendors", {"id": "V-1", "name": "SECRETBODY"})
            shown = f"{intacct.log.search()!r} {intacct.usage} {intacct.log!r}"
    token = world.sent[0].headers["Authorization"].removeprefix("Bearer ")
    facts = [msgspec.structs.asdict(tried) for tried in log.search()]
    text = f"{shown} {log.search()!r} {facts} {caplog.text}"
    assert "POST /objects/a/b 400 REST-1" in text
    assert "POST /oauth2/token 200" in text
    assert not [word for word in [*planted, f" {token} ", "Bearer"] if word in text]


def test_a_line_is_only_made_where_debugging_is_on(caplog: pytest.LogCaptureFixture) -> None:
    log = RequestLog()
    with caplog.at_level(logging.INFO, logger="tieout.rest"):
        log.record(tried())
    assert caplog.records == []
    with caplog.at_level(logging.DEBUG, logger="tieout.rest"):
        log.record(tried())
    assert [record.getMessage() for record in caplog.records] == [
        "2026-03-20 12:00:00 GET /objects/accounts-payable/vendor/7 200 0.25 s"
    ]


def test_a_read_of_many_keys_does_not_fill_the_log() -> None:
    world = World(refused(400, "REST-1"))
    log = RequestLog()
    desk = session(world)
    desk.meter = log
    call = operations.get_many("accounts-payable/vendor", [str(n) for n in range(500)])
    with pytest.raises(TieoutError):
        world.run(perform(desk, call))
    assert len(log.search()[0].path) == 200
