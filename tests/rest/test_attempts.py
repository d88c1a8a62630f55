"""When a call is tried again and how it ends: waits, deadlines, the four meanings of 409, remembered answers, sizes."""

from __future__ import annotations

import asyncio
import itertools
import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rest.conftest import Tokens, World, created, json_reply, refused, session
from tieout import AsyncIntacct, Intacct
from tieout.errors import (
    ConfigurationError,
    ConflictError,
    DeadlineError,
    ForbiddenError,
    InvalidRequestError,
    OutcomeUnknownError,
    RefusedError,
    ServerError,
    ThrottledError,
    TieoutError,
    TokenRefusedError,
    TooLargeError,
    UnreachableError,
)
from tieout.rest import Query, RefreshToken, operations
from tieout.rest.call import Reply, Request
from tieout.rest.effects import Exchange, NoAnswer
from tieout.rest.keyset import keys_only
from tieout.rest.perform import perform
from tieout.rest.raw import raw_call
from tieout.rest.session import Session
from tieout.rest.tokens import Token
from tieout.rest.waits import server_wait

LOST = NoAnswer("the connection broke", sent=True)
UNSENT = NoAnswer("the connection failed", sent=False)
RECORD = json_reply(200, '{"ia::result":{"key":"7"},"ia::meta":{}}')
CACHED = {"x_ia_idempotency_cached_date": "Thu, 26 Nov 2026 07:00:00 GMT"}
DUPLICATE = "Another record with the value already exists"


def read():
    return operations.get_one("accounts-payable/vendor", "7")


def write(key: str | None = None):
    return operations.create("accounts-payable/vendor", {"id": "V7"}, idempotency_key=key)


def batch(count: int = 1):
    body = msgspec.json.encode([{"id": str(n)} for n in range(count)])
    return operations.post("accounts-payable/vendor", body, count=min(count, 500), idempotency_key="k")


def run(world: World, call: Any, **options: Any) -> Any:
    return world.run(perform(session(world, **options), call))


# The server's own wait ---------------------------------------------------------------------------------------------


def test_a_date_to_retry_after_counts_from_the_servers_clock_not_ours() -> None:
    then = datetime(2031, 5, 1, 12, 0, 0, tzinfo=UTC)
    headers = {"date": format_datetime(then, True), "retry-after": format_datetime(then + timedelta(seconds=17), True)}
    assert server_wait(Reply(503, headers, b"")) == 17
    world = World(Reply(503, headers, b"<html>"), RECORD)
    run(world, read())
    assert world.slept == [17.0]
    assert server_wait(Reply(503, {"retry-after": format_datetime(then, True)}, b""), wall=then.timestamp) is None


@given(st.dictionaries(st.sampled_from(["retry-after", "x-ia-hour-rate-limit-retryafter", "date"]), st.text()))
def test_no_header_text_breaks_the_reading_of_a_wait(headers: dict[str, str]) -> None:
    wait = server_wait(Reply(429, headers, b""))
    assert wait is None or 0 < wait < float("inf")


@pytest.mark.parametrize(
    ("name", "value", "wait"),
    [
        ("X-IA-Throttle-Limit-Retry-After", "7", 7.0),
        ("x-ia-hour-rate-limit-retryafter", "7.5", 7.5),
        ("XIATENANTThrottleLimitRetryAfter", "8", 8.0),
        ("x-ia-tenant-throttle-limit-retry-after", "LIMIT001-10", None),
        ("x-ia-throttle-limit-retry-after", "-1", None),
        ("x-ia-throttle-limit-remaining", "9", None),
    ],
)
def test_every_spelling_of_a_wait_is_read(name: str, value: str, wait: float | None) -> None:
    assert server_wait(Reply(429, {name.lower(): value}, b"")) == wait


def test_a_wait_beyond_the_deadline_ends_at_once_and_says_how_long_it_would_be() -> None:
    world = World(refused(429, "", retry_after="9000"))
    with pytest.raises(ThrottledError, match=r"wait 2\.5 hours") as caught:
        run(world, read(), deadline=60)
    assert (caught.value.retry_after, world.slept) == (9000.0, [])


# Deadlines ---------------------------------------------------------------------------------------------------------


