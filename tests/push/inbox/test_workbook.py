"""A controller's day: what was not posted goes out as a workbook, comes back corrected, and is posted once."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import openpyxl
import pytest
from sqlalchemy import text

from tests.forks import Forks
from tests.push.desk import Desk
from tests.push.ground import ground, line
from tieout import push
from tieout.connections import open_connections
from tieout.errors import CheckError, SourceError
from tieout.project import load
from tieout.push.opening import opened
from tieout.push.settings import settings_of
from tieout.store import open_store

GOOD, BAD_HOURS = "T1,S1,2026-11-16,8,", "T2,S2,2026-11-17,eight,"
OTHER_LINE, BAD_DAY = "T3,S2,2026-11-18,4,", "0042,007,31.31.2026,=2+2,"


def book_of(desk: Desk, name: str = "times") -> Path:
    path = desk.root / "inbox.xlsx"
    push.write_workbook(desk.project, name, path)
    return path


def edit(path: Path, change: Callable[[Any], None], sheet: str = "Failed") -> None:
    """What somebody does in a spreadsheet program, and saves."""
    book = openpyxl.load_workbook(path)
    change(book[sheet])
    book.save(path)


def rows_of(path: Path, sheet: str) -> list[dict[str, Any]]:
    header, *rows = openpyxl.load_workbook(path)[sheet].iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


def cell(sheet: Any, entry: str, column: str) -> Any:
    names = [each.value for each in sheet[1]]
    row = next(row for row in sheet.iter_rows(min_row=2) if row[0].value == entry)
    return row[names.index(column)]


def test_a_controllers_day(desk: Desk) -> None:
    desk.sheets([GOOD, BAD_HOURS, OTHER_LINE, BAD_DAY])
    assert desk.push("times", by="Ann").held == 2
    path = book_of(desk)
    assert path.stat().st_mode & 0o777 == 0o600
    assert openpyxl.load_workbook(path).sheetnames == ["Summary", "Posted", "Draft", "Failed", "Open"]
    sent = [(row["Entry"], row["tieout_state"], row["tieout_key"] is not None) for row in rows_of(path, "Draft")]
    assert sent == [("T1", "draft", True)], "a timesheet that nobody submitted"
    assert rows_of(path, "Draft")[0]["tieout_link"] == "timesheet with key 1", "Intacct gives no address of its page"
    failed = rows_of(path, "Failed")
    assert list(failed[0])[:5] == ["Entry", "Sheet", "Day", "Hours", "Project"]
    assert [(row["Entry"], row["Sheet"], row["Hours"]) for row in failed] == [
        ("T2", "S2", "eight"), ("T3", "S2", "4"), ("0042", "007", "=2+2")
    ], "in the order of the source"  # fmt: skip
    assert [row["tieout_reason"] for row in failed][1] == "held by row 3"
    assert "Hours" in failed[0]["tieout_reason"]
    assert [row["tieout_link"] for row in failed] == [None, None, None]
    summary = [row["What"] for row in rows_of(path, "Summary")]
    assert any("Hours" in what for what in summary)
    told = next(row for row in rows_of(path, "Summary") if row["What"] == "Failed")
    assert told["Rows"] == "3"
    assert told["What to do"].endswith("run: tieout retry times --from inbox.xlsx")

    def correct(sheet: Any) -> None:
        cell(sheet, "T2", "Hours").value = "8"
        cell(sheet, "0042", "Day").value = "2026-11-19"
        cell(sheet, "0042", "Hours").value = "2"
        sheet["P1"] = "my notes"
        rows = [[each.value for each in row] for row in sheet.iter_rows(min_row=2)]
        for number, row in enumerate(reversed(rows), 2):  # sorted another way
            for column, value in enumerate(row, 1):
                sheet.cell(number, column).value = value

    edit(path, correct)
    report = desk.retry("times", from_file=path, by="Bo")
    assert (report.posted, report.held, report.exit_code) == (2, 0, 0), report
    assert sorted((c.row, c.column, c.before, c.after, c.by) for c in report.corrections) == [
        (3, "Hours", "eight", "8", "Bo"), (5, "Day", "31.31.2026", "2026-11-19", "Bo"), (5, "Hours", "=2+2", "2", "Bo")
    ]  # fmt: skip
    assert any("my notes" in note for note in report.notes)
    assert desk.held_by_company("timesheets", "description") == {"S1": 1, "S2": 1, "007": 1}
    assert push.failed(desk.project, "times") == []
    again = desk.retry("times", from_file=path)
    assert (again.rows, again.posted) == (0, 0)
    assert any("not in the inbox any more" in note for note in again.notes)


def kept(desk: Desk, name: str = "times") -> list[bytes | None]:
    with opened(desk.project, name, settings_of(desk.project, name)) as desks:
        found = desks.main.ledger.originals.by_id([i for (i,) in _ids(desk)])
        return [original.rows for original in found.values()]


def _ids(desk: Desk) -> list[Any]:
    with open_store(desk.project.state_url) as store, store.read() as reading:
        return list(reading.execute(text("select id from push_originals")))


def sealed_rows(desk: Desk) -> list[bytes]:
    with open_store(desk.project.state_url) as store, store.read() as reading:
        return list(reading.scalars(text("select rows_sealed from push_originals")))


def test_rows_are_kept_sealed_until_they_are_posted(desk: Desk) -> None:
    desk.sheets([GOOD, "T9,S9,2026-11-17,Geheimnis,"])
    desk.push("times")
    assert [b"Geheimnis" in (row or b"") for row in kept(desk)] == [True]
    assert all(b"Geheimnis" not in sealed for sealed in sealed_rows(desk))
    (desk.root / "times.csv").unlink()
    path = book_of(desk)
    assert [row["Hours"] for row in rows_of(path, "Failed")] == ["Geheimnis"]
    edit(path, lambda sheet: setattr(cell(sheet, "T9", "Hours"), "value", "3"))
    assert desk.retry("times", from_file=path).posted == 1
    assert kept(desk) == [None]


def test_what_is_dismissed_is_not_kept(desk: Desk) -> None:
    desk.sheets([GOOD, BAD_HOURS])
    desk.push("times")
    push.dismiss(desk.project, "times", ["S2"])
    assert kept(desk) == [None]


@pytest.mark.parametrize(
    ("typed", "why"),
    [(42, "'0042'"), (42.0, "'0042'")],
)
def test_zeros_that_a_program_ate_are_asked_about_and_nothing_is_sent(desk: Desk, typed: object, why: str) -> None:
    desk.sheets([BAD_DAY])
    desk.push("times")
    path = book_of(desk)

    def correct(sheet: Any) -> None:
        cell(sheet, "0042", "Day").value = "2026-11-19"
        cell(sheet, "0042", "Hours").value = 2
        cell(sheet, "0042", "Entry").value = typed

    edit(path, correct)
    report = desk.retry("times", from_file=path)
    assert (report.posted, report.held) == (0, 1)
    (reason,) = [p.reason for p in report.problems if "Entry" in p.path]
    assert why in reason
    edit(path, lambda sheet: setattr(sheet["A2"], "value", "0042"))
    assert desk.retry("times", from_file=path).posted == 1, "the same workbook goes on being corrected"


def test_a_document_that_lost_a_row_is_held_whole(desk: Desk) -> None:
    desk.sheets([BAD_HOURS, OTHER_LINE, BAD_DAY])
    desk.push("times")
    path = book_of(desk)

    def correct(sheet: Any) -> None:
        cell(sheet, "T2", "Hours").value = "8"
        sheet.delete_rows(cell(sheet, "T3", "Hours").row)
        sheet.delete_rows(cell(sheet, "0042", "Hours").row)

    edit(path, correct)
    report = desk.retry("times", from_file=path)
    assert (report.rows, report.posted, report.held) == (2, 0, 1)
    assert [problem.row for problem in report.problems] == [3]
    assert "deleted" in report.problems[0].reason
    assert {record.source_id for record in push.failed(desk.project, "times")} == {"S2", "007"}, (
        "all stays in the inbox"
    )


def test_records_that_are_unknown_blank_or_doubled_are_refused_by_name(desk: Desk) -> None:
    desk.sheets([BAD_HOURS, OTHER_LINE])
    desk.push("times")
    path = book_of(desk)

    def spoil(sheet: Any) -> None:
        cell(sheet, "T2", "Hours").value = "8"
        token = cell(sheet, "T2", "tieout_record")
        cell(sheet, "T3", "tieout_record").value = token.value
        sheet.append(["T4", "S4", "2026-11-16", "1", None, "raaaaaaaaaaaaaaaa-1-bbbbb"])
        sheet.append(["T5", "S5", "2026-11-16", "1", None, None])
        sheet.append(["T6", "S6", "2026-11-16", "1", None, "7"])

    edit(path, spoil)
    with pytest.raises(CheckError) as refused:
        desk.retry("times", from_file=path)
    said = str(refused.value)
    for words in (
        "also in row 2 of sheet 'Failed'",
        "raaaaaaaaaaaaaaaa-1-bbbbb is not one of this push",
        "is blank",
        "'7' is no record",
    ):
        assert words in said
    assert desk.held_by_company("timesheets", "description") == {}


def deleted(book: Any) -> None:
    del book["Failed"]


def all_deleted(book: Any) -> None:
    del book["Failed"], book["Open"]


@pytest.mark.parametrize("change", [deleted, all_deleted])
def test_a_workbook_that_lost_its_failed_rows_is_not_called_empty(desk: Desk, change: Callable[[Any], None]) -> None:
    desk.sheets([GOOD, BAD_HOURS])
    desk.push("times")
    path = book_of(desk)
    book = openpyxl.load_workbook(path)
    change(book)
    book.save(path)
    with pytest.raises(SourceError, match="came back without its sheet Failed"):
        desk.retry("times", from_file=path)


@pytest.mark.parametrize("name", ["Corrected by Bo", "Drafts of Bo", "Posted next"])
def test_a_sheet_is_read_whatever_people_call_it(desk: Desk, name: str) -> None:
    desk.sheets([GOOD, BAD_HOURS])
    desk.push("times")
    path = book_of(desk)
    book = openpyxl.load_workbook(path)
    cell(book["Failed"], "T2", "Hours").value = "8"
    book["Failed"].title = name
    book.copy_worksheet(book["Draft"]).title = "Draft (2)"  # as a program calls a copy
    book.save(path)
    assert desk.retry("times", from_file=path).posted == 1


def test_without_its_failed_rows_what_is_open_is_read_and_the_rest_is_said(desk: Desk) -> None:
    desk.sheets([GOOD, BAD_HOURS])
    desk.push("times")
    desk.sheets([GOOD.replace(",8,", ",9,"), BAD_HOURS])
    assert desk.push("times").changed == 1
    path = book_of(desk)
    book = openpyxl.load_workbook(path)
    del book["Failed"]
    book.save(path)
    report = desk.retry("times", from_file=path, dry_run=True)
    assert (report.rows, report.changed) == (1, 1)
    assert any("came back without its sheet Failed" in note for note in report.notes)


def test_a_document_of_many_rows_comes_back_whole_however_it_is_sorted(desk: Desk) -> None:
    rows = [f"T{number},S1,2026-11-16,{'x' if number == 7 else 1}," for number in range(1_100)]
    desk.sheets([*rows, "U1,S2,2026-11-16,y,"])
    desk.push("times")
    path = book_of(desk)

    def sort(sheet: Any) -> None:
        found = [[each.value for each in row] for row in sheet.iter_rows(min_row=2)]
        for number, row in enumerate(sorted(found, key=lambda row: str(row[0])[::-1]), 2):
            for column, value in enumerate(row, 1):
                sheet.cell(number, column).value = {"x": "1", "y": "2"}.get(value, value)

    edit(path, sort)
    assert desk.retry("times", from_file=path, dry_run=True).ready == 2
    edit(path, lambda sheet: sheet.append([each.value for each in sheet[2]]))
    with pytest.raises(CheckError, match="is also in row 2 of sheet 'Failed'"):
        desk.retry("times", from_file=path)


def test_a_file_of_other_content_is_refused(desk: Desk) -> None:
    desk.sheets([BAD_HOURS])
    desk.push("times")
    path = book_of(desk)
    desk.sheets(["T2,S2,2026-11-17,nine,"])
    desk.push("times")
    with pytest.raises(CheckError, match="write the file anew"):
        desk.retry("times", from_file=path)


def test_a_source_that_gains_a_row_above_leaves_the_workbook_as_good_as_it_was(desk: Desk) -> None:
    before, wrong = "T1,S1,2026-11-16,8,", ["T2,S2,2026-11-17,eight,", "T3,S2,2026-11-17,1,"]
    desk.sheets([before, *wrong])
    desk.push("times")
    path = book_of(desk)
    edit(path, lambda sheet: setattr(cell(sheet, "T2", "Hours"), "value", "8"))
    desk.sheets(["T0,S0,2026-11-15,8,", before, *wrong])
    assert desk.push("times").held == 1
    report = desk.retry("times", from_file=path)
    assert (report.posted, report.held, report.exit_code) == (1, 0, 0)
    assert [(change.row, change.after) for change in report.corrections] == [(4, "8")], "where it stands now"
    assert desk.push("times").corrected == 1


def test_rows_of_a_record_that_changed_places_are_other_content(desk: Desk) -> None:
    rows = ["T2,S2,2026-11-17,eight,", "T3,S2,2026-11-17,1,"]
    desk.sheets(rows)
    desk.push("times")
    path = book_of(desk)
    desk.sheets(rows[::-1])
    desk.push("times")
    with pytest.raises(CheckError, match="said something else"):
        desk.retry("times", from_file=path)


def test_a_corrected_id_leaves_nothing_behind(desk: Desk) -> None:
    desk.customers(
        [{"id": "C1", "name": "One"}, {"id": "", "name": "Two"}, {"id": "C3", "name": "Three", "term": {"id": "NONE"}}]
    )
    desk.push()
    path = book_of(desk, "customers")

    def correct(sheet: Any) -> None:
        names = [each.value for each in sheet[1]]
        for row in sheet.iter_rows(min_row=2):
            if row[names.index("name")].value == "Two":
                row[names.index("id")].value = "C2"
            else:
                row[names.index("term")].value = None

    edit(path, correct)
    report = desk.retry(from_file=path)
    assert report.posted == 2, report.problems
    assert desk.held_by_company("customers", "id") == {"C1": 1, "C2": 1, "C3": 1}
    assert push.failed(desk.project) == []


def test_csv_has_the_sources_dialect_and_comes_back(desk: Desk) -> None:
    section = (
        (desk.root / "tieout.toml")
        .read_text()
        .replace('id = "Entry"', 'id = "Entry"\nseparator = ";"\nencoding = "cp1252"')
    )
    (desk.root / "tieout.toml").write_text(section)
    desk = Desk(load(desk.root), desk.url)
    (desk.root / "times.csv").write_bytes(
        "Entry;Sheet;Day;Hours;Project\nÄ1;=S;2026-11-17;acht\xa0;\n".encode("cp1252")
    )
    desk.push("times")
    path = desk.root / "rest.csv"
    push.write_csv(desk.project, "times", path)
    with path.open(encoding="cp1252", newline="") as file:
        header, row = csv.reader(file, delimiter=";")
    assert row[:5] == ["Ä1", "=S", "2026-11-17", "acht\xa0", ""]
    row[3] = "8"
    with path.open("w", encoding="cp1252", newline="") as file:
        csv.writer(file, delimiter=";").writerows([header, row])
    report = desk.retry("times", from_file=path)
    assert (report.posted, [c.after for c in report.corrections]) == (1, ["8"])


def test_what_a_program_gave_can_be_corrected_too(desk: Desk) -> None:
    rows = [{"Entry": "T1", "Sheet": "S1", "Day": "2026-11-16", "Hours": "x", "Project": ""}]
    desk.push("times", records=iter(rows))
    path = book_of(desk)
    edit(path, lambda sheet: setattr(cell(sheet, "T1", "Hours"), "value", "2"))
    assert desk.retry("times", from_file=path).posted == 1


def test_a_personal_value_is_changed_and_not_told(desk: Desk) -> None:
    section = (
        (desk.root / "tieout.toml").read_text().replace('"lines.quantity" = "Hours"', '"lines.quantity" = "Bank hours"')
    )
    (desk.root / "tieout.toml").write_text(section)
    desk = Desk(load(desk.root), desk.url)
    (desk.root / "times.csv").write_text("Entry,Sheet,Day,Bank hours,Project\nT1,S1,2026-11-16,x12345,\n")
    desk.push("times")
    path = book_of(desk)
    edit(path, lambda sheet: setattr(cell(sheet, "T1", "Bank hours"), "value", "2"))
    report = desk.retry("times", from_file=path)
    assert [(c.column, c.before, c.after) for c in report.corrections] == [("Bank hours", None, None)]
    with opened(desk.project, "times", settings_of(desk.project, "times")) as desks:
        (change,) = desks.main.ledger.originals.corrections()
    assert (change.before, change.after, change.row) == ("x12345", "2", 2)
    with open_store(desk.project.state_url) as store, store.read() as reading:
        assert b"x12345" not in reading.scalar(text("select change_sealed from push_corrections"))


def test_rows_of_several_entities_come_back_to_their_own(tmp_path: Path) -> None:
    with ground(tmp_path) as made:
        bills = [
            line(1, Bill="B-1", Entity="E110", Amount="x"),
            line(2, Bill="B-2", Entity="E120", Location="120-MTL", Currency="CAD", Amount="much"),
            line(3, Bill="B-3", Entity="E110", Amount="100.00"),
        ]
        report = made.without_asking("bills").push("bills", bills, by="Ann")
        assert (report.held, report.posted) == (2, 1), report.problems
        path = tmp_path / "inbox.xlsx"
        push.write_workbook(made.project, "bills", path)
        found = {row["tieout_entity"]: row["Amount"] for row in rows_of(path, "Failed")}
        assert found == {"E110": "x", "E120": "much"}

        def correct(sheet: Any) -> None:
            names = [each.value for each in sheet[1]]
            for row in sheet.iter_rows(min_row=2):
                row[names.index("Amount")].value = "100.00"
                row[names.index("Account")].value = "6000"

        edit(path, correct)
        again = push.retry(made.project, "bills", from_file=path)
        assert {entity: counts["posted"] for entity, counts in again.by_entity.items()} == {"E110": 1, "E120": 1}
        assert push.failed(made.project, "bills") == []


def test_what_a_killed_push_left_is_read_from_its_source(desk: Desk, forked: Forks) -> None:
    desk.sheets([GOOD, BAD_HOURS, OTHER_LINE])
    code, _ = desk.child(forked, "times", "push.after_ledger_write")
    assert code != 0
    assert sealed_rows(desk) == []
    path = book_of(desk)
    assert [(row["Entry"], row["tieout_record"] is not None) for row in rows_of(path, "Failed")] == [
        ("T2", True), ("T3", True)
    ]  # fmt: skip
    assert [row["Entry"] for row in rows_of(path, "Open")] == ["T1"]
    edit(path, lambda sheet: setattr(cell(sheet, "T2", "Hours"), "value", "8"))
    report = desk.retry("times", from_file=path)
    assert report.unknown == 0
    assert desk.held_by_company("timesheets", "description") == {"S1": 1, "S2": 1}


def test_a_correction_is_written_down_once_though_its_retry_was_killed(desk: Desk, forked: Forks) -> None:
    desk.sheets([BAD_HOURS])
    desk.push("times")
    path = book_of(desk)
    edit(path, lambda sheet: setattr(cell(sheet, "T2", "Hours"), "value", "8"))
    code = f"from pathlib import Path; from tieout import push; from tieout.project import load; push.retry(load(), 'times', from_file=Path({str(path)!r}))"  # noqa: E501
    ended, _ = forked.run(code, environment={"TIEOUT_CRASH_AT": "push.after_ledger_write"}, folder=desk.root)
    assert ended != 0
    desk.retry("times", from_file=path)
    assert desk.held_by_company("timesheets", "description") == {"S2": 1}
    with opened(desk.project, "times", settings_of(desk.project, "times")) as desks:
        assert [(c.row, c.before, c.after) for c in desks.main.ledger.originals.corrections()] == [(2, "eight", "8")]


def test_drafts_have_their_own_sheet(tmp_path: Path) -> None:
    with ground(tmp_path) as made:
        made.with_text(
            lambda text: text.replace('object = "bills"\n', 'object = "bills"\nsource = "bills.csv"\n').replace(
                "[push.bills.fields]\n", '[push.bills.fields]\nstate = { constant = "draft" }\n'
            )
        )
        project = load(tmp_path)
        rows = [line(1), line(2)]
        (tmp_path / "bills.csv").write_text("\n".join(map(",".join, [rows[0].keys(), *(r.values() for r in rows)])))
        assert push.push(project, "bills").posted == 2
        push.write_workbook(project, "bills", tmp_path / "inbox.xlsx")
        assert [row["Line"] for row in rows_of(tmp_path / "inbox.xlsx", "Draft")] == ["1", "2"]
        assert rows_of(tmp_path / "inbox.xlsx", "Posted") == []


def test_the_audit_file_says_what_was_changed(desk: Desk) -> None:
    desk.sheets([BAD_HOURS])
    desk.push("times")
    path = book_of(desk)
    edit(path, lambda sheet: setattr(cell(sheet, "T2", "Hours"), "value", "8"))
    desk.retry("times", from_file=path, by="Bo", audit=desk.root / "audit.jsonl")
    foot = msgspec.json.decode((desk.root / "audit.jsonl").read_bytes().splitlines()[-1])
    (change,) = foot["corrections"]
    assert (change["row"], change["column"], change["before"], change["after"], change["by"]) == (
        2, "Hours", "eight", "8", "Bo"
    )  # fmt: skip
    assert push.check_audit(desk.root / "audit.jsonl").ties


def test_rows_are_kept_in_postgresql_too(desk: Desk, postgres_url: str) -> None:
    section = (desk.root / "tieout.toml").read_text()
    (desk.root / "tieout.toml").write_text(f'[state]\nurl = "{postgres_url}"\n{section}')
    project = load(desk.root)
    connections = open_connections(project)
    connections.add_simulator("demo", desk.url)
    connections.store.close()
    desk = Desk(project, desk.url)
    desk.sheets([GOOD, BAD_HOURS, OTHER_LINE])
    desk.push("times")
    path = book_of(desk)
    edit(path, lambda sheet: setattr(cell(sheet, "T2", "Hours"), "value", "8"))
    assert desk.retry("times", from_file=path).posted == 1
    assert sealed_rows(desk) == [None]
