"""What surrounds a call: renewal, retries, deadlines, and the honesty about writes without an answer."""

from __future__ import annotations

import pytest

from tests.rest.conftest import World, created, json_reply, refused, session
from tieout.errors import (
    ConfigurationError,
    ConflictError,
    DeadlineError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    ReplyError,
    ThrottledError,
    TokenRefusedError,
    UnreachableError,
)
from tieout.rest import operations
from tieout.rest.call import Reply
from tieout.rest.effects import NoAnswer
from tieout.rest.perform import perform

LOST = NoAnswer("the connection broke", sent=True)
UNSENT = NoAnswer("the connection failed", sent=False)
HTML = Reply(503, {"content-type": "text/html"}, b"<html><h1>Service Unavailable</h1></html>")
RECORD = json_reply(200, '{"ia::result":{"key":"7"},"ia::meta":{}}')


def read():
    return operations.get_one("accounts-payable/vendor", "7")


def write():
    return operations.create("accounts-payable/vendor", {"id": "V7"})


@pytest.mark.parametrize(
    "refusal",
    [
        refused(401, "GW-0031"),
        refused(401, "GW-0040"),
        refused(400, "REST-1206"),
        json_reply(401, '{"error":{"code":"tokenInvalid","message":"Token is not valid","errorId":"REST-2102"}}'),
        refused(400, "", "The token is not valid"),
    ],
)
def test_a_refused_token_is_renewed_once_and_the_call_replayed_unchanged(refusal: Reply) -> None:
    world = World(refusal, created())
    reference = world.run(perform(session(world), write()))
    assert reference.key == "7"
    first, second = world.sent
    assert [r.headers["Authorization"] for r in world.sent] == ["Bearer t0", "Bearer t1"]
    assert first.body == second.body
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]


def test_a_token_refused_twice_ends_in_one_clear_error() -> None:
    world = World(refused(401, "GW-0040"), refused(401, "GW-0040"))
    with pytest.raises(TokenRefusedError) as caught:
        world.run(perform(session(world), read()))
    assert caught.value.exit_code == 3
    assert len(world.sent) == 2


def test_a_400_that_is_not_about_the_token_renews_nothing() -> None:
    world = World(refused(400, "REST-1064"))
    with pytest.raises(InvalidRequestError):
        world.run(perform(session(world), write()))
    assert len(world.sent) == 1


def test_reads_are_repeated_after_lost_answers_cut_replies_and_web_pages() -> None:
    world = World(LOST, Reply(200, {}, b'{"ia::result":{"key":"7"'), HTML, Reply(200, {}, b""), RECORD)
    assert world.run(perform(session(world), read())) == {"key": "7"}
    assert len(world.slept) == 4
    assert world.slept == sorted(world.slept), "waits grow"


def test_a_read_that_never_succeeds_says_what_stood_in_the_way() -> None:
    world = World(*[HTML] * 5)
    with pytest.raises(ReplyError, match="a web page instead of JSON"):
        world.run(perform(session(world), read()))


@pytest.mark.parametrize(
    ("silence", "kind"), [(UNSENT, UnreachableError), (NoAnswer("t", sent=False, timeout=True), DeadlineError)]
)
def test_an_unsent_write_is_an_unreachable_host_not_an_unknown_outcome(silence, kind) -> None:
    world = World(*[silence] * 5)
    with pytest.raises(kind) as caught:
        world.run(perform(session(world), write()))
    assert not isinstance(caught.value, OutcomeUnknownError)
    assert "api.example" in str(caught.value)


@pytest.mark.parametrize("trouble", [LOST, HTML, Reply(201, {}, b'{"ia::result":{"ke'), refused(500, "X-1")])
def test_a_write_without_a_usable_answer_is_replayed_under_its_key_and_then_unknown(trouble) -> None:
    world = World(*[trouble] * 5)
    with pytest.raises(OutcomeUnknownError):
        world.run(perform(session(world), write()))
    assert len({(r.headers["Idempotency-Key"], r.body) for r in world.sent}) == 1
    assert len(world.sent) == 5


@pytest.mark.parametrize("door", [[refused(403, "X-1")], [refused(401, "GW-0040"), refused(401, "GW-0040")]])
def test_a_door_shut_after_a_lost_answer_says_nothing_about_the_lost_write(door: list[Reply]) -> None:
    world = World(LOST, *door)
    with pytest.raises(OutcomeUnknownError):
        world.run(perform(session(world), write()))


def test_a_business_refusal_under_the_same_key_settles_the_lost_write() -> None:
    world = World(LOST, refused(422, "REST-7001"))
    with pytest.raises(RefusedError):
        world.run(perform(session(world), write()))


def test_a_replay_that_answers_settles_the_write() -> None:
    world = World(LOST, created("9"))
    assert world.run(perform(session(world), write())).key == "9"


def test_a_409_after_a_lost_answer_is_the_write_in_flight_but_alone_it_is_a_conflict() -> None:
    world = World(LOST, refused(409, "REST-9"), created("9"))
    assert world.run(perform(session(world), write())).key == "9"
    world = World(refused(409, "REST-9"))
    with pytest.raises(ConflictError):
        world.run(perform(session(world), write()))


