"""Positions: whatever shape the answer has, each outcome belongs to the record at its place."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import ReplyError
from tieout.rest.batch import MAX_BATCH, cut, read_outcomes
from tieout.rest.call import Reply


def item(kind: str, shape: str, position: int) -> dict:
    key = str(1000 + position)
    error = {"code": "unprocessed" if kind == "unprocessed" else "operationFailed", "message": f"m{position}"}
    good = {"key": key, "id": f"I{position}", "href": f"/objects/x/{key}"}
    if shape == "flat":
        return {**good, "ia::status": 201} if kind == "posted" else {"ia::error": error, "ia::status": 422}
    if shape == "bare":
        return good if kind == "posted" else {"ia::error": error, "ia::status": 422}
    if shape == "nested":
        return {
            "ia::result": good if kind == "posted" else {"ia::error": error},
            "ia::status": 201 if kind == "posted" else 422,
        }
    return (
        {**good, "ia::status": 201}
        if kind == "posted"
        else {
            "key": key,
            "ia::status": 422,
            "ia::error": {"message": f"m{position}"} | ({"code": "unprocessed"} if kind == "unprocessed" else {}),
        }
    )


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["posted", "failed", "unprocessed"]), st.sampled_from(["flat", "bare", "nested", "keyed"])
        ),
        min_size=1,
        max_size=40,
    )
)
def test_any_mixture_of_outcomes_and_shapes_maps_back_by_position(entries) -> None:
    result = [item(kind, shape, i) for i, (kind, shape) in enumerate(entries)]
    kinds = {kind for kind, _ in entries}
    status = 201 if kinds == {"posted"} else 207 if "posted" in kinds else 422
    reply = Reply(status, {}, json.dumps({"ia::result": result, "ia::meta": {}}).encode())
    outcomes = read_outcomes(reply, len(entries), "POST /objects/x")
    assert [o.state for o in outcomes] == [kind for kind, _ in entries]
    assert [o.position for o in outcomes] == list(range(len(entries)))
    for i, outcome in enumerate(outcomes):
        if outcome.state == "posted":
            assert (outcome.key, outcome.id) == (str(1000 + i), f"I{i}")
        else:
            assert outcome.error is not None
            assert outcome.error.message == f"m{i}"


@given(st.integers(1, 30), st.integers(0, 30))
def test_a_result_of_another_length_is_an_error_and_never_a_guess(sent: int, answered: int) -> None:
    body = json.dumps({"ia::result": [item("posted", "flat", i) for i in range(answered)]}).encode()
    if sent == answered:
        return
    with pytest.raises(ReplyError, match="by position only"):
        read_outcomes(Reply(201, {}, body), sent, "POST /objects/x")


@given(st.lists(st.integers(1, 400), max_size=60), st.integers(1, 7), st.integers(50, 900))
def test_cutting_keeps_every_record_once_in_order_and_within_both_limits(sizes, most, largest) -> None:
    bodies = [b"x" * size for size in sizes]
    ranges = list(cut(bodies, most=most, largest=largest))
    assert [i for r in ranges for i in r] == list(range(len(bodies)))
    for r in ranges:
        assert 1 <= len(r) <= most
        encoded = b"[" + b",".join(bodies[i] for i in r) + b"]"
        assert len(encoded) <= largest or len(r) == 1


def test_a_thousand_small_records_make_two_requests() -> None:
    assert [len(r) for r in cut([b"{}"] * 1000)] == [MAX_BATCH, MAX_BATCH]


def reply(status: int, *items: dict, **meta: int) -> Reply:
    return Reply(status, {}, json.dumps({"ia::result": list(items), "ia::meta": meta}).encode())


GOOD = {"key": "1", "id": "A", "ia::status": 201}


def test_an_item_that_broke_off_inside_intacct_is_unknown_and_never_failed() -> None:
    """Retrying a `failed` record uses a new key, and would post twice what Intacct does hold."""
    outcomes = read_outcomes(reply(207, GOOD, {"ia::status": 503, "ia::error": {"message": "x"}}), 2, "POST /x")
    assert [o.state for o in outcomes] == ["posted", "unknown"]


def test_an_item_that_was_throttled_was_not_processed() -> None:
    outcomes = read_outcomes(reply(207, GOOD, {"ia::status": 429, "ia::error": {"message": "x"}}), 2, "POST /x")
    assert outcomes[1].state == "unprocessed"


@pytest.mark.parametrize("odd", [{}, {"id": "A", "ia::status": 201}, "text", None])
def test_a_result_without_a_key_or_an_error_proves_nothing(odd: object) -> None:
    with pytest.raises(ReplyError):
        read_outcomes(reply(201, GOOD, odd), 2, "POST /x")  # type: ignore[arg-type]  # odd on purpose


def test_an_error_in_any_form_is_an_error() -> None:
    outcomes = read_outcomes(reply(207, GOOD, GOOD | {"ia::error": "just words"}), 2, "POST /x")
    assert outcomes[1].state == "failed"
    assert outcomes[1].error is not None
    assert outcomes[1].error.message == "just words"


def test_totals_that_count_errors_nobody_shows_are_not_believed() -> None:
    with pytest.raises(ReplyError, match="counts 1 errors"):
        read_outcomes(reply(201, GOOD, GOOD, totalCount=2, totalSuccess=1, totalError=1), 2, "POST /x")
