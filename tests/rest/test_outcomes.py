"""Positions: whatever shape the answer to a batch has, each outcome belongs to the record at its place."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tieout.errors import IntacctError, ReplyError, TieoutError
from tieout.rest.call import Reply
from tieout.rest.outcomes import Sheet, read_made, read_outcomes

KINDS = ["posted", "failed", "unprocessed", "unknown"]
OPERATIONS = ["create", "update", "delete", "action"]
CODES = {"failed": 422, "unprocessed": 422, "unknown": 503}


def error_of(kind: str, position: int, shape: str) -> Any:
    """An `ia::error` as Sage prints one: in full, with nothing but a message, with details."""
    if kind == "unprocessed":
        message = f"m{position}: Operation skipped due to atomic transaction failure"
        return {"message": message} if shape == "message" else {"code": "unprocessed", "message": message}
    error: dict[str, Any] = {"message": f"m{position}"}
    if shape == "full":
        error |= {"code": "operationFailed", "errorId": "REST-7001", "supportId": "S%7E1"}
        error["details"] = [{"errorId": "GL-0951", "code": "x", "message": "inner", "target": "/lines/0"}]
    return error


def good_of(operation: str, position: int) -> dict[str, Any]:
    if operation == "delete":
        return {}
    key = str(1000 + position)
    names = {"key": key, "id": f"I{position}", "href": f"/objects/x/{key}"}
    return names | ({"state": "submitted"} if operation == "action" else {})


def render(kind: str, operation: str, position: int, place: str, shape: str, with_status: bool) -> dict[str, Any]:
    """One item of a reply, written down from the outcome by the samples of REST reference 4.7 and 7.1."""
    if kind == "posted":
        good, status = good_of(operation, position), {"create": 201, "delete": 204}.get(operation, 200)
        item = {"ia::result": good} if place != "flat" else dict(good)
    else:
        error, status = {"ia::error": error_of(kind, position, shape)}, CODES[kind]
        item = {"ia::result": error} if place == "inside" else dict(error)
        if place == "flat" and shape == "keyed" and operation != "create":
            item |= {"key": str(1000 + position), "href": f"/objects/x/{1000 + position}"}
    return item | ({"ia::status": status} if with_status or kind == "unknown" else {})


@st.composite
def replies(draw: st.DrawFn) -> tuple[str, list[str], Reply]:
    operation = draw(st.sampled_from(OPERATIONS))
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=30))
    happy = set(kinds) == {"posted"}
    alike = len({CODES.get(kind, 200) for kind in kinds}) == 1
    items = []
    for position, kind in enumerate(kinds):
        place = draw(st.sampled_from(["flat", "nested", "inside"]))
        shape = draw(st.sampled_from(["full", "message", "keyed", "coded"]))
        with_status = draw(st.booleans()) or (kind == "failed" and not alike)
        items.append(render(kind, operation, position, place, shape, with_status))
    statuses = [200, 201, 207] if happy else [207] if "posted" in kinds or "unknown" in kinds else [400, 404, 422, 207]
    counts = {"totalCount": len(kinds), "totalSuccess": kinds.count("posted")}
    counts["totalError"] = len(kinds) - counts["totalSuccess"] - draw(st.sampled_from([0, kinds.count("unprocessed")]))
    meta = draw(
        st.sampled_from(
            [{}, {"ia::meta": counts}, {"ia::meta": {k: str(v) for k, v in counts.items()}}, {"ia::meta": None}]
        )
    )
    result: Any = items
    if len(items) == 1 and draw(st.booleans()):
        result = items[0]
    body = json.dumps({"ia::result": result} | meta).encode()
    return operation, kinds, Reply(draw(st.sampled_from(statuses)), {}, body)


def plain(count: int) -> st.SearchStrategy[Reply]:
    items = [good_of("create", position) | {"ia::status": 201} for position in range(count)]
    meta = {"totalCount": count, "totalSuccess": count, "totalError": 0}
    return st.just(Reply(207, {"as": "most"}, json.dumps({"ia::result": items, "ia::meta": meta}).encode()))


def sheet_for(operation: str, count: int, **options: Any) -> Sheet:
    keys = [str(1000 + n) for n in range(count)] if operation in ("update", "delete") else [None] * count
    return Sheet(request="POST /x", count=count, keys=keys, deletes=operation == "delete", **options)


@given(replies())
def test_any_mixture_of_outcomes_maps_back_by_position_in_any_reply_shape(made: tuple[str, list[str], Reply]) -> None:
    operation, kinds, reply = made
    outcomes = read_outcomes(reply, sheet_for(operation, len(kinds)))
    assert [o.state for o in outcomes] == kinds
    assert [o.position for o in outcomes] == list(range(len(kinds)))
    for position, outcome in enumerate(outcomes):
        if outcome.state == "posted":
            assert outcome.error is None
            assert outcome.key == str(1000 + position)
            assert outcome.id == (None if operation == "delete" else f"I{position}")
            assert outcome.sage_state == ("submitted" if operation == "action" else None)
        else:
            assert outcome.error is not None
            assert outcome.error.message.startswith(f"m{position}")
            assert outcome.key in (None, str(1000 + position))


@given(
    replies() | st.integers(1, 30).flatmap(lambda n: st.tuples(st.just("create"), st.just(["posted"] * n), plain(n)))
)
def test_names_are_read_at_once_only_where_the_long_way_says_the_same(made: tuple[str, list[str], Reply]) -> None:
    _, kinds, reply = made
    names = read_made(reply, len(kinds))
    if names is not None:
        outcomes = read_outcomes(reply, sheet_for("create", len(kinds)))
        assert [("posted", *each) for each in zip(names.keys, names.ids, names.hrefs, names.states, strict=True)] == [
            (o.state, o.key, o.id, o.href, o.sage_state) for o in outcomes
        ]
    elif reply.headers:  # an answer as Intacct gives most
        raise AssertionError(reply.body)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"ia::result": [{"key": "1"}, {"key": "2", "ia::status": 422}]},
        {"ia::result": [{"key": "1"}, {"key": "2", "ia::error": {"message": "no"}}]},
        {"ia::result": [{"key": "1"}, {"key": "2", "downloadURL": "https://x"}]},
        {"ia::result": [{"key": "1"}, {"key": None}]},
        {"ia::result": [{"key": "1"}, {"id": "2"}]},
        {"ia::result": [{"key": "1"}]},
        {"ia::result": [{"key": "1"}, {"key": "2"}, {"key": "3"}]},
        {"ia::result": [{"key": "1"}, {"key": "2"}], "ia::error": {"message": "no"}},
        {"ia::result": [{"key": "1"}, {"key": "2"}], "ia::meta": {"totalCount": 2, "totalSuccess": 1, "totalError": 1}},
        {"ia::result": [{"key": "1"}, {"key": "2"}], "ia::meta": {"totalCount": 3, "totalSuccess": 3, "totalError": 0}},
    ],
)
def test_an_answer_with_anything_else_in_it_goes_the_long_way(spoilt: dict[str, Any]) -> None:
    assert read_made(Reply(207, {}, json.dumps(spoilt).encode()), 2) is None
    whole = {"ia::result": [{"key": "1"}, {"key": "2"}]}
    assert read_made(Reply(422, {}, json.dumps(whole).encode()), 2) is None
    assert read_made(Reply(201, {}, json.dumps(whole).encode()), 2) is not None
    assert read_made(Reply(201, {}, b'{"ia::result":[{"key":"1"},{"key":"2","id":"\xe9"}]}'), 2) is None


@given(replies())
def test_an_atomic_batch_never_claims_a_post_beside_a_failure(made: tuple[str, list[str], Reply]) -> None:
    operation, kinds, reply = made
    states = [o.state for o in read_outcomes(reply, sheet_for(operation, len(kinds), atomic=True))]
    if set(kinds) == {"posted"}:
        assert states == kinds
    else:
        assert states == ["unknown" if kind == "posted" else kind for kind in kinds]


@given(st.integers(1, 30), st.integers(0, 30), st.sampled_from(OPERATIONS), st.sampled_from([200, 201, 207, 422]))
def test_a_result_of_another_length_is_an_error_and_never_a_guess(
    sent: int, answered: int, operation: str, status: int
) -> None:
    if sent == answered:
        return
    body = json.dumps({"ia::result": [good_of(operation, i) for i in range(answered)]}).encode()
    with pytest.raises(ReplyError, match="by position only"):
        read_outcomes(Reply(status, {}, body), sheet_for(operation, sent))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=4)
       | st.dictionaries(st.sampled_from(["ia::result", "ia::error", "ia::status", "ia::meta", "key", "totalCount",
                                          "totalError", "code", "details", "state"]), inner, max_size=5)),
       st.sampled_from([200, 201, 204, 207, 400, 404, 422, 500]), st.sampled_from(OPERATIONS))  # fmt: skip
def test_anything_else_is_a_typed_error(value: Any, status: int, operation: str) -> None:
    try:
        outcomes = read_outcomes(Reply(status, {}, json.dumps(value).encode()), sheet_for(operation, 2))
    except TieoutError:
        return
    assert len(outcomes) == 2


def reply(status: int, *items: Any, **meta: Any) -> Reply:
    return Reply(status, {}, json.dumps({"ia::result": list(items), "ia::meta": meta}).encode())


def read(answer: Reply, count: int, operation: str = "create", **options: Any) -> list[Any]:
    return read_outcomes(answer, sheet_for(operation, count, **options))


GOOD = {"key": "1", "id": "A", "ia::status": 201}
BAD = {"ia::status": 422, "ia::error": {"message": "x"}}


def test_an_item_that_broke_off_inside_intacct_is_unknown_and_never_failed() -> None:
    """Retrying a `failed` record uses a new key, and would post twice what Intacct does hold."""
    outcomes = read(reply(207, GOOD, {"ia::status": 503, "ia::error": {"message": "x"}}), 2)
    assert [o.state for o in outcomes] == ["posted", "unknown"]


def test_an_item_that_was_throttled_was_not_processed() -> None:
    outcomes = read(reply(207, GOOD, {"ia::status": 429, "ia::error": {"message": "x"}}), 2)
    assert outcomes[1].state == "unprocessed"


@pytest.mark.parametrize("odd", [{}, {"id": "A", "ia::status": 201}, "text", None])
def test_a_result_without_a_key_or_an_error_proves_nothing(odd: object) -> None:
    with pytest.raises(ReplyError):
        read(reply(201, GOOD, odd), 2)


def test_an_error_in_any_form_is_an_error() -> None:
    outcomes = read(reply(207, GOOD, GOOD | {"ia::error": "just words"}), 2)
    assert outcomes[1].state == "failed"
    assert outcomes[1].error.message == "just words"


@pytest.mark.parametrize(
    "totals",
    [
        {"totalCount": 2, "totalSuccess": 1, "totalError": 1},
        {"totalCount": "3"},
        {"totalError": "2"},
        {"totalSuccess": 0},
    ],
)
def test_totals_that_contradict_the_items_are_not_believed(totals: dict[str, Any]) -> None:
    with pytest.raises(ReplyError, match="None of its results can be trusted"):
        read(reply(201, GOOD, GOOD, **totals), 2)


def test_totals_that_count_a_failure_as_success_are_not_believed_either() -> None:
    """A record shown as failed would be sent again under a new key; if it was counted as posted, that posts twice."""
    with pytest.raises(ReplyError, match="counts 2 successes and shows 1"):
        read(reply(207, GOOD, BAD, totalSuccess=2, totalError=0), 2)


def test_a_result_that_names_another_record_upsets_the_whole_order() -> None:
    items = [{"key": "1001"}, {"key": "1000"}]
    with pytest.raises(ReplyError, match="names another record"):
        read(reply(200, *items), 2, "update")


def test_a_delete_answered_with_nothing_deleted_them_all() -> None:
    outcomes = read(Reply(204, {}, b""), 3, "delete")
    assert [(o.state, o.key) for o in outcomes] == [("posted", "1000"), ("posted", "1001"), ("posted", "1002")]


def test_what_is_not_found_after_an_unanswered_delete_was_deleted_by_it() -> None:
    missing = {"ia::status": 404, "ia::error": {"code": "notFound", "message": "x"}}
    assert [o.state for o in read(reply(207, missing, BAD), 2, "delete", unanswered=True)] == ["posted", "failed"]
    assert [o.state for o in read(reply(207, missing, BAD), 2, "delete")] == ["failed", "failed"]


def test_a_batch_of_one_may_be_answered_like_a_single_record_whatever_its_sample_totals_say() -> None:
    sample = {"ia::result": {"key": "23", "state": "reversed"}, "ia::meta": {"totalCount": 3, "totalError": 1}}
    (outcome,) = read(Reply(200, {}, json.dumps(sample).encode()), 1, "action")
    assert (outcome.state, outcome.key, outcome.sage_state) == ("posted", "23", "reversed")


def test_what_an_action_answers_beside_the_names_is_kept() -> None:
    (outcome,) = read(reply(200, {"key": "1", "ia::status": 200, "downloadURL": "https://x/y"}), 1, "action")
    assert outcome.more == {"downloadURL": "https://x/y"}


ODD = st.sampled_from([None, True, 7, "7", "7", "7", ""])


@settings(max_examples=400)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "key": ODD,
            "id": ODD,
            "href": ODD,
            "state": ODD,
            "ia::status": st.sampled_from([None, False, 200, 201, 299, 300, 422, 500, "201"]),
        },
    ),
    st.sampled_from([(), (None,), ("7",), ("8",)]),
    st.sampled_from([200, 201, 207]),
    st.booleans(),
)
def test_a_result_that_only_names_its_record_reads_like_one_that_says_more(
    item: dict[str, Any], keys: tuple[str | None, ...], status: int, deletes: bool
) -> None:
    sheet = Sheet(request="POST /objects/x", count=1, keys=keys, deletes=deletes)

    def read(result: dict[str, Any]) -> object:
        try:
            (found,) = read_outcomes(Reply(status, {}, json.dumps({"ia::result": [result]}).encode()), sheet)
            facts = found.error.to_dict() if isinstance(found.error, IntacctError) else found.error
            return found.state, found.key, found.id, found.href, found.sage_state, found.more, facts
        except ReplyError as error:
            return error.message

    assert read(item) == read(item | {"ia::more": 1})