def test_a_delete_that_finds_nothing_after_a_lost_answer_has_worked_but_not_otherwise() -> None:
    call = operations.delete("accounts-payable/vendor", "7")
    world = World(LOST, refused(404, ""))
    assert world.run(perform(session(world), call)) is None
    world = World(refused(404, ""))
    with pytest.raises(NotFoundError):
        world.run(perform(session(world), call))


def test_the_servers_own_wait_is_kept_whatever_the_header_is_called() -> None:
    world = World(refused(429, "", retry_after="3"), refused(429, "", x_ia_throttle_limit_retryafter="11"), RECORD)
    world.run(perform(session(world), read()))
    assert world.slept == [3.0, 11.0]


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "0", "soon"])
def test_a_wait_that_makes_no_sense_is_replaced_by_our_own(value: str) -> None:
    world = World(refused(429, "", x_ia_throttle_limit_retry_after=value), RECORD)
    world.run(perform(session(world), read()))
    assert world.slept == [0.5]


def test_a_redirect_ends_the_call_at_once_and_a_write_was_not_processed() -> None:
    world = World(Reply(302, {"location": "https://elsewhere"}, b""))
    with pytest.raises(ReplyError, match="redirect") as caught:
        world.run(perform(session(world), write()))
    assert "base URL" in caught.value.advice
    assert len(world.sent) == 1


def test_an_unknown_outcome_carries_the_key_that_settles_it() -> None:
    world = World(*[LOST] * 5)
    with pytest.raises(OutcomeUnknownError) as caught:
        world.run(perform(session(world), write()))
    assert caught.value.idempotency_key == world.sent[0].headers["Idempotency-Key"]


@pytest.mark.parametrize("status", [429, 503])
def test_a_list_of_items_under_a_throttle_or_a_server_error_is_sent_again(status: int) -> None:
    item = f'{{"ia::result":[{{"ia::status":{status},"ia::error":{{"message":"x"}}}}]}}'
    good = '{"ia::result":[{"key":"7","ia::status":201}]}'
    world = World(json_reply(status, item), json_reply(201, good))
    call = operations.post("accounts-payable/vendor", b"[{}]", count=1, idempotency_key="k")
    assert [o.state for o in world.run(perform(session(world), call))] == ["posted"]


def test_a_delete_reads_its_answer() -> None:
    call = operations.delete("accounts-payable/vendor", "7")
    for body in (
        '{"ia::result":[{"ia::status":422,"ia::error":{"message":"in use"}}]}',
        '{"ia::error":{"message":"in use"}}',
    ):
        world = World(json_reply(207, body))
        with pytest.raises(RefusedError, match="in use"):
            world.run(perform(session(world), call))
    for key in ("", " ", "1,2"):
        with pytest.raises(ConfigurationError):
            operations.delete("accounts-payable/vendor", key)


def test_a_wait_longer_than_the_deadline_ends_the_call_at_once() -> None:
    world = World(refused(429, "", retry_after="3600"))
    with pytest.raises(ThrottledError):
        world.run(perform(session(world, deadline=60), read()))
    assert world.slept == []


def test_a_business_refusal_is_never_repeated_and_carries_everything_support_asks_for() -> None:
    body = (
        '{"ia::result":{"ia::error":{"code":"operationFailed","message":"POST was unsuccessful","errorId":"REST-7001",'
        '"supportId":"VXx%7Ea","details":[{"errorId":"GL-1009","code":"c","message":"do not balance"}]}}}'
    )
    world = World(json_reply(422, body))
    with pytest.raises(RefusedError) as caught:
        world.run(perform(session(world), write()))
    error = caught.value
    assert (error.status, error.error_id, error.support_id) == (422, "REST-7001", "VXx%7Ea")
    assert error.details[0].error_id == "GL-1009"
    assert "debits equal credits" in error.advice
    assert "VXx%7Ea" in str(error)
    assert len(world.sent) == 1


def test_every_try_is_metered_and_only_success_costs() -> None:
    world = World(LOST, RECORD)
    desk = session(world)
    world.run(perform(desk, read()))
    assert (desk.meter.usage.calls, desk.meter.usage.transactions) == (2, 1)


def test_the_entity_header_is_spelt_as_intacct_knows_it() -> None:
    world = World(RECORD)
    world.run(perform(session(world, entity="E110"), read()))
    assert world.sent[0].headers["X-IA-API-Param-Entity"] == "E110"


def test_no_repr_shows_a_token() -> None:
    world = World(RECORD)
    world.run(perform(session(world), read()))
    assert "t0" not in repr(world.sent[0])


def test_waiting_for_a_turn_counts_towards_the_deadline() -> None:
    world = World(created())
    held = world.limiter.claim(lambda: None)
    with pytest.raises(DeadlineError, match="waited its whole deadline of 300 seconds"):
        world.run(perform(session(world), write()))
    assert world.sent == []
    held.release()
    assert world.run(perform(session(world), write())).key == "7"
