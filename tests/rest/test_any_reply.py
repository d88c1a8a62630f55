"""Whatever comes back, to whatever was asked: a result or an error of the family, never anything else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rest.conftest import World, json_reply, session
from tieout import catalogue
from tieout.errors import OutcomeUnknownError, ReplyError, TieoutError
from tieout.rest import ClientCredentials, ProcessMemory, operations, reading, writing
from tieout.rest.call import Reply
from tieout.rest.desk import Desk
from tieout.rest.effects import Exchange
from tieout.rest.models import model
from tieout.rest.perform import perform
from tieout.rest.raw import raw_call

VENDOR = "accounts-payable/vendor"
Asked = Callable[[Desk], Exchange[Any]]


def paged(desk: Desk, pace: Any) -> Exchange[Any]:
    asked = reading.checked_query(desk, VENDOR, ["id", "name", "totalDue"], None, {})
    return reading.pages(desk, asked, pace, named=True)


def call(made: Any) -> Asked:
    return lambda desk: perform(desk.session, made)


READS: dict[str, Asked] = {
    "get": lambda desk: reading.get(desk, VENDOR, "7"),
    "get_many": lambda desk: reading.get_many(desk, VENDOR, ["7", "8"]),
    "query": lambda desk: paged(desk, {}),
    "query by keys": lambda desk: paged(desk, {"paging": "keyset"}),
    "count": lambda desk: reading.count(desk, VENDOR, None, {}),
    "totals": lambda desk: reading.totals(desk, VENDOR, ["totalDue"], None, {}),
    "model": lambda desk: model(desk, "accounts-payable/bill"),
    "references": call(operations.list_references(VENDOR)),
    "raw get": call(raw_call("GET", "/services/x")),
}
WRITES: dict[str, Asked] = {
    "create": lambda desk: writing.create(desk, VENDOR, {"id": "V", "name": "n"}),
    "update": lambda desk: writing.update(desk, VENDOR, "7", {"name": "n"}),
    "delete": call(operations.delete(VENDOR, "7")),
    "create_many": lambda desk: writing.create_many(desk, VENDOR, [{"id": "V"}, {"id": "W"}]),
    "update_many": lambda desk: writing.update_many(desk, VENDOR, [("1", {"name": "a"}), ("2", {"name": "b"})]),
    "delete_many": lambda desk: writing.delete_many(desk, VENDOR, ["1", "2"]),
    "action": call(operations.action("accounts-payable/bill", "7", "submit", {})),
    "raw post": call(raw_call("POST", "/services/x", body=[{}, {}])),
    "raw delete": call(raw_call("DELETE", "/objects/a/b/1")),
}


def desk_in(world: World) -> Desk:
    memory = ProcessMemory()
    memory.keep_model(VENDOR, catalogue.load(VENDOR))
    return Desk(session=session(world), memory=memory)


NAMES = ["ia::result", "ia::meta", "ia::error", "ia::status", "key", "id", "href", "name", "message", "errorId", "code"]
NAMES += ["details", "totalCount", "totalError", "start", "next", "pageSize", "fields", "refs", "lists", "access_token"]
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["7", "2026"])
SHAPES = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=15,
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Bytes of any kind, JSON of any shape, envelopes with anything in them, cut anywhere."""
    kind = draw(st.sampled_from(["bytes", "json", "envelope", "cut", "twice"]))
    if kind == "bytes":
        return draw(st.binary(max_size=60))
    value = draw(SHAPES)
    if kind == "json":
        return msgspec.json.encode(value)
    whole = msgspec.json.encode({"ia::result": value, "ia::meta": draw(SHAPES)})
    if kind == "cut":
        return whole[: draw(st.integers(0, len(whole)))]
    if kind == "twice":
        return whole[:-1] + b',"ia::result":' + msgspec.json.encode(draw(SHAPES)) + b"}"
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf", b" \n"])) + whole


STATUSES = st.sampled_from([100, 101, 200, 201, 202, 204, 207, 301, 400, 401, 403, 404, 409, 413, 422, 429, 500, 503])
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "retry-after", "x-ia-idempotency-cached-date", "date", "location"]),
    st.text(max_size=8) | st.sampled_from(["application/json", "text/html", "-1", "Thu, 01 Jan 1970 00:00:00 GMT"]),
    max_size=3,
)
ANY = st.sampled_from(sorted(READS | WRITES))


@given(ANY, st.lists(st.builds(Reply, STATUSES, HEADERS, bodies()), min_size=1, max_size=3))
def test_any_reply_to_any_operation_is_a_result_or_an_error_of_the_family(name: str, replies: list[Reply]) -> None:
    world = World(*replies[:-1], always=replies[-1])
    desk = desk_in(world)
    try:
        result = (READS | WRITES)[name](desk)
        world.run(result)
    except TieoutError as error:
        msgspec.json.encode(error.to_dict())
        (str(error) + repr(error)).encode()
    assert len(world.sent) <= 30, "it went on for ever"