def test_the_deadline_covers_the_token_too_and_nothing_is_sent_after_it() -> None:
    world = World()

    def slow(_: Request) -> Reply:
        world.now += 40
        return json_reply(200, '{"access_token":"t","expires_in":3600}')

    world.steps = [slow]
    desk = session(world, deadline=30)
    desk.tokens = RefreshToken(client_id="c", client_secret="s", refresh_token="r")
    with pytest.raises(DeadlineError, match="was not sent"):
        world.run(perform(desk, write()))
    assert [request.url.rpartition("/")[2] for request in world.sent] == ["token"]


def test_no_try_is_given_more_time_than_the_call_has_left() -> None:
    timeouts: list[float] = []
    world = World(LOST, LOST, LOST, LOST, LOST)
    world.timeout_seen = timeouts.append
    with pytest.raises(UnreachableError):
        run(world, read(), timeout=60, deadline=3)
    assert timeouts[0] == 3
    assert all(after < before for before, after in itertools.pairwise(timeouts))
    assert world.now <= 3


def test_one_call_can_have_limits_of_its_own_and_work_can_end_at_a_moment() -> None:
    seen: list[float] = []

    class Slow:
        def send(self, request: Request, timeout: float) -> Reply:
            if "token" in request.url:
                return json_reply(200, '{"access_token":"t"}')
            seen.append(timeout)
            return RECORD

        def close(self) -> None: ...

    given = {"client_id": "c", "client_secret": "s", "user": "u", "company": "co"}
    intacct = Intacct(**given, transport=Slow(), timeout=50)
    intacct.call(read())
    intacct.call(read(), timeout=5)
    intacct.call(read(), deadline=4)
    intacct.raw("GET", "/objects/x/y/1", timeout=3)
    assert [round(t) for t in seen] == [50, 5, 4, 3]
    bounded = intacct.within(2)
    bounded.call(read())
    assert seen[-1] <= 2
    with pytest.raises(DeadlineError):
        intacct.within(-1).call(read())
    for wrong in ({"timeout": 0}, {"deadline": -1}, {"max_reply": 0}):
        with pytest.raises(ConfigurationError):
            Intacct(**given, **wrong)


# Which repeat is safe ----------------------------------------------------------------------------------------------


def test_a_refresh_is_tried_again_only_where_the_first_try_certainly_did_nothing() -> None:
    grant = json_reply(200, '{"access_token":"t","refresh_token":"r2","expires_in":3600}')

    def refresh(*steps: Any) -> World:
        world = World(*steps)
        tokens = RefreshToken(client_id="c", client_secret="s", refresh_token="r")
        assert world.run(tokens.token(session(world))).value == "t"
        return world

    assert len(refresh(UNSENT, refused(429, "GW-0010"), grant).sent) == 3
    for lost in (LOST, refused(500, "X"), Reply(200, {}, b"{")):
        with pytest.raises((UnreachableError, ServerError), match="connect again"):
            refresh(lost, grant)


def test_a_lost_refresh_does_not_make_a_write_unknown_that_was_never_sent() -> None:
    world = World(LOST)
    desk = session(world)
    desk.tokens = RefreshToken(client_id="c", client_secret="s", refresh_token="r")
    with pytest.raises(UnreachableError):
        world.run(perform(desk, write()))


def without_keys(_: Any, __: Any) -> Exchange[bool]:
    yield from ()
    return False


def test_a_refresh_that_is_refused_as_an_invalid_token_says_that_the_grant_is_dead() -> None:
    world = World(json_reply(401, '{"error":{"errorId":"REST-2102","message":"Token is not valid"}}'))
    desk = session(world)
    desk.tokens = RefreshToken(client_id="c", client_secret="s", refresh_token="r")
    with pytest.raises(TokenRefusedError, match="connected a second time"):
        world.run(perform(desk, write()))
    assert len(world.sent) == 1


def test_a_gateways_refusal_of_a_repeat_says_nothing_about_the_try_before_it() -> None:
    gateway = json_reply(400, '{"error":{"code":"badRequest","message":"Malformed","errorId":"GW-0099"}}')
    with pytest.raises(OutcomeUnknownError):
        run(World(LOST, gateway), write())
    with pytest.raises(RefusedError):
        run(World(LOST, refused(422, "REST-7001")), write())
    with pytest.raises(InvalidRequestError):
        run(World(gateway), write())


