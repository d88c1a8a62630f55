"""Runs of batches: what a lost answer, a shut door or Ctrl-C leaves behind, and how it is settled."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from tests.rest.conftest import World, json_reply, refused, session
from tieout.errors import (
    CheckError,
    ConfigurationError,
    ForbiddenError,
    OutcomeUnknownError,
    UnreachableError,
)
from tieout.rest.batch import MAX_PATH, BatchResult
from tieout.rest.call import Reply, Request
from tieout.rest.desk import Desk
from tieout.rest.effects import NoAnswer
from tieout.rest.memory import ProcessMemory
from tieout.rest.writing import create_many, delete_many, retry_unknown, update_many

LOST = NoAnswer("silence", sent=True)
TRIES = 5


def desk(world: World, **options: Any) -> Desk:
    return Desk(session=session(world, **options), memory=ProcessMemory())


def accept(request: Request) -> Reply:
    """Every record of the request posted, named after its id (create) or key (update)."""
    items = [{"key": record.get("key", "K" + str(record.get("id"))), "ia::status": 201} for record in body_of(request)]
    return json_reply(200, json.dumps({"ia::result": items}))


def body_of(request: Request) -> list[dict[str, Any]]:
    return json.loads(request.body or b"[]")


def vendors(count: int) -> list[dict[str, str]]:
    return [{"id": str(n)} for n in range(count)]


def states(result: BatchResult) -> list[str]:
    return [outcome.state for outcome in result]


def runs(result: BatchResult) -> list[tuple[str, int]]:
    """States in runs: [("posted", 500), ("unknown", 200)]."""
    found: list[tuple[str, int]] = []
    for state in states(result):
        if found and found[-1][0] == state:
            found[-1] = (state, found[-1][1] + 1)
        else:
            found.append((state, 1))
    return found


def test_after_a_lost_answer_nothing_more_is_sent_and_what_is_known_stays() -> None:
    world = World(accept, *[LOST] * TRIES)
    result = world.run(create_many(desk(world), "vendors", vendors(1700)))
    assert runs(result) == [("posted", 500), ("unknown", 500), ("unprocessed", 700)]
    assert [o.position for o in result] == list(range(1700))
    assert result[499].key == "K499"
    assert [record["id"] for record, _ in result.unknown][:2] == ["500", "501"]


def test_unknown_is_settled_by_the_same_bytes_under_the_same_key() -> None:
    world = World(accept, *[LOST] * TRIES, accept)
    at = desk(world, entity="E110")
    lost = world.run(create_many(at, "vendors", vendors(700)))
    elsewhere = desk(world, entity="E120")
    settled = world.run(retry_unknown(elsewhere, lost))
    first, replay = world.sent[1], world.sent[-1]
    assert runs(settled) == [("posted", 700)]
    assert settled[600].key == "K600"
    assert (replay.body, replay.headers["Idempotency-Key"]) == (first.body, first.headers["Idempotency-Key"])
    assert replay.headers["X-IA-API-Param-Entity"] == "E110"
    assert not settled.unsettled
    assert runs(lost) == [("posted", 500), ("unknown", 200)]
    assert len({request.headers["Idempotency-Key"] for request in world.sent}) == 2


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (refused(422, "GL-0951"), "failed"),
        (refused(409, "x", "The key was used"), "unknown"),
        (refused(403, "x"), "raises"),
        (refused(401, "REST-2102"), "raises"),
    ],
)
def test_what_a_replay_is_answered_decides_and_a_shut_door_decides_nothing(answer: Reply, state: str) -> None:
    world = World(*[LOST] * TRIES, *[answer] * TRIES)
    lost = world.run(create_many(desk(world), "vendors", vendors(2)))
    if state == "raises":
        with pytest.raises(Exception, match="no"):
            world.run(retry_unknown(desk(world), lost))
        return
    settled = world.run(retry_unknown(desk(world), lost))
    assert set(states(settled)) == {state}
    assert bool(settled.unsettled) is (state == "unknown")


def test_a_replay_that_stays_unanswered_can_be_tried_again() -> None:
    world = World(*[LOST] * TRIES, *[LOST] * TRIES, accept)
    lost = world.run(create_many(desk(world), "vendors", vendors(2)))
    still = world.run(retry_unknown(desk(world), lost))
    assert set(states(still)) == {"unknown"}
    assert set(states(world.run(retry_unknown(desk(world), still)))) == {"posted"}
    assert len({request.body for request in world.sent}) == 1


def test_past_day_59_nothing_is_sent_again() -> None:
    world = World(*[LOST] * TRIES)
    with time_machine.travel(datetime(2026, 1, 1, tzinfo=UTC), tick=False):
        lost = world.run(create_many(desk(world), "vendors", vendors(2)))
    with time_machine.travel(datetime(2026, 3, 2, tzinfo=UTC), tick=False):
        held = world.run(retry_unknown(desk(world), lost))
    assert len(world.sent) == TRIES
    assert set(states(held)) == {"unknown"}
    assert "post twice" in str(held[0].error)


def test_only_unknown_places_change_when_one_record_broke_off() -> None:
    def broke_off(_: Request) -> Reply:
        items = [{"key": "1", "ia::status": 201}, {"ia::status": 500, "ia::error": {"message": "x"}}]
        return json_reply(207, json.dumps({"ia::result": items}))

    world = World(broke_off, accept)
    partly = world.run(create_many(desk(world), "vendors", vendors(2)))
    assert states(partly) == ["posted", "unknown"]
    settled = world.run(retry_unknown(desk(world), partly))
    assert [(o.state, o.key) for o in settled] == [("posted", "1"), ("posted", "K1")]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit()])
def test_an_interruption_hands_over_what_is_known_and_can_be_settled(error: BaseException) -> None:
    world = World(accept, error, accept)
    with pytest.raises(type(error)) as caught:
        world.run(create_many(desk(world), "vendors", vendors(1200)))
    result = BatchResult.rescued(caught.value)
    assert result is not None
    assert runs(result) == [("posted", 500), ("unknown", 500), ("unprocessed", 200)]
    settled = world.run(retry_unknown(desk(world), result))
    assert runs(settled) == [("posted", 1000), ("unprocessed", 200)]


def test_a_door_shut_on_the_way_leaves_the_rest_unprocessed_and_one_shut_from_the_start_raises() -> None:
    world = World(accept, refused(403, "x"))
    result = world.run(create_many(desk(world), "vendors", vendors(1200)))
    assert runs(result) == [("posted", 500), ("unprocessed", 700)]
    assert isinstance(result[1199].error, ForbiddenError)
    world = World(refused(403, "x"))
    with pytest.raises(ForbiddenError):
        world.run(create_many(desk(world), "vendors", vendors(1200)))
    assert len(world.sent) == 1


def test_nobody_there_raises_since_nothing_was_sent() -> None:
    world = World(*[NoAnswer("refused", sent=False)] * TRIES)
    with pytest.raises(UnreachableError):
        world.run(create_many(desk(world), "vendors", vendors(3)))


def test_a_request_refused_as_a_whole_leaves_the_others_alone() -> None:
    world = World(accept, refused(400, "REST-1064"), accept)
    result = world.run(create_many(desk(world), "vendors", vendors(1200)))
    assert runs(result) == [("posted", 500), ("failed", 500), ("posted", 200)]


def test_a_throttled_request_was_not_looked_at() -> None:
    world = World(accept, *[refused(429, "x")] * TRIES)
    result = world.run(create_many(desk(world), "vendors", vendors(1200)))
    assert runs(result) == [("posted", 500), ("unprocessed", 700)]


def test_a_remembered_server_error_is_not_taken_for_a_refusal() -> None:
    world = World(refused(500, "x", x_ia_idempotency_cached_date="2026-01-01T00:00:00Z"))
    result = world.run(create_many(desk(world), "vendors", vendors(2)))
    assert states(result) == ["unknown", "unknown"]


GATEWAY = json_reply(404, '{"message":"no Route matched with those values"}')


@pytest.mark.parametrize("refusal", [GATEWAY, refused(413, "x"), json_reply(400, '{"error":{"errorId":"GW-0099"}}')])
def test_who_asks_again_and_is_turned_away_at_the_door_knows_no_more_than_before(refusal: Reply) -> None:
    world = World(*[LOST] * TRIES)
    lost = world.run(create_many(desk(world), "vendors", vendors(2)))
    world = World(refusal)
    still = world.run(retry_unknown(desk(world), lost))
    assert states(still) == ["unknown", "unknown"], "failed ones would be sent again under a new key"
    world = World(*[LOST] * TRIES)
    lost = world.run(delete_many(desk(world), "vendors", ["46"]))
    world = World(refusal)
    assert states(world.run(retry_unknown(desk(world), lost))) == ["unknown"]


def test_after_a_remembered_throttle_it_is_the_new_key_that_settles() -> None:
    cached = refused(429, "", x_ia_idempotency_cached_date="2026-01-01T00:00:00Z")
    broken = json_reply(207, json.dumps({"ia::result": [{"ia::error": {"message": "x"}, "ia::status": 503}]}))
    for after in ([LOST] * 3, [broken]):
        world = World(refused(429, ""), cached, *after)
        lost = world.run(create_many(desk(world), "vendors", vendors(1)))
        assert states(lost) == ["unknown"]
        used = world.sent[-1].headers["Idempotency-Key"]
        assert used != world.sent[0].headers["Idempotency-Key"]
        world = World(accept)
        assert states(world.run(retry_unknown(desk(world), lost))) == ["posted"]
        assert world.sent[0].headers["Idempotency-Key"] == used


# Update ------------------------------------------------------------------------------------------------------------


def test_changes_carry_their_key_in_either_form_and_come_back_as_given() -> None:
    world = World(accept)
    mine: list[Any] = [{"key": "1", "name": "a"}, ("2", {"name": "b"}), (3, {"name": None})]
    result = world.run(update_many(desk(world), "vendors", iter(mine)))
    (request,) = world.sent
    assert (request.method, request.url.rpartition("/ia/api/v1")[2]) == ("PATCH", "/objects/accounts-payable/vendor")
    sent = [{"name": "a", "key": "1"}, {"name": "b", "key": "2"}, {"name": None, "key": "3"}]
    assert body_of(request) == sent
    assert [record for record, _ in result.posted] == mine


def test_every_change_without_a_usable_key_is_named_and_nothing_is_sent() -> None:
    world = World()
    wrong: list[Any] = [{"key": "1"}, {"name": "a"}, ("", {}), "text", ("1", {"key": "2"}), ("1", "x"), {"key": True}]
    with pytest.raises(CheckError) as caught:
        world.run(update_many(desk(world), "vendors", wrong))
    assert [p.path for p in caught.value.problems] == ["[1]", "[2]", "[3]", "[4]", "[5]", "[6]"]


@pytest.mark.parametrize("given", [{"id": "A"}, "text", b"x", 7, None])
def test_one_value_where_many_are_meant_is_refused(given: Any) -> None:
    world = World()
    for many in (create_many, update_many, delete_many):
        with pytest.raises(ConfigurationError, match="list"):
            world.run(many(desk(world), "vendors", given))


def test_what_json_cannot_hold_is_said_before_anything_is_sent() -> None:
    world = World()
    for odd in (object(), "\udcff", [1j], float("nan"), {"amount": [float("inf")]}):
        with pytest.raises(ConfigurationError, match="JSON"):
            world.run(create_many(desk(world), "vendors", [{"id": odd}]))


def test_nothing_to_do_is_done_without_a_request() -> None:
    world = World()
    for many in (create_many, update_many, delete_many):
        assert len(world.run(many(desk(world), "vendors", []))) == 0


def test_results_out_of_order_leave_every_record_unknown() -> None:
    def swapped(request: Request) -> Reply:
        items = [{"key": record["key"]} for record in reversed(body_of(request))]
        return json_reply(200, json.dumps({"ia::result": items}))

    world = World(*[swapped] * TRIES)
    result = world.run(update_many(desk(world), "vendors", [("1", {}), ("2", {})]))
    assert states(result) == ["unknown", "unknown"]
    assert "names another record" in str(result[0].error)


# Delete ------------------------------------------------------------------------------------------------------------


def test_keys_go_in_the_path_and_come_back_by_position() -> None:
    world = World(json_reply(204, ""))
    result = world.run(delete_many(desk(world), "vendors", ["46", 47]))
    assert world.sent[0].url.endswith("/objects/accounts-payable/vendor/46,47")
    assert "Idempotency-Key" not in world.sent[0].headers
    assert [(o.state, o.key) for o in result] == [("posted", "46"), ("posted", "47")]


def gone(keys: int) -> Reply:
    item = {"ia::status": 404, "ia::error": {"code": "notFound", "message": "x"}}
    return json_reply(404, json.dumps({"ia::result": [item] * keys}))


def test_not_found_after_an_unanswered_delete_means_deleted() -> None:
    world = World(LOST, gone(2))
    assert states(world.run(delete_many(desk(world), "vendors", ["46", "47"]))) == ["posted", "posted"]
    world = World(LOST, refused(404, "x"))
    assert states(world.run(delete_many(desk(world), "vendors", ["46"]))) == ["posted"]
    world = World(gone(2))
    assert states(world.run(delete_many(desk(world), "vendors", ["46", "47"]))) == ["failed", "failed"]


def test_one_not_found_for_many_keys_tells_nothing_of_the_others() -> None:
    world = World(LOST, refused(404, "x"))
    assert states(world.run(delete_many(desk(world), "vendors", ["46", "47"]))) == ["unknown", "unknown"]


@pytest.mark.parametrize("keys", [["46"], ["46", "47"]])
def test_an_unknown_delete_is_settled_by_asking_again(keys: list[str]) -> None:
    world = World(*[LOST] * TRIES, refused(404, "x") if len(keys) == 1 else gone(2))
    lost = world.run(delete_many(desk(world), "vendors", keys))
    assert set(states(lost)) == {"unknown"}
    assert [o.key for o in lost] == keys
    assert set(states(world.run(retry_unknown(desk(world), lost)))) == {"posted"}


def test_a_thousand_long_keys_keep_every_path_short() -> None:
    keys = [f"{n:040}" for n in range(1000)]
    world = World(*[json_reply(204, "")] * 20)
    result = world.run(delete_many(desk(world), "vendors", keys))
    assert runs(result) == [("posted", 1000)]
    assert len(world.sent) < 20
    for request in world.sent:
        assert len(request.url.removeprefix("https://api.example/ia/api/v1")) <= MAX_PATH


# Atomic ------------------------------------------------------------------------------------------------------------


def test_an_atomic_set_goes_out_as_one_or_not_at_all() -> None:
    world = World(accept)
    world.run(create_many(desk(world), "vendors", vendors(500), atomic=True))
    assert world.sent[0].headers["X-IA-API-Param-Transaction"] == "true"
    for make in (
        lambda at: create_many(at, "vendors", vendors(501), atomic=True),
        lambda at: create_many(at, "vendors", [{"id": "x" * 600_000}] * 2, atomic=True),
        lambda at: update_many(at, "vendors", [(n, {}) for n in range(501)], atomic=True),
        lambda at: delete_many(at, "vendors", ["1", "1"], atomic=True),
    ):
        with pytest.raises(ConfigurationError, match="atomic set cannot be cut"):
            world.run(make(desk(world)))
    assert len(world.sent) == 1


SKIPPED = {"code": "unprocessed", "message": "Operation skipped due to atomic transaction failure"}


@pytest.mark.parametrize("status", [207, 404, 422])
def test_an_atomic_failure_names_the_guilty_and_posts_none(status: int) -> None:
    items = [
        {"ia::error": SKIPPED, "ia::status": 422},
        {"ia::error": {"code": "notFound", "message": "no vendor"}, "ia::status": 404},
        {"ia::error": {"message": SKIPPED["message"]}, "ia::status": 422},
    ]
    world = World(json_reply(status, json.dumps({"ia::result": items})))
    result = world.run(create_many(desk(world), "vendors", vendors(3), atomic=True))
    assert states(result) == ["unprocessed", "failed", "unprocessed"]


# Order and number --------------------------------------------------------------------------------------------------


@given(st.integers(0, 2200), st.integers(1, 5), st.sets(st.integers(0, 4), max_size=2))
def test_requests_under_way_at_once_keep_the_order_of_the_outcomes(count: int, at_once: int, bad: set[int]) -> None:
    steps: list[Callable[[Request], Reply] | Reply] = [
        refused(422, "x") if n in bad else accept for n in range((count + 499) // 500)
    ]
    world = World(*steps)
    result = world.run(create_many(desk(world), "vendors", vendors(count), in_flight=at_once))
    assert not world.steps
    for n, outcome in enumerate(result):
        assert outcome.position == n
        assert (outcome.state, outcome.key) == (("failed", None) if n // 500 in bad else ("posted", f"K{n}"))


def test_a_number_of_requests_below_one_is_refused() -> None:
    world = World()
    with pytest.raises(ConfigurationError, match="in_flight"):
        world.run(create_many(desk(world), "vendors", vendors(1), in_flight=0))


def test_a_record_over_the_limit_goes_out_alone() -> None:
    world = World(accept, accept, accept)
    mine = [{"id": "1"}, {"id": "2" * 1_100_000}, {"id": "3"}]
    result = world.run(create_many(desk(world), "vendors", mine))
    assert [len(body_of(request)) for request in world.sent] == [1, 1, 1]
    assert set(states(result)) == {"posted"}


def test_the_error_of_an_unknown_record_holds_the_key_that_settles_it() -> None:
    world = World(*[LOST] * TRIES)
    result = world.run(create_many(desk(world), "vendors", vendors(1)))
    error = result[0].error
    assert isinstance(error, OutcomeUnknownError)
    assert error.idempotency_key == world.sent[0].headers["Idempotency-Key"]
