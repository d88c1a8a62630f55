"""Workflow actions: the request as documented, Sage's own state words, and names checked before anything is sent."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from tests.rest.conftest import World, json_reply, refused, session
from tieout import catalogue
from tieout.errors import CheckError, ConfigurationError, OutcomeUnknownError, RefusedError, UnknownNameError
from tieout.rest.call import Reply, Request
from tieout.rest.desk import Desk
from tieout.rest.memory import ProcessMemory
from tieout.rest.workflows import action, action_many


def desk(world: World) -> Desk:
    return Desk(session=session(world), memory=ProcessMemory())


def path_of(request: Request) -> str:
    return request.url.rpartition("/ia/api/v1")[2]


def answer(result: Any, status: int = 200) -> Reply:
    return json_reply(status, json.dumps({"ia::result": result}))


def test_an_action_posts_the_key_and_answers_the_state() -> None:
    sample = {"key": "132", "id": "132", "href": "/objects/accounts-payable/bill/132", "state": "reversed"}
    world = World(json_reply(200, json.dumps({"ia::result": sample, "ia::meta": {"totalCount": 3, "totalError": 1}})))
    parameters = {"reverseDate": date(2026, 3, 3), "notes": "again"}
    moved = world.run(action(desk(world), "bills", 132, "reverse", parameters))
    (request,) = world.sent
    assert (request.method, path_of(request)) == ("POST", "/workflows/accounts-payable/bill/reverse")
    assert json.loads(request.body or b"") == {"key": "132", "reverseDate": "2026-03-03", "notes": "again"}
    assert request.headers["Idempotency-Key"]
    assert (moved.key, moved.state, moved.more) == ("132", "reversed", {})


@pytest.mark.parametrize(
    ("body", "state", "more"),
    [
        ({"ia::result": {"key": "8", "downloadURL": "https://x/y"}}, None, {"downloadURL": "https://x/y"}),
        ({"ia::result": {"key": "8", "releaseToPay": True}}, None, {"releaseToPay": True}),
        ({"ia::result": [{"key": "8", "state": "posted", "ia::status": 200}]}, "posted", {}),
        ({"key": "8", "state": "ignored"}, "ignored", {}),
    ],
)
def test_every_documented_shape_of_answer_is_read(body: Any, state: str | None, more: dict[str, Any]) -> None:
    world = World(json_reply(200, json.dumps(body)))
    moved = world.run(action(desk(world), "invoice", "8", "generate-pdf", {}))
    assert (moved.key, moved.state, moved.more) == ("8", state, more)


def test_many_records_go_out_together_each_with_what_is_its_own() -> None:
    items = [
        {"key": "1", "state": "declined", "ia::status": 200},
        {"ia::error": {"code": "operationFailed", "message": "not submitted"}, "ia::status": 422},
    ]
    world = World(answer(items, 207))
    mine: list[Any] = [1, {"key": "2", "notes": "twice"}]
    result = world.run(action_many(desk(world), "bills", mine, "decline", {"notes": "no receipt"}))
    assert path_of(world.sent[0]) == "/workflows/accounts-payable/bill/decline"
    sent = [{"notes": "no receipt", "key": "1"}, {"notes": "twice", "key": "2"}]
    assert json.loads(world.sent[0].body or b"") == sent
    assert [(o.state, o.sage_state) for o in result] == [("posted", "declined"), ("failed", None)]
    assert [record for record, _ in result.failed] == [mine[1]]


def test_a_reversal_may_answer_another_record() -> None:
    world = World(answer([{"key": "23", "state": "reversal"}]))
    result = world.run(action_many(desk(world), "accounts-receivable/payment", ["22"], "reverse", {}))
    assert (result[0].state, result[0].key) == ("posted", "23")


def test_a_document_is_told_by_the_name_of_its_application() -> None:
    world = World(answer({"key": "9", "state": "submitted"}))
    world.run(action(desk(world), "purchasing/document::Purchase Order", "9", "submit", {}))
    assert path_of(world.sent[0]) == "/workflows/purchasing/document/submit"


def test_a_custom_object_passes_through() -> None:
    world = World(answer({"key": "9"}))
    world.run(action(desk(world), "platform-apps/nsp::thing", "9", "publish", {"any": 1}))
    assert path_of(world.sent[0]) == "/workflows/platform-apps/nsp::thing/publish"


@pytest.mark.parametrize("spelt", ["generate_pdf", "Generate PDF", "generate-pdf"])
def test_an_action_may_be_spelt_as_people_do(spelt: str) -> None:
    world = World(answer({"key": "9"}))
    world.run(action(desk(world), "invoices", "9", spelt, {}))
    assert path_of(world.sent[0]).endswith("/invoice/generate-pdf")


def test_an_unknown_action_names_the_nearest_and_one_of_an_object_without_any_says_so() -> None:
    world = World()
    with pytest.raises(UnknownNameError) as caught:
        world.run(action(desk(world), "bills", "9", "submitt", {}))
    assert caught.value.nearest[0] == "submit"
    with pytest.raises(UnknownNameError) as caught:
        world.run(action(desk(world), "bills", "9", "zap", {}))
    assert set(caught.value.nearest) == set(catalogue.actions("accounts-payable/bill"))
    with pytest.raises(UnknownNameError, match="raw"):
        world.run(action(desk(world), "departments", "9", "submit", {}))


@pytest.mark.parametrize(
    ("object", "wrong", "nearest"),
    [
        ("bills", "reversedDate", "reverseDate"),
        ("invoices", "reverseDate", "reversedDate"),
        ("bills", "memo", ""),
        ("accounts-payable/payment", "notes", ""),
        ("bills", "reverse_date", "reverseDate"),
    ],
)
def test_a_parameter_that_another_object_takes_is_caught(object: str, wrong: str, nearest: str) -> None:
    world = World()
    with pytest.raises(CheckError) as caught:
        world.run(action(desk(world), object, "9", "reverse", {wrong: "2026-01-01"}))
    (problem,) = caught.value.problems
    assert (problem.path, problem.nearest) == (wrong, nearest)
    with pytest.raises(CheckError) as caught:
        world.run(action_many(desk(world), object, ["8", {"key": "9", wrong: "x"}], "reverse", {}))
    assert [p.path for p in caught.value.problems] == [f"[1].{wrong}"]


def test_what_nobody_documents_is_left_to_intacct() -> None:
    world = World(answer({"key": "9"}))
    world.run(action(desk(world), "bills", "9", "submit", {"zzz": True}))
    assert json.loads(world.sent[0].body or b"")["zzz"] is True


@pytest.mark.parametrize("key", ["", " ", None, 1.5, True, "1,2"])
def test_a_key_that_is_none_is_refused_before_anything_is_sent(key: Any) -> None:
    world = World()
    with pytest.raises(ConfigurationError):
        world.run(action(desk(world), "bills", key, "submit", {}))
    with pytest.raises(ConfigurationError):
        world.run(action_many(desk(world), "bills", [key], "submit", {}))


def test_an_answer_without_a_key_is_no_answer() -> None:
    world = World(*[answer({"state": "posted"})] * 5)
    with pytest.raises(OutcomeUnknownError):
        world.run(action(desk(world), "bills", "9", "submit", {}))


def test_a_refused_action_says_what_intacct_says() -> None:
    world = World(refused(422, "REST-7001", "Bill is already posted"))
    with pytest.raises(RefusedError, match="already posted"):
        world.run(action(desk(world), "bills", "9", "submit", {}))


def test_the_one_action_whose_object_is_not_documented_can_be_called() -> None:
    world = World(answer({"key": "24", "state": "voided"}))
    world.run(action(desk(world), "cash-management/charge-payoff", "23", "reverse", {"reversedDate": "2025-01-23"}))
    assert path_of(world.sent[0]) == "/workflows/cash-management/charge-payoff/reverse"
