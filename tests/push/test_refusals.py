"""What a refusal reads like: whole sentences, and nothing said twice."""

from __future__ import annotations

from typing import Any

import pytest

from tieout.push.report import FailedRecord, failed_record


def refused(advice: str, *details: dict[str, str]) -> FailedRecord:
    error: dict[str, Any] = {"message": "POST request failed", "advice": advice, "details": list(details)}
    return failed_record("times", "A", (2,), "failed", error, None)


ADVICE = "Correct the record or the company's set-up, then retry."


@pytest.mark.parametrize(
    ("correction", "shown"),
    [
        ("Use an active projects/project", f"Use an active projects/project. {ADVICE}"),
        ("Use an active project.", f"Use an active project. {ADVICE}"),
        ("Is it open?", f"Is it open? {ADVICE}"),
        ("Correct the record or the company's set-up,  then retry", ADVICE),
        ("correct the record", ADVICE),
        ("P-1 is inactive", ADVICE),
        ("  ", ADVICE),
    ],
)
def test_advice_is_made_of_sentences_and_repeats_nothing(correction: str, shown: str) -> None:
    assert refused(ADVICE, {"message": "P-1 is inactive.", "correction": correction}).advice == shown


def test_two_details_with_one_correction_say_it_once() -> None:
    detail = {"message": "Bad date.", "correction": "Use a date"}
    found = refused("", detail, {**detail, "message": "Bad date"}, {"message": "No name.", "correction": "use a date."})
    assert found.reason == "Bad date; No name"
    assert found.advice.casefold() == "use a date."


def test_a_single_reason_keeps_intaccts_words() -> None:
    assert refused("", {"message": "Payload contains errors."}).reason == "Payload contains errors."
