"""What is not posted, by cause: read once, in the right rows, without what is nobody's business."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tieout.errors import Detail, Problem, RefusedError
from tieout.push.inbox.causes import Tally, causes, row_reasons, without_values
from tieout.push.report import FailedRecord, error_facts, failed_record, gone_facts, problem_facts


def refused(source_id: str, rows: tuple[int, ...], *details: dict[str, str], **facts: Any) -> FailedRecord:
    error: dict[str, Any] = {"message": "POST request failed", "error_id": "REST-7001", "details": list(details)}
    return failed_record("bills", source_id, rows, "failed", error | facts, None)


def held(source_id: str, rows: tuple[int, ...], *problems: Problem) -> FailedRecord:
    return failed_record("bills", source_id, rows, "held", problem_facts(list(problems)), None)


def test_the_same_code_and_field_is_one_cause_whatever_value_is_named() -> None:
    first = {"error_id": "BL03", "target": "/lines/0/glAccount", "message": "GL account Travel is not active."}
    other = {"error_id": "BL03", "target": "/lines/4/glAccount", "message": "GL account Office Rent is closed"}
    found = causes([refused("A", (2,), first), refused("B", (3, 4, 5, 6, 7), other)])
    assert [(cause.code, cause.field, len(cause.records)) for cause in found] == [("BL03", "lines.glAccount", 2)]
    assert found[0].rows == [2, 7]
    assert found[0].row_count == 6


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Vendor 'V-1' specified is not valid.", "Vendor 'Owl & Sons' specified is not valid."),
        ("Project P-1 is inactive", "Project P-22/7 is inactive"),
        ("Transactions do not balance: 10.00", "Transactions do not balance: 1,234.56"),
        ("'A' is also the id of row 3, 4 and 5", "'B' is also the id of row 9"),
    ],
)
def test_without_a_field_words_tell_causes_apart_and_values_do_not(one: str, other: str) -> None:
    found = causes([refused("A", (2,), {"message": one}), refused("B", (3,), {"message": other})])
    assert len(found) == 1
    assert found[0].reason == without_values(one)
    assert [record.reason for record in found[0].records] == [one, other], "each record keeps its own words"
    assert (
        len(causes([refused("A", (2,), {"message": one}), refused("B", (3,), {"message": "The period is closed"})]))
        == 2
    )


def test_one_mistake_in_two_fields_is_two_causes() -> None:
    records = [
        held("A", (2,), Problem(path="row 2, column Hours", reason="is not a number", row=2)),
        held("B", (3,), Problem(path="row 3, column Rate", reason="is not a number", row=3)),
    ]
    assert [cause.field for cause in causes(records)] == ["Hours", "Rate"]


def test_a_document_with_two_faults_is_in_both_causes_and_counted_once_in_each() -> None:
    both = [
        Problem(path="row 2, column Hours", reason="is not a number", row=2),
        Problem(path="row 4, column Hours", reason="is not a number", row=4),
        Problem(path="row 3, column Day", reason="is blank", row=3),
    ]
    found = causes(
        [held("A", (2, 3, 4), *both), held("B", (9,), Problem(path="row 9, column Day", reason="is blank", row=9))]
    )
    assert {cause.field: ([r.source_id for r in cause.records], cause.rows) for cause in found} == {
        "Day": (["A", "B"], [3, 9]),
        "Hours": (["A"], [2, 4]),
    }


def test_the_reason_stands_on_the_guilty_row_and_the_others_say_who_holds_them() -> None:
    record = held("A", (2, 3, 4), Problem(path="row 3, column Hours", reason="'x' is not a number", row=3))
    assert row_reasons(record) == {2: "held by row 3", 3: "Hours: 'x' is not a number", 4: "held by row 3"}


@pytest.mark.parametrize(
    ("detail", "guilty"),
    [
        ({"target": "/lines/1/glAccount", "message": "is closed"}, {20: "is closed"}),
        ({"target": "lines[2].glAccount.id", "message": "is closed"}, {30: "is closed"}),
        ({"message": "Line 1: the account is closed"}, {10: "Line 1: the account is closed"}),
        ({"target": "/lines/9/glAccount", "message": "is closed"}, {}),
        ({"target": "/vendor", "message": "Line 2 Street is no vendor"}, {}),
        ({"message": "The period is closed"}, {}),
    ],
)
def test_intaccts_refusal_finds_its_row_where_that_can_be_told(detail: dict[str, str], guilty: dict[int, str]) -> None:
    found = row_reasons(refused("A", (10, 20, 30), detail | {"code": "invalidKey"}))
    if guilty:
        (row,) = guilty
        assert found == {10: f"held by row {row}", 20: f"held by row {row}", 30: f"held by row {row}"} | guilty
    else:
        assert set(found.values()) == {f"the document: {detail['message']}"}


def refusal(*details: Detail, message: str = "POST request failed", **placeholders: str) -> dict[str, Any]:
    return error_facts(RefusedError(message, status=422, details=details, placeholders=placeholders))


def test_a_refused_personal_value_is_in_neither_ledger_nor_list() -> None:
    facts = refusal(
        Detail(error_id="E1", target="/SSN", message="SSN 123-45-6789 of Ann is taken", correction="Not 123-45-6789"),
        VALUE="123-45-6789",
        message="123-45-6789 was refused",
    )
    shown = msgspec.json.encode([facts, failed_record("staff", "7", (2,), "failed", facts, None)]).decode()
    assert "6789" not in shown
    assert "Ann" not in shown
    assert "E1" in shown
    assert "SSN" in shown


def test_words_alone_that_name_something_personal_lose_their_values() -> None:
    facts = refusal(Detail(message="The bank 'Nordea' knows no routing number 0210-00021"))
    assert facts["details"][0]["message"] == "The bank … knows no routing number …"


def test_what_is_not_personal_keeps_intaccts_words() -> None:
    detail = Detail(error_id="BL1", target="/lines/0/glAccount", message="GL account number 4010 is closed")
    facts = refusal(detail, ACCOUNT="4010")
    assert facts["details"][0]["message"] == detail.message
    assert facts["placeholders"] == {"ACCOUNT": "4010"}


def test_the_advice_for_several_records_names_none_of_them() -> None:
    gone = [
        failed_record("customers", source_id, (row,), "gone", gone_facts("customers", source_id, str(row)), None)
        for row, source_id in enumerate(("Acme", "Apex & Co", "C0003"), 1)
    ]
    (cause,) = causes(gone)
    assert "`tieout retry customers --again …`" in cause.advice
    (alone,) = causes(gone[1:2])
    assert "`tieout retry customers --again 'Apex & Co'`" in alone.advice
    tally = Tally()
    for record in gone:
        tally.add(record)
    assert [summary.advice for summary in tally.causes()] == [cause.advice]
