"""Days that are not open for posting: what the company tells before, and what its first refusal teaches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.push.ground import Ground, entry, ground, line, said
from tieout import push
from tieout.push.checks.periods import ClosedPeriods, posting_date


@pytest.fixture
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("project")) as made:
        yield made


def pair(number: int, day: str, **more: Any) -> list[dict[str, Any]]:
    """A journal entry that balances."""
    same = {"Entry": f"JE-{number}", "Date": day} | more
    return [entry(2 * number, **same), entry(2 * number + 1, Type="credit", **same)]


def opens(demo: Ground, entity: str, day: str) -> None:
    with demo.client() as client:
        key = next(iter(client.query("entity", ["key"], f"id = '{entity}'")))["key"]
        client.update("entity", key, {"openBooksStartDate": day})


def test_a_day_before_the_books_of_its_entity_open_is_a_problem(demo: Ground) -> None:
    opens(demo, "E110", "2026-10-01")
    opens(demo, "E130", "2026-12-01")
    rows = [
        line(1, Date="2026-09-30"),
        line(2, Date="2026-10-01"),
        line(3, Date="2026-09-30", Entity="E120", Location="120-TOR"),
    ]
    report = demo.check("bills", rows)
    assert [(p.path, p.reason, p.value) for p in report.problems] == [
        ("row 1, column Date", "2026-09-30 is before 2026-10-01, when the books of E110 open", "2026-09-30")
    ]
    assert report.ready == 2
    assert [note for note in report.notes if note.startswith("Periods")] == [
        "Periods are not known to be closed: only since when the books of E110, E130 are open is told, and was "
        "checked. The first refusal holds the other records of its period."
    ]


def test_lines_of_a_top_level_entry_count_for_their_entities(demo: Ground) -> None:
    opens(demo, "E120", "2026-10-01")
    report = demo.check("entries", [*pair(1, "2026-09-30"), *pair(2, "2026-09-30", Location="120-TOR")])
    assert said(report) == [(3, "2026-09-30 is before 2026-10-01, when the books of E120 open", "")]


def test_the_first_refusal_holds_the_rest_of_its_period(demo: Ground) -> None:
    """Only the first request meets the closed books; what is open goes out, and a later push sends what was held."""
    company = demo.simulator.company()
    company.settings.set({"books_closed_until": "2026-09-30"})
    days = ["2026-09-30"] * 500 + ["2026-09-15"] * 20 + ["2026-10-05"] * 10 + ["2026-08-31"] * 5
    rows = [row for number, day in enumerate(days) for row in pair(number, day)]
    in_order = demo.with_settings("entries", "keep_order = true\n")
    report = in_order.push("entries", rows)
    assert (report.posted, report.failed, report.held) == (10, 500, 25)
    held = [record for record in push.failed(demo.project, "entries") if record.state == "held"]
    assert len(held) == 25
    assert {record.reason for record in held} == {held[0].reason}, "one cause"
    assert "Intacct refused another record of this period" in held[0].reason
    assert "2026-10-01" in held[0].reason
    company.settings.set({"books_closed_until": ""})
    again = in_order.push("entries", rows)
    assert (again.posted, again.skipped, again.failed, again.held) == (25, 10, 500, 0)


REFUSED = {"message": "POST request was unsuccessful", "details": [{"code": "periodClosed", "message": "No."}]}


def test_codes_come_before_words() -> None:
    periods = ClosedPeriods()
    assert periods.note(REFUSED, "E110", "2026-02-14")
    assert periods.is_closed("E110", "2026-02-01")
    assert periods.is_closed("E110", "2026-02-28")
    for entity, day in (("E110", "2026-03-01"), ("E110", "2026-01-31"), ("E120", "2026-02-14"), ("E110", "")):
        assert not periods.is_closed(entity, day)


@pytest.mark.parametrize(
    ("words", "last"),
    [
        ("Date must be on or after 2026-03-01", "2026-02-28"),
        ("The PERIOD IS CLOSED. Date must be on or after 03/01/2026.", "2026-02-28"),
        ("The period is closed", "2026-02-28"),
    ],
)
def test_words_tell_too(words: str, last: str) -> None:
    periods = ClosedPeriods()
    assert periods.note({"message": "unsuccessful", "details": [{"message": words}]}, "", "2026-02-14")
    assert periods.is_closed("", last)
    assert not periods.is_closed("", "2026-03-01")
    assert bool(periods.is_closed("", "2025-12-31")) == ("on or after" in words)


def test_other_refusals_close_nothing() -> None:
    periods = ClosedPeriods()
    assert not periods.note({"message": "Vendor is closed", "details": [{"code": "invalidKey"}]}, "", "2026-02-14")
    assert not periods.note(None, "", "2026-02-14")
    assert not periods.note(REFUSED, "", "")
    assert not periods


def test_the_posting_date_is_the_first_that_a_document_holds() -> None:
    bill = {"createdDate": "2026-02-01", "postingDate": "2026-02-03"}
    assert posting_date("accounts-payable/bill", bill) == "2026-02-03"
    assert posting_date("accounts-payable/bill", {"createdDate": "2026-02-01"}) == "2026-02-01"
    assert (
        posting_date("accounts-receivable/invoice", {"invoiceSummary": {"glPostingDate": "2026-02-05"}}) == "2026-02-05"
    )
    assert posting_date("time/timesheet", {"beginDate": "2026-02-01"}) == ""
