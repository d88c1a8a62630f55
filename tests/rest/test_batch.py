"""Cutting into requests, and a result as its reader sees it."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import OutcomeUnknownError, RefusedError, TieoutError
from tieout.rest.batch import MAX_BATCH, BatchResult, Outcome, Reference, cut, cut_keys


@given(st.lists(st.integers(1, 400), max_size=60), st.integers(1, 7), st.integers(50, 900))
def test_cutting_keeps_every_record_once_in_order_and_within_both_limits(sizes, most, largest) -> None:
    bodies = [b"x" * size for size in sizes]
    ranges = list(cut(bodies, most=most, largest=largest))
    assert [i for r in ranges for i in r] == list(range(len(bodies)))
    for r in ranges:
        assert 1 <= len(r) <= most
        encoded = b"[" + b",".join(bodies[i] for i in r) + b"]"
        assert len(encoded) <= largest or len(r) == 1


@given(st.lists(st.text("0123", min_size=1, max_size=3), max_size=60), st.integers(1, 7), st.integers(4, 30))
def test_keys_are_cut_to_what_a_path_holds_and_none_is_in_a_path_twice(keys, most, room) -> None:
    ranges = list(cut_keys([len(key) for key in keys], keys, room=room, most=most))
    assert [i for r in ranges for i in r] == list(range(len(keys)))
    for r in ranges:
        together = [keys[i] for i in r]
        assert 1 <= len(together) <= most
        assert len(set(together)) == len(together)
        assert len("/" + ",".join(together)) <= room


def test_a_thousand_small_records_make_two_requests() -> None:
    assert [len(r) for r in cut([b"{}"] * 1000)] == [MAX_BATCH, MAX_BATCH]


def example() -> BatchResult:
    refused = RefusedError("no", status=422, error_id="REST-7001", support_id="S", advice="Correct it.")
    outcomes = [
        Outcome(position=0, state="posted", key="7", id="V7", sage_state="draft"),
        Outcome(position=1, state="failed", error=refused),
        Outcome(position=2, state="unknown", error=OutcomeUnknownError("nobody can tell", idempotency_key="k")),
    ]
    return BatchResult(["a", "b", "c"], outcomes)


def test_a_result_turns_into_rows_that_have_the_same_columns() -> None:
    rows: list[dict[str, Any]] = example().to_dicts()
    assert len({tuple(row) for row in rows}) == 1
    assert [(row["position"], row["state"], row["key"], row["sage_state"]) for row in rows] == [
        (0, "posted", "7", "draft"),
        (1, "failed", None, None),
        (2, "unknown", None, None),
    ]
    assert (rows[1]["error_id"], rows[1]["support_id"], rows[1]["advice"]) == ("REST-7001", "S", "Correct it.")
    assert rows[2]["error"] == "nobody can tell"


def test_a_record_that_was_never_sent_is_an_error_too() -> None:
    posted, unsent = Outcome(position=0, state="posted", key="7"), Outcome(position=1, state="unprocessed")
    BatchResult(["a"], [posted]).raise_if_any()
    with pytest.raises(TieoutError, match="Record 2 was not sent"):
        BatchResult(["a", "b"], [posted, unsent]).raise_if_any()


def test_what_a_person_sees_says_what_became_of_it() -> None:
    result = example()
    assert repr(result) == "BatchResult(3 records: 1 posted, 1 failed, 0 unprocessed, 1 unknown)"
    assert repr(result[0]) == "Outcome(0, posted, key='7', id='V7', sage_state='draft')"
    assert "RefusedError: no" in repr(result[1])
    assert repr(Reference(key="9", state="posted", more={"downloadURL": "u"})) == (
        "Reference(key='9', state='posted', downloadURL=…)"
    )


def test_an_interruption_leads_to_the_result_through_whatever_was_raised_from_it() -> None:
    inner = KeyboardInterrupt()
    vars(inner)["batch_result"] = example()
    outer = RuntimeError("stopped")
    outer.__cause__ = inner
    found = BatchResult.rescued(outer)
    assert found is not None
    assert len(found) == 3
    assert BatchResult.rescued(ValueError()) is None


def test_a_result_without_open_requests_can_be_kept() -> None:
    plain = BatchResult(["a"], [Outcome(position=0, state="posted", key="7")])
    assert pickle.loads(pickle.dumps(plain))[0] == plain[0]