def test_only_intacct_can_say_that_a_delete_without_an_answer_worked() -> None:
    nowhere = json_reply(404, '{"message":"no Route matched with those values"}')
    with pytest.raises(OutcomeUnknownError):
        run(World(LOST, nowhere), operations.delete("accounts-payable/vendor", "7"))
    assert run(World(LOST, refused(404, "")), operations.delete("accounts-payable/vendor", "7")) is None
    many = raw_call("DELETE", "/objects/accounts-payable/vendor/7,8")
    with pytest.raises(OutcomeUnknownError):  # one of them is not there: nobody says which
        run(World(LOST, refused(404, "")), many)


def test_where_intacct_knows_no_keys_a_write_without_an_answer_is_not_repeated() -> None:
    world = World(LOST, created())
    with pytest.raises(OutcomeUnknownError, match="look in Intacct") as caught:
        run(world, write(), keys_work=without_keys)
    assert (caught.value.idempotency_key, len(world.sent)) == (None, 1)
    world = World(UNSENT, refused(429, ""), created("7"))
    assert run(world, write(), keys_work=without_keys).key == "7", "what certainly did nothing is repeated"
    assert run(World(LOST, RECORD), read(), keys_work=without_keys) == {"key": "7"}, "a read is"


def test_the_live_model_is_asked_about_keys_only_once_a_repeat_is_needed() -> None:
    posts: list[str] = []
    asked: list[str] = []
    supported = True

    class Wire:
        def send(self, request: Request, timeout: float) -> Reply:
            if "oauth2" in request.url:
                return json_reply(200, '{"access_token":"t"}')
            if "model" in request.url:
                asked.append(request.url)
                model = {"fields": {}, "idempotenceSupported": supported, "apiObject": "accounts-payable/vendor"}
                return Reply(200, {}, msgspec.json.encode({"ia::result": model}))
            posts.append(request.headers["Idempotency-Key"])
            if len(posts) % 2:
                raise LOST
            return created()

        def close(self) -> None: ...

    intacct = Intacct(client_id="c", client_secret="s", user="u", company="co", transport=Wire(), check=False)
    intacct._desk.session.jitter = lambda: -1.0
    intacct._desk.session.keys_work.keywords.clear()
    assert intacct.create("vendors", {"id": "V1"}, check=False).key == "7"
    assert (len(asked), len(set(posts)), len(posts)) == (1, 1, 2)
    supported = False
    intacct = Intacct(client_id="c", client_secret="s", user="u", company="co", transport=Wire(), check=False)
    with pytest.raises(OutcomeUnknownError):
        intacct.create("vendors", {"id": "V1"}, check=False)
    assert len(posts) == 3


def test_a_key_that_cannot_be_sent_whole_is_refused_before_anything_is() -> None:
    for key in ("", "k" * 257, "k\n", " k", "ключ"):
        with pytest.raises(ConfigurationError):
            write(key)
    assert write("k" * 256).idempotency_key == "k" * 256


# The four meanings of 409 ------------------------------------------------------------------------------------------


def conflict(message: str, **headers: str) -> Reply:
    return refused(409, "", message, **headers)


def test_a_409_of_a_key_made_for_this_call_can_only_be_the_unique_value() -> None:
    with pytest.raises(ConflictError) as caught:
        run(World(conflict("anything at all")), write())
    assert caught.value.meaning == "duplicate"
    assert "update that record" in caught.value.advice


@pytest.mark.parametrize(
    ("words", "meaning", "advice"),
    [
        (DUPLICATE, "duplicate", "unique value"),
        ("Idempotency key was used with a different request body", "other body", "twice"),
        ("The idempotency key is reserved", "reserved", "48 hours"),
        ("Conflict", "unclear", "already in Intacct"),
    ],
)
def test_a_409_of_the_callers_own_key_says_what_it_means(words: str, meaning: str, advice: str) -> None:
    world = World(conflict(words))
    with pytest.raises(ConflictError) as caught:
        run(world, write("mine"))
    assert (caught.value.meaning, len(world.sent)) == (meaning, 1)
    assert advice in caught.value.advice
    assert caught.value.to_dict()["meaning"] == meaning