@given(ANY, STATUSES, bodies())
def test_any_reply_of_the_token_endpoint_is_an_error_of_the_family(name: str, status: int, body: bytes) -> None:
    world = World(always=Reply(status, {}, body))
    desk = desk_in(world)
    desk.session.tokens = ClientCredentials(client_id="c", client_secret="s", user="u", company="co")
    with contextlib.suppress(TieoutError):
        world.run((READS | WRITES)[name](desk))
    assert len(world.sent) <= 30


ODD = {
    "204 for a read": Reply(204, {}, b""),
    "empty": Reply(200, {}, b""),
    "a result that is text": json_reply(200, '{"ia::result":"yes","ia::meta":{}}'),
    "a result that is a number": json_reply(200, '{"ia::result":1}'),
    "a list where an object belongs": json_reply(200, "[1,2]"),
    "no result": json_reply(200, '{"ia::meta":{}}'),
    "null": json_reply(200, "null"),
    "invalid UTF-8": Reply(200, {}, b'{"ia::result":{"key":"\xff"}}'),
    "deep nesting": Reply(200, {}, b'{"ia::result":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "cut off": Reply(200, {}, b'{"ia::result":{"key":"7"'),
    "a web page": Reply(200, {"content-type": "text/html"}, b"<!doctype html>"),
    "an endless number": Reply(200, {}, b'{"ia::result":{"key":' + b"9" * 10_000 + b"}}"),
    "switching protocols": Reply(101, {}, b""),
}


@pytest.mark.parametrize("name", [name for name in READS if name != "raw get"])
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_reply_to_a_read_is_asked_for_again_and_then_a_typed_error(name: str, odd: str) -> None:
    world = World(always=ODD[odd])
    with pytest.raises(TieoutError) as caught:
        world.run(READS[name](desk_in(world)))
    assert not isinstance(caught.value, OutcomeUnknownError)
    assert len(world.sent) == 5 or not isinstance(caught.value, ReplyError)


@pytest.mark.parametrize("name", ["create", "update", "action"])
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_reply_to_a_write_leaves_its_outcome_unknown(name: str, odd: str) -> None:
    world = World(always=ODD[odd])
    with pytest.raises(OutcomeUnknownError):
        world.run(WRITES[name](desk_in(world)))
    assert len({r.headers["Idempotency-Key"] for r in world.sent}) == 1


@pytest.mark.parametrize("odd", [odd for odd in ODD if not odd.startswith("204")])
def test_an_odd_reply_to_many_writes_leaves_all_of_them_unknown(odd: str) -> None:
    world = World(always=ODD[odd])
    result = world.run(WRITES["create_many"](desk_in(world)))
    assert [outcome.state for outcome in result] == ["unknown", "unknown"]


@pytest.mark.parametrize("member", ["fields", "groups", "refs", "lists"])
@pytest.mark.parametrize(
    "wrong", ["null", "1", '"x"', "[1]", '{"a":null}', '{"a":{"fields":{"b":7}}}', '{"a":{"enum":1}}']
)
def test_a_model_of_another_shape_is_a_typed_error_or_a_model(member: str, wrong: str) -> None:
    world = World(always=json_reply(200, f'{{"ia::result":{{"fields":{{}},"{member}":{wrong}}}}}'))
    with contextlib.suppress(ReplyError):
        world.run(READS["model"](desk_in(world)))


def test_a_byte_order_mark_and_a_wrong_content_type_change_nothing() -> None:
    reply = Reply(200, {"content-type": "text/plain"}, b'\xef\xbb\xbf{"ia::result":{"key":"7","name":"N"}}')
    world = World(reply)
    assert world.run(READS["get"](desk_in(world)))["name"] == "N"
    item = b'{"ia::status":422,"ia::error":{"message":"no"}}'
    world = World(Reply(422, {}, b'\xef\xbb\xbf{"ia::result":[' + item + b"," + item + b"]}"))
    assert [outcome.error.message for outcome in world.run(WRITES["create_many"](desk_in(world)))] == ["no", "no"]


@pytest.mark.parametrize("name", ["create", "update", "action", "create_many", "update_many", "raw post"])
def test_every_post_and_patch_but_queries_carries_an_idempotency_key(name: str) -> None:
    world = World(always=json_reply(422, '{"ia::result":{"ia::error":{"errorId":"X"}}}'))
    with contextlib.suppress(TieoutError):
        world.run(WRITES[name](desk_in(world)))
    assert world.sent
    for request in world.sent:
        assert 0 < len(request.headers["Idempotency-Key"]) <= 256


@pytest.mark.parametrize("name", READS)
def test_no_read_carries_one(name: str) -> None:
    world = World(always=json_reply(422, '{"ia::result":{"ia::error":{"errorId":"X"}}}'))
    with contextlib.suppress(TieoutError):
        world.run(READS[name](desk_in(world)))
    assert world.sent
    assert not any("Idempotency-Key" in request.headers for request in world.sent)
