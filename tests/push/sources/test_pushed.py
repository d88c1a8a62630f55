"""Whatever the source, the same records reach Intacct, once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
import xlsxwriter

from tests.push.desk import SHEETS, Desk
from tieout.errors import SourceError

ROWS: list[dict[str, Any]] = [
    {"Entry": "E1", "Sheet": "one", "Day": date(2026, 11, 16), "Hours": 7.5, "Project": None},
    {"Entry": "E2", "Sheet": "one", "Day": date(2026, 11, 17), "Hours": 0.1 + 0.2, "Project": None},
    {"Entry": "E3", "Sheet": "two", "Day": date(2026, 11, 16), "Hours": 8.0, "Project": None},
]
NO_PROJECT = SHEETS.replace('"lines.dimensions.project.id" = "Project"\n', "")


def with_source(desk: Desk, source: str) -> Desk:
    (desk.root / "tieout.toml").write_text(NO_PROJECT.replace('source = "times.csv"', source))
    return Desk(
        type(desk.project)(desk.root, desk.root / "tieout.toml", (desk.root / "tieout.toml").read_text()), desk.url
    )


def as_workbook(desk: Desk, name: str = "times.xlsx", rows: list[dict[str, Any]] = ROWS) -> None:
    with xlsxwriter.Workbook(desk.root / name) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, list(rows[0]))
        for number, row in enumerate(rows, 1):
            sheet.write_row(number, 0, [row["Entry"], row["Sheet"]])
            sheet.write_datetime(number, 2, row["Day"], workbook.add_format({"num_format": "m/d/yyyy"}))
            sheet.write_number(number, 3, row["Hours"])
        sheet.set_row(2, None, None, {"hidden": True})


def as_query(desk: Desk) -> None:
    with sqlite3.connect(desk.root / "payroll.db") as database:
        database.execute('create table t (Entry, Sheet, "Day", Hours real, Project)')
        database.executemany(
            "insert into t values (?, ?, ?, ?, ?)",
            [(*list(r.values())[:2], r["Day"].isoformat(), r["Hours"], None) for r in ROWS],
        )
    database.close()


@pytest.mark.parametrize(
    ("source", "prepare", "records"),
    [
        ('source = "times.xlsx"', as_workbook, None),
        ('source = { sql = "select * from t", url = "sqlite:///payroll.db" }', as_query, None),
        ("", None, ROWS),
        ("", None, pa.Table.from_pylist(ROWS)),
    ],
    ids=["workbook", "query", "mappings", "arrow"],
)
def test_the_same_records_arrive_once_from_every_source(
    desk: Desk, source: str, prepare: Callable[[Desk], None] | None, records: object
) -> None:
    desk = with_source(desk, source)
    if prepare is not None:
        prepare(desk)
    given = {} if records is None else {"records": records}
    report = desk.push("times", **given)
    assert (report.rows, report.posted, report.exit_code) == (3, 2, 0), report
    assert {line.what: line.ties for line in report.tie_out}["sum lines.quantity"] is True
    assert desk.held_by_company("time/timesheet-line", "quantity").total() == 3
    again = desk.push("times", **given)
    assert (again.posted, again.skipped, again.sha256) == (0, 2, report.sha256)
    if source.endswith('.xlsx"'):
        assert "times.xlsx: row 3 is hidden, and read like the others." in report.notes


def test_a_corrected_workbook_is_taken_in_the_place_of_a_csv_file(desk: Desk) -> None:
    desk = with_source(desk, 'source = "times.csv"')
    (desk.root / "times.csv").write_text(
        "Entry,Sheet,Day,Hours,Project\nE1,one,2026-11-16,7.5,\nE2,one,2026-11-17,0.3,\nE3,two,2026-11-16,eight,\n"
    )
    assert (desk.push("times").posted, desk.push("times").held) == (1, 1)
    as_workbook(desk, "corrected.xlsx")
    report = desk.retry("times", from_file=desk.root / "corrected.xlsx")
    assert (report.posted, report.skipped, report.changed) == (1, 1, 0), report


def test_a_push_without_a_source_says_what_is_missing(desk: Desk) -> None:
    with pytest.raises(SourceError, match=r"\[push.times\] names no source"):
        with_source(desk, "").push("times")
