"""Requests that no method wraps: everything around them stays, and nothing leads past the client."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rest.conftest import World, json_reply, refused, session
from tieout import simulated, simulated_async
from tieout.errors import ConfigurationError, OutcomeUnknownError, RefusedError, ReplyError
from tieout.rest.call import Reply
from tieout.rest.effects import NoAnswer
from tieout.rest.perform import perform
from tieout.rest.raw import RawReply, raw_call

OK = json_reply(200, '{"ia::result":{"n":1.10},"ia::meta":{}}')
LOST = NoAnswer("the connection broke", sent=True)


def run(world: World, *asked: Any, entity: str | None = None, **options: Any) -> RawReply:
    return world.run(perform(session(world, entity=entity), raw_call(*asked, **options)))


def test_a_raw_read_has_token_entity_retries_and_exact_numbers() -> None:
    world = World(LOST, refused(401, "GW-0040"), OK)
    reply = run(world, "get", "/services/core/session/id?x=1", query={"y": "a b"}, entity="E1")
    sent = world.sent[-1]
    assert urlsplit(sent.url).path == "/ia/api/v1/services/core/session/id"
    assert urlsplit(sent.url).query == "x=1&y=a+b"
    assert (sent.headers["Authorization"], sent.headers["X-IA-API-Param-Entity"]) == ("Bearer t1", "E1")
    assert "Idempotency-Key" not in sent.headers
    assert str(reply.result["n"]) == "1.10"
    assert (reply.status, reply.data["ia::meta"]) == (200, {})


def test_a_raw_write_has_one_key_and_is_unknown_when_nobody_answers() -> None:
    world = World(*[LOST] * 5)
    with pytest.raises(OutcomeUnknownError) as caught:
        run(world, "POST", "/services/bulk/thing", body={"a": 1}, idempotency_key="mine")
    assert {r.headers["Idempotency-Key"] for r in world.sent} == {"mine"} == {caught.value.idempotency_key}
    world = World(LOST, OK)
    run(world, "PATCH", "/objects/a/b/1", body={})
    assert len({r.headers["Idempotency-Key"] for r in world.sent}) == 1
    world = World(OK, OK)
    for path in ("/services/core/query", "/services/core/model"):
        run(world, "POST", path, body={})
    assert not any("Idempotency-Key" in r.headers for r in world.sent)


def test_a_raw_delete_that_finds_nothing_after_a_lost_answer_has_worked() -> None:
    assert run(World(LOST, refused(404, "")), "DELETE", "/objects/a/b/1").status == 204
    assert run(World(Reply(204, {}, b"")), "DELETE", "/objects/a/b/1").data is None


def test_refusals_are_errors_and_mixed_answers_are_the_callers_to_read() -> None:
    with pytest.raises(RefusedError):
        run(World(refused(422, "REST-7001")), "POST", "/objects/a/b", body={})
    with pytest.raises(RefusedError):
        run(World(json_reply(200, '{"ia::error":{"errorId":"GL-1009","message":"m"}}')), "GET", "/x")
    mixed = '{"ia::result":[{"ia::status":404,"ia::error":{"code":"notFound"}}]}'
    for status in (207, 422):
        reply = run(World(json_reply(status, mixed)), "POST", "/services/core/composite", body=[{}, {}])
        assert (reply.status, reply.result[0]["ia::status"]) == (status, 404)


def test_files_come_as_bytes_and_web_pages_do_not() -> None:
    reply = run(World(Reply(200, {"content-type": "text/xml"}, b"<a/>")), "POST", "/services/core/export", body={})
    assert (reply.body, reply.data) == (b"<a/>", None)
    with pytest.raises(ReplyError, match="no `ia::result`"):
        _ = reply.result
    good = run(World(Reply(200, {"content-type": "text/plain"}, b'\xef\xbb\xbf{"ia::result":[]}')), "GET", "/x")
    assert good.result == []
    for page in (
        Reply(200, {"content-type": "text/html"}, b"<html>login</html>"),
        Reply(200, {"content-type": "application/json"}, b"<html>"),
        Reply(200, {"content-type": "application/json"}, b'{"ia::result":'),
        Reply(200, {"content-type": "application/json"}, b""),
    ):
        with pytest.raises(ReplyError):
            run(World(*[page] * 5), "GET", "/x")


@pytest.mark.parametrize(
    "path",
    [
        "objects/a/b",
        "https://evil.example/x",
        "//evil.example/x",
        "/../../x",
        "/objects/../../x",
        "/objects/%2e%2e/x",
        "/objects/%252e%252e/x",
        "/a\\..\\b",
        "/a#b",
        "/a\r\nHost: evil",
        "/a%0d%0ab",
        "/./x",
        "",
        "/oauth2/token",
        "/OAuth2/revoke",
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(ConfigurationError):
        raw_call("GET", path)


@given(st.text(max_size=40))
def test_whatever_the_path_it_stays_below_the_api(text: str) -> None:
    try:
        call = raw_call("GET", "/" + text)
    except ConfigurationError:
        return
    assert call.path.isascii()
    url = urlsplit("https://api.example/ia/api/v1" + call.path)
    assert (url.netloc, url.query, url.fragment) == ("api.example", "", "")
    assert url.path.startswith("/ia/api/v1/")
    assert ".." not in url.path.split("/")


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"Authorization": "Bearer x"}},
        {"headers": {"idempotency-KEY": "x"}},
        {"headers": {"X-IA-API-Param-Entity": "E"}},
        {"headers": {"Host": "evil"}},
        {"headers": {"X": "a\r\nb"}},
        {"headers": {"X Y": "a"}},
        {"entity": "E\n1"},
        {"body": "text"},
        {"body": {"a": object()}},
        {"idempotency_key": "k" * 257},
    ],
)
def test_what_cannot_be_sent_safely_is_refused_before_anything_is(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        raw_call("POST", "/objects/a/b", **options)


def test_methods_bodies_and_keys_that_make_no_sense_are_refused() -> None:
    for method, options in (("PUT", {}), ("GET", {"body": {}}), ("GET", {"idempotency_key": "k"}), ("TRACE", {})):
        with pytest.raises(ConfigurationError):
            raw_call(method, "/x", **options)
    call = raw_call("POST", "/x", body=b"a,b\n", headers={"Content-Type": "text/csv", "X-IA-Other": "1"})
    assert (call.body, call.content_type, call.headers) == (b"a,b\n", "text/csv", {"X-IA-Other": "1"})


def test_both_clients_reach_a_company_by_raw_requests() -> None:
    with simulated() as intacct:
        before = intacct.meter.usage.transactions
        created = intacct.raw("POST", "/objects/accounts-payable/vendor", body={"id": "V-RAW", "name": "Raw"})
        path = f"/objects/accounts-payable/vendor/{created.result['key']}"
        assert (created.status, intacct.raw("GET", path).result["name"]) == (201, "Raw")
        assert intacct.meter.usage.transactions == before + 2
        assert intacct.raw("DELETE", path).status == 204

    async def scene() -> dict[str, Any]:
        async with simulated_async() as it:
            return (await it.raw("GET", "/objects/accounts-payable/vendor")).data

    assert json.dumps(asyncio.run(scene())["ia::result"])
