"""What was corrected in the workbook stays, although the source still says the old; a source that says something third
is a change."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.push.desk import CUSTOMERS, SHEETS, Desk
from tests.push.inbox.test_workbook import book_of, cell, edit, rows_of
from tieout import push
from tieout.connections import connect, open_connections
from tieout.project import load
from tieout.push import PushReport

GOOD, BAD, THIRD, RIGHT = "T1,S1,2026-11-16,8,", "T2,S2,2026-11-17,eight,", "T2,S2,2026-11-17,7,", "T2,S2,2026-11-17,8,"
CHANGES = ("refuse", "update", "new")


def with_settings(desk: Desk, *lines: str) -> Desk:
    text = SHEETS.replace('group_by = "Sheet"\n', 'group_by = "Sheet"\n' + "".join(f"{line}\n" for line in lines))
    (desk.root / "tieout.toml").write_text(CUSTOMERS + text)
    return Desk(load(desk.root), desk.url)


def corrected(desk: Desk, *cells: tuple[str, str, str], name: str = "times", **options: Any) -> PushReport:
    """Cells, (entry, column, value), are corrected in the workbook and the workbook is given back."""
    path = book_of(desk, name)

    def correct(sheet: Any) -> None:
        for entry, column, value in cells:
            cell(sheet, entry, column).value = value

    edit(path, correct)
    return desk.retry(name, from_file=path, **options)


def hours(desk: Desk) -> dict[str, list[Decimal]]:
    with connect(desk.project) as client:
        keys = [row.key for row in client.query("timesheets", ["key"], private=True)]
        found: dict[str, list[Decimal]] = {}
        for record in client.get_many("timesheets", keys):
            lines = sorted(Decimal(str(line["quantity"])) for line in record["lines"])  # type: ignore[index]
            found.setdefault(str(record["description"]), []).extend(lines)  # type: ignore[index]
        return found


def ties(report: PushReport) -> bool:
    counts = [getattr(report, bucket) for bucket in push.report.BUCKETS]
    assert sum(counts) == report.documents
    assert sum(report.rows_by_outcome.values()) == report.rows
    return report.exit_code == 0 and all(line.ties for line in report.tie_out)


@pytest.mark.parametrize("on_change", CHANGES)
def test_a_correction_survives_the_next_push_of_the_old_source(desk: Desk, on_change: str, tmp_path: Path) -> None:
    desk = with_settings(desk, f'on_change = "{on_change}"')
    desk.sheets([GOOD, BAD])
    desk.push("times")
    assert corrected(desk, ("T2", "Hours", "8")).posted == 1
    looked = desk.push("times", dry_run=True)
    assert (looked.skipped, looked.corrected, looked.ready, looked.problems) == (1, 1, 0, [])
    for again in (desk.push, desk.retry):
        audit = tmp_path / f"{again.__name__}.jsonl"
        report = again("times", audit=audit)
        assert (report.skipped, report.corrected, report.posted, report.changed) == (1, 1, 0, 0)
        assert ties(report)
        assert {line.what: line.source for line in report.tie_out}["sum lines.quantity"] == 16
        assert push.check_audit(audit).ties
        assert push.failed(desk.project, "times") == []
    assert hours(desk) == {"S1": [Decimal(8)], "S2": [Decimal(8)]}
    assert all(line.ties for line in push.verify(desk.project, "times"))
    plan = tmp_path / "plan"
    assert desk.push("times", plan=plan, by="Ann").corrected == 1
    assert ties(push.apply(desk.project, "times", plan, by="Bo"))


def test_a_source_that_says_the_corrected_is_the_same(desk: Desk) -> None:
    desk = with_settings(desk, 'on_change = "update"')
    desk.sheets([GOOD, BAD])
    desk.push("times")
    corrected(desk, ("T2", "Hours", "8"))
    desk.sheets([GOOD, RIGHT])
    report = desk.push("times")
    assert (report.skipped, report.corrected) == (2, 0)
    assert ties(report)


def test_a_source_that_says_something_third_is_a_change(desk: Desk) -> None:
    desk.sheets([GOOD, BAD])
    desk.push("times")
    corrected(desk, ("T2", "Hours", "8"))
    desk.sheets([GOOD, THIRD])
    assert desk.push("times").changed == 1
    desk = with_settings(desk, 'on_change = "update"')
    assert desk.push("times").posted == 1
    assert hours(desk)["S2"] == [Decimal(7)]
    desk.sheets([GOOD, BAD])
    assert desk.push("times").changed == 1, "what it said before is not what Intacct holds by now"


def test_rows_that_moved_in_the_file_and_columns_that_nothing_maps_change_nothing(desk: Desk) -> None:
    desk = with_settings(desk, 'on_change = "update"')
    desk.sheets([GOOD, BAD])
    desk.push("times")
    corrected(desk, ("T2", "Hours", "8"))
    header = "Note,Hours,Entry,Project,Day,Sheet\n"
    (desk.root / "times.csv").write_text(header + "new,eight,T2,,2026-11-17,S2\nnew,8,T1,,2026-11-16,S1\n")
    report = desk.push("times")
    assert (report.skipped, report.corrected) == (1, 1)
    assert ties(report)


def test_what_intacct_refused_and_somebody_corrected_is_left_alone_too(desk: Desk) -> None:
    desk = with_settings(desk, 'on_change = "update"')
    desk.sheets([GOOD, "T2,S2,2026-11-17,8,NONE"])
    assert desk.push("times").failed == 1
    assert corrected(desk, ("T2", "Project", "")).posted == 1
    report = desk.push("times")
    assert (report.corrected, report.posted, report.failed) == (1, 0, 0)
    assert ties(report)


def test_a_correction_made_in_two_rounds_counts_from_what_the_source_says(desk: Desk) -> None:
    desk = with_settings(desk, 'on_change = "update"')
    desk.sheets([GOOD, "T2,S2,2026-11-17,eight,NONE"])
    desk.push("times")
    assert corrected(desk, ("T2", "Hours", "8")).failed == 1
    assert corrected(desk, ("T2", "Project", "")).posted == 1
    report = desk.push("times")
    assert (report.corrected, report.held) == (1, 0)
    assert ties(report)


def test_a_corrected_id_is_not_posted_again_under_the_old_one(desk: Desk) -> None:
    desk.customers([{"id": "C1", "name": "One", "term": {"id": "NONE"}}, {"id": "", "name": "Two"}])
    desk.push()
    path = book_of(desk, "customers")

    def correct(sheet: Any) -> None:
        names = [each.value for each in sheet[1]]
        for row in sheet.iter_rows(min_row=2):
            row[names.index("id")].value = {"One": "C7", "Two": "C8"}[row[names.index("name")].value]
            row[names.index("term")].value = None

    edit(path, correct)
    assert desk.retry(from_file=path).posted == 2
    with connect(desk.project) as client:
        client.create("accounts-receivable/term", {"id": "NONE", "description": "it would be accepted by now"})
    report = desk.push()
    assert (report.corrected, report.posted, report.held) == (2, 0, 0)
    assert ties(report)
    assert desk.held_by_company("customers", "id").keys() == {"C7", "C8"}
    again = desk.root / "again.xlsx"
    push.write_workbook(desk.project, "customers", again)
    assert [row["tieout_document"] for row in rows_of(again, "Posted")] == ["C7", "C8"]
    assert all(line.ties for line in push.verify(desk.project, "customers"))


def test_rows_that_were_put_into_other_records_count_once(desk: Desk, tmp_path: Path) -> None:
    desk = with_settings(desk, 'on_change = "update"')
    rows = ["T1,S1,2026-11-16,one,", "T2,S1,2026-11-17,2,", "T3,S2,2026-11-18,4,", "T4,S2,2026-11-19,eight,"]
    desk.sheets(rows)
    desk.push("times")
    moved = (("T1", "Hours", "1"), ("T1", "Sheet", "S2"), ("T4", "Hours", "8"), ("T4", "Sheet", "S3"))
    assert corrected(desk, *moved).posted == 3
    expected = {"S1": [Decimal(2)], "S2": [Decimal(1), Decimal(4)], "S3": [Decimal(8)]}
    assert hours(desk) == expected
    report = desk.push("times", audit=tmp_path / "audit.jsonl")
    assert (report.corrected, report.posted, report.held) == (2, 0, 0)
    assert ties(report), report.tie_out
    assert {line.what: line.source for line in report.tie_out}["sum lines.quantity"] == 15
    assert push.check_audit(tmp_path / "audit.jsonl").ties
    assert hours(desk) == expected


def test_a_corrected_id_that_never_arrived_leaves_the_source_its_record(desk: Desk) -> None:
    desk.customers([{"id": "C1", "name": "One", "term": {"id": "NONE"}}])
    desk.push()
    path = book_of(desk, "customers")
    edit(path, lambda sheet: setattr(sheet["A2"], "value", "C7"))
    assert desk.retry(from_file=path).failed == 1
    assert [record.source_id for record in push.failed(desk.project)] == ["C7"]
    assert desk.push().failed == 1
    assert [record.source_id for record in push.failed(desk.project)] == ["C1"], "one row waits once"


def test_what_people_deleted_is_said_of_corrected_records_too(desk: Desk) -> None:
    desk.sheets([GOOD, BAD])
    desk.push("times")
    corrected(desk, ("T2", "Hours", "8"))
    with connect(desk.project) as client:
        for row in list(client.query("timesheets", ["key", "description"], private=True)):
            if row["description"] == "S2":
                client.delete("timesheets", row.key)
    for _ in range(2):
        report = desk.push("times")
        assert (report.skipped, report.corrected, report.gone, report.exit_code) == (1, 0, 1, 1)
    assert [(record.source_id, record.state) for record in push.failed(desk.project, "times")] == [("S2", "gone")]
    push.dismiss(desk.project, "times", ["S2"])
    report = desk.push("times")
    assert (report.dismissed, report.exit_code) == (1, 0)


def test_the_same_with_postgresql(desk: Desk, postgres_url: str) -> None:
    (desk.root / "tieout.toml").write_text(f'[state]\nurl = "{postgres_url}"\n{CUSTOMERS}{SHEETS}')
    project = load(desk.root)
    connections = open_connections(project)
    connections.add_simulator("demo", desk.url)
    connections.store.close()
    desk = Desk(project, desk.url)
    desk.sheets([GOOD, "T2,S2,2026-11-17,eight,NONE"])
    desk.push("times")
    assert corrected(desk, ("T2", "Hours", "8")).failed == 1
    assert corrected(desk, ("T2", "Project", ""), ("T2", "Sheet", "S9")).posted == 1
    report = desk.push("times")
    assert (report.skipped, report.corrected, report.posted) == (1, 1, 0)
    assert ties(report)