def test_a_request_in_flight_elsewhere_is_waited_for_and_its_answer_taken() -> None:
    world = World(conflict("A request with this key is in progress"), created("9"))
    assert run(world, write("mine")).key == "9"
    assert len({(r.headers["Idempotency-Key"], r.body) for r in world.sent}) == 1
    with pytest.raises(ConflictError) as caught:
        run(World(*[conflict("in progress")] * 5), write("mine"))
    assert caught.value.meaning == "in flight"


@pytest.mark.parametrize(
    ("words", "advice"),
    [("The key is reserved", "It was processed"), (DUPLICATE, "the one it wrote itself")],
)
def test_a_409_after_a_lost_answer_leaves_the_outcome_unknown_and_says_why(words: str, advice: str) -> None:
    world = World(LOST, conflict(words))
    with pytest.raises(OutcomeUnknownError, match=advice):
        run(world, write("mine"))
    assert len(world.sent) == 2


@pytest.mark.parametrize("words", ["Conflict", "The key was already used for a different request", "It is reserved"])
def test_a_409_of_our_own_key_after_a_lost_answer_is_that_try_whatever_its_words(words: str) -> None:
    world = World(LOST, conflict(words), created("9"))
    assert run(world, write()).key == "9"
    with pytest.raises(OutcomeUnknownError):
        run(World(LOST, *[conflict(words)] * 4), write())


def test_a_remembered_duplicate_is_the_answer_to_the_lost_try() -> None:
    with pytest.raises(ConflictError) as caught:
        run(World(LOST, conflict("whatever", **CACHED)), write())
    assert caught.value.meaning == "duplicate"


# Remembered answers ------------------------------------------------------------------------------------------------


def test_a_remembered_throttle_of_our_own_key_is_left_behind_with_a_new_key() -> None:
    world = World(refused(429, ""), refused(429, "", **CACHED), created("9"))
    assert run(world, write()).key == "9"
    assert len({r.headers["Idempotency-Key"] for r in world.sent[:2]}) == 1
    assert world.sent[2].headers["Idempotency-Key"] != world.sent[0].headers["Idempotency-Key"]


def test_no_new_key_is_made_for_the_caller_nor_after_a_lost_answer() -> None:
    with pytest.raises(ThrottledError, match="under a new one"):
        run(World(refused(429, "", **CACHED)), write("mine"))
    world = World(LOST, refused(429, "", **CACHED))
    with pytest.raises(ThrottledError):
        run(world, write())
    assert len(world.sent) == 2


@pytest.mark.parametrize("status", [422, 500, 503])
def test_a_remembered_failure_is_final_and_does_not_loop(status: int) -> None:
    world = World(refused(status, "X-1", **CACHED))
    with pytest.raises(RefusedError if status == 422 else OutcomeUnknownError):
        run(world, write())
    assert len(world.sent) == 1
    with pytest.raises(OutcomeUnknownError) as caught:  # it may have broken down after the record was made
        run(World(LOST, refused(500, "X-1", **CACHED)), write())
    assert (caught.value.idempotency_key, "look in Intacct" in caught.value.advice) == (None, True)
    page = Reply(500, {"x-ia-idempotency-cached-date": "x"}, b"<html>")
    with pytest.raises(OutcomeUnknownError):
        run(World(page), write())


def test_a_repeated_answer_is_told_from_a_first_one() -> None:
    again = json_reply(201, '{"ia::result":{"key":"9"}}', **CACHED)
    assert run(World(LOST, again), write()).replayed
    assert not run(World(created()), write()).replayed
    items = '{"ia::result":[{"key":"9","ia::status":201}]}'
    assert run(World(json_reply(201, items, **CACHED)), batch())[0].replayed
    assert not run(World(json_reply(201, items)), batch())[0].replayed


# Tokens ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (refused(401, "GW-0034", "Invalid Authorization Header"), TokenRefusedError),
        (refused(401, "GW-0011", "Invalid Request"), ForbiddenError),
        (refused(401, "XL03000006", "Invalid Web Services Authorization"), ForbiddenError),
        (refused(401, "REST-1216", "The Client ID is incorrect"), TokenRefusedError),
        (
            json_reply(401, '{"error":{"errorId":"GW-0034","message":"Invalid Authorization Header"}}'),
            TokenRefusedError,
        ),
    ],
)
def test_a_refusal_that_no_new_token_cures_renews_none(refusal: Reply, kind: type[Exception]) -> None:
    world = World(refusal)
    with pytest.raises(kind):
        run(world, read())
    assert len(world.sent) == 1


