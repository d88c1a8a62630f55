"""What a dry run says: what the source comes to, what is held and why, and what sending will cost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.push.ground import Ground, ground, line
from tieout import push
from tieout.cli import push as command
from tieout.cli import push_ahead
from tieout.cli.output import Output
from tieout.errors import Problem
from tieout.push.report import PushReport


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground(tmp_path_factory.mktemp("project")) as made:
        yield made


def test_what_it_announces_is_what_is_sent(demo: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line(n) for n in range(502)]
    rows += [line(n, Entity="E120", Location="120-TOR", Currency="CAD") for n in range(502, 505)]
    rows += [line(505, Vendor="V-1"), line(506, Vendor="V-x"), line(507, Account="9"), line(508, Entity="E999")]
    dry = demo.check("bills", rows)
    assert (dry.rows, dry.documents, dry.ready, dry.held, dry.causes) == (509, 509, 505, 4, 3)
    assert dry.by_entity["E110"]["pending"] == 502
    assert dry.by_entity["E120"]["pending"] == 3
    assert dry.planned_requests == 3
    command.conclude(Output(), dry, dry_run=True)
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        "509 rows = 509 bills in 3 entities; 505 ready (all new), 4 held, 3 causes; 3 requests, 505 billable; "
        f"checking took {dry.requests} requests, {dry.transactions} billable"
    ) in shown
    before = demo.posts("accounts-payable/bill")
    report = demo.push("bills", rows)
    assert (report.posted, report.failed, report.held) == (505, 0, 4)
    assert demo.posts("accounts-payable/bill") - before == dry.planned_requests


def test_problems_of_one_cause_stand_together(capsys: pytest.CaptureFixture[str]) -> None:
    report = PushReport(name="bills", object="accounts-payable/bill", source="b.csv", rows=9, documents=9, held=9)
    report.problems = [
        Problem(path="row 1, column Day", reason="'x' is not a date", row=1),
        *(
            Problem(
                path=f"row {row}, column Vendor",
                reason=f"Intacct has no vendor with the id 'V-{row // 2}'",
                row=row,
                nearest=near,
            )
            for row, near in ((2, "V-7"), (3, "V-7"), (4, ""), (9, ""))
        ),
    ]
    command.conclude(Output(), report, dry_run=True)
    shown = [text.strip() for text in capsys.readouterr().out.splitlines()]
    start = shown.index("column Vendor: Intacct has no vendor with the id … (did you mean …?): 4 rows")
    assert shown[start + 1 : start + 5] == [
        "rows 2, 3: column Vendor: Intacct has no vendor with the id 'V-1' (did you mean 'V-7'?)",
        "row 4, column Vendor: Intacct has no vendor with the id 'V-2'",
        "row 9, column Vendor: Intacct has no vendor with the id 'V-4'",
        "row 1, column Day: 'x' is not a date",
    ]


def test_json_has_every_problem_with_row_value_and_nearest(demo: Ground) -> None:
    report = demo.check("bills", [line(1000 + n, Vendor=f"V-200{n}x") for n in range(1, 15)])
    facts = command.as_json(report)
    assert [(p["row"], p["value"]) for p in facts["problems"]] == [(n, f"V-200{n}x") for n in range(1, 15)]
    assert facts["problems"][0]["nearest"] == "V-2001"
    assert facts["planned_requests"] == 0
    assert facts["causes"] == 1


def test_a_plan_says_what_its_checks_could_not_see(demo: Ground, tmp_path: Path) -> None:
    rows = [line(610)]
    demo.push("bills", rows, plan=tmp_path / "p")
    looked = push.apply(demo.project, "bills", tmp_path / "p", records=rows, dry_run=True)
    assert [note.partition(":")[0] for note in looked.notes] == ["Periods are not known to be closed"]


def test_sums_are_shown_by_entity_period_and_currency(demo: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [line(600), line(601, Date="2026-11-05", Due="2026-12-05"), line(602, Amount="7.50", Total="7.50")]
    rows.append(line(603, Entity="E120", Location="120-TOR", Currency="CAD"))
    dry = demo.check("bills", rows, list_records=True)
    command.conclude(Output(), dry, dry_run=True)
    shown = [text.split() for text in capsys.readouterr().out.splitlines()]
    start = shown.index(["entity", "period", "currency", "records", "txnAmount", "to", "be", "sent"])
    assert shown[start + 1 : start + 5] == [
        ["E110", "2026-10", "USD", "2", "107.50"],
        ["E110", "2026-11", "USD", "1", "100.00"],
        ["E120", "2026-10", "CAD", "1", "100.00"],
        ["all", "all", "USD", "3", "207.50"],
    ]
    assert ["B-602", "new", "E110", "2026-10-05", "USD", "3", "7.50"] in shown


@pytest.mark.parametrize(
    ("object", "both"),
    [
        ("time/timesheet", ("timesheet", "timesheets")),
        ("general-ledger/journal-entry", ("journal entry", "journal entries")),
        ("company-config/class", ("class", "classes")),
        ("order-entry/document::Sales Invoice", ("Sales Invoice", "Sales Invoices")),
    ],
)
def test_objects_have_nouns(object: str, both: tuple[str, str]) -> None:
    assert push_ahead.nouns(object) == both