def test_a_token_refused_as_400_twice_after_a_lost_answer_leaves_the_write_unknown() -> None:
    with pytest.raises(OutcomeUnknownError):
        run(World(LOST, refused(400, "REST-1206"), refused(400, "REST-1206")), write())


def test_concurrent_calls_that_meet_a_refused_token_renew_it_once() -> None:
    lock = threading.Lock()
    tokens: list[str] = []
    together = threading.Barrier(4)

    def answer(method: str, target: str, headers: Any, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if "oauth2" in target:
            with lock:
                tokens.append(f"t{len(tokens)}")
                return 200, {}, f'{{"access_token":"{tokens[-1]}","expires_in":3600}}'.encode()
        if headers["authorization"] == "Bearer t0":
            together.wait(20)
            return 401, {}, b'{"error":{"errorId":"GW-0040","message":"Expired token"}}'
        return RECORD.status, {}, RECORD.body

    from tieout.rest import InProcessTransport

    given = {"client_id": "c", "client_secret": "s", "user": "u", "company": "co"}
    intacct = Intacct(**given, transport=InProcessTransport(answer))
    threads = [threading.Thread(target=intacct.call, args=(read(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert tokens == ["t0", "t1"]

    async def scene() -> None:
        async with AsyncIntacct(**given, transport=InProcessTransport(answer)) as it:
            await asyncio.gather(*(it.call(read()) for _ in range(4)))

    tokens.clear()
    asyncio.run(scene())
    assert tokens == ["t0", "t1"]


def test_gw_0010_is_a_throttle_under_any_status() -> None:
    for status in (400, 403, 429):
        world = World(json_reply(status, '{"error":{"errorId":"GW-0010","message":"Too many"}}'), RECORD)
        assert run(world, read()) == {"key": "7"}


# Sizes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        msgspec.structs.replace(batch(), body=msgspec.json.encode([{}] * 501)),
        msgspec.structs.replace(batch(), body=b'[{"a":"' + b"x" * 1_000_001 + b'"}]'),
        msgspec.structs.replace(read(), path="/objects/a/b/" + ",".join(map(str, range(501)))),
    ],
)
def test_an_oversize_request_is_not_waited_for_like_a_throttle(call: Any) -> None:
    world = World(refused(429, "", "bulk size exceeds rate limit", retry_after="1"))
    with pytest.raises(TooLargeError, match="Cut it"):
        run(world, call)
    assert (len(world.sent), world.slept) == (1, [])


def test_413_is_too_large_at_once_and_a_429_of_a_small_batch_is_a_throttle() -> None:
    for reply in (refused(413, "", "too large"), Reply(413, {}, b"<html>Request Entity Too Large</html>")):
        world = World(reply)
        with pytest.raises(TooLargeError):
            run(world, batch())
        assert len(world.sent) == 1
    good = '{"ia::result":[{"key":"7","ia::status":201}]}'
    assert run(World(refused(429, ""), json_reply(201, good)), batch())[0].state == "posted"


@pytest.mark.parametrize("long", [0, 100_000])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_refusal_that_hides_under_200_shows_no_token_however_long_the_reply(long: int, place: int) -> None:
    secret, parts = "a-bearer-token", [f'"before":"{"x" * long}"', f'"after":"{"x" * long}"']
    error = f'"ia::error":{{"message":"not for {secret}","errorId":"REST-1064"}}'
    parts.insert(place, error)
    echo = json_reply(200, f'{{"ia::result":{{{", ".join(parts)}}}}}')

    class Held(Tokens):
        def token(self, session: Session, *, refused: Token | None = None) -> Exchange[Token]:
            yield from ()
            return Token(secret, 1e12)

    world = World(always=echo)
    page = operations.query_page(Query(object="accounts-payable/vendor", fields=("key",)), 1, 100, keys_only)
    with pytest.raises(TieoutError) as caught:
        world.run(perform(msgspec.structs.replace(session(world), tokens=Held()), page))
    assert "not for ***" in str(caught.value)
    assert secret not in f"{caught.value!r} {caught.value.to_dict()}"
