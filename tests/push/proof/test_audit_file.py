"""The audit file: every row in it, sums as sent and as read back, and no edit unnoticed."""

from __future__ import annotations

import json
import stat
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.push.desk import Desk
from tests.push.ground import ground, line
from tests.push.inbox.test_workbook import edit
from tieout import push
from tieout.connections import connect
from tieout.errors import SourceError

ROWS = [
    "1,A,2026-11-16,8,",
    "2,B,2026-11-16,7.5,",
    "3,B,2026-11-17,0.25,",
    "4,C,2026-11-17,x,",
    "5,D,2026-11-17,8,NONE",
]


@pytest.fixture
def written(desk: Desk, tmp_path: Path) -> Path:
    path = tmp_path / "audit" / "november.jsonl"
    desk.sheets(ROWS)
    report = desk.push("times", audit=path, by="Ada")
    assert (report.posted, report.failed, report.held, report.audit_file) == (2, 1, 1, str(path))
    return path


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_it_says_who_sent_what_where_and_what_became_of_every_row(written: Path, desk: Desk) -> None:
    import hashlib

    head, *documents, foot = lines_of(written)
    assert head["push"] == "times"
    assert head["source_sha256"] == hashlib.sha256((desk.root / "times.csv").read_bytes()).hexdigest()
    assert (head["company"], head["environment"], head["sage_user"]) == ("demo", "simulator", "admin")
    assert (head["applied_by"], head["source_rows"]) == ("Ada", 5)
    by_id = {line["id"]: line for line in documents}
    assert [line["id"] for line in documents] == ["A", "B", "C", "D"], "in the order of the source"
    assert (by_id["B"]["rows"], by_id["B"]["outcome"]) == ([3, 4], "posted")
    assert by_id["B"]["sent"] == by_id["B"]["read_back"] == {"lines.quantity": "7.75"}
    with connect(desk.project) as client:
        assert client.get("time/timesheet", str(by_id["B"]["key"]))["description"] == "B"
    assert by_id["C"]["outcome"] == "held"
    assert "'x' is not a number" in str(by_id["C"]["reason"])
    assert by_id["D"]["outcome"] == "failed"
    assert by_id["D"]["reason"]
    assert foot["rows"]["posted"] == 3  # type: ignore[index]  # JSON
    sums = foot["sums"]
    assert [(s["field"], s["sent"], s["intacct"]) for s in sums] == [("lines.quantity", "15.75", "15.75")]  # type: ignore[attr-defined]
    assert stat.S_IMODE(written.stat().st_mode) == 0o600


def test_it_is_checked_without_intacct(written: Path) -> None:
    found = push.check_audit(written)
    assert (found.ties, found.wrong) == (True, [])
    assert [(line.what, line.source, line.intacct) for line in found.lines] == [
        ("rows accounted for", 5, 5),
        ("records agree", 2, 2),
        ("sum lines.quantity", Decimal("15.75"), Decimal("15.75")),
    ]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_edit_goes_unnoticed(written: Path, tmp_path: Path, data: st.DataObject) -> None:
    raw = written.read_bytes()
    at = data.draw(st.integers(0, len(raw) - 1))
    what = data.draw(st.sampled_from(["change", "remove", "cut", "drop line", "swap lines"]))
    if what == "change":
        edited = raw[:at] + bytes([raw[at] ^ data.draw(st.integers(1, 255))]) + raw[at + 1 :]
    elif what == "remove":
        edited = raw[:at] + raw[at + 1 :]
    elif what == "cut":
        edited = raw[:at]
    else:
        lines = raw.splitlines(keepends=True)
        one = data.draw(st.integers(0, len(lines) - 2))
        lines[one : one + 2] = lines[one + 1 : one + 2] if what == "drop line" else lines[one : one + 2][::-1]
        edited = b"".join(lines)
    other = tmp_path / "edited.jsonl"
    other.write_bytes(edited)
    # White space at the very end is no fact of the file.
    assert edited.rstrip() == raw.rstrip() or not push.check_audit(other).ties


def test_a_word_of_the_last_line_that_is_not_ours_is_noticed(written: Path) -> None:
    """Left out, it would mean what it means where nothing is said."""
    foot = written.read_bytes().splitlines()[-1]
    for name in json.loads(foot):
        edited = written.with_name("edited.jsonl")
        edited.write_bytes(written.read_bytes().replace(foot, foot.replace(f'"{name}":'.encode(), b'"x":')))
        assert not push.check_audit(edited).ties, name


def test_sums_that_differ_and_rows_that_are_missing_are_found_though_the_hash_is_right(
    desk: Desk, tmp_path: Path
) -> None:
    """What Intacct holds is other than what was sent: the file says so, untouched."""
    desk.sheets(ROWS[:2])
    desk.push("times")
    with connect(desk.project) as client:
        (key,) = [r["key"] for r in client.query("timesheets", ["key", "description"]) if r["description"] == "A"]
        line = client.get("timesheets", key)["lines"][0]
        client.update("time/timesheet-line", line["key"], {"quantity": 3})
    path = tmp_path / "a.jsonl"
    assert desk.push("times", audit=path).skipped == 2
    found = push.check_audit(path)
    assert not found.ties
    assert found.wrong == []
    assert {line.what: line.ties for line in found.lines}["sum lines.quantity"] is False
    assert any("A: lines.quantity 8 sent, 3 in Intacct" in line.note for line in found.lines)


def test_a_document_that_was_corrected_into_two_entities_is_there_once(tmp_path: Path) -> None:
    rows = [line(1, Bill="B-1", Total=""), line(2, Bill="B-1", Total="", Amount="x", Location="120-MTL"), line(3)]
    there = {"Bill": "B-1b", "Entity": "E120", "Currency": "CAD", "Amount": "5.00"}

    def correct(sheet: Any) -> None:
        names = [each.value for each in sheet[1]]
        second = next(row for row in sheet.iter_rows(min_row=2) if row[names.index("Line")].value == "2")
        for column, value in there.items():
            second[names.index(column)].value = value

    with ground(tmp_path) as made:
        bills = made.without_asking("bills")
        assert bills.push("bills", rows).held == 1
        book, audit = tmp_path / "bills.xlsx", tmp_path / "audit.jsonl"
        push.write_workbook(bills.project, "bills", book)
        edit(book, correct)
        assert push.retry(bills.project, "bills", from_file=book).posted == 2
        report = bills.push("bills", rows, audit=audit)
    assert (report.corrected, report.skipped, report.exit_code) == (1, 1, 0)
    _, *documents, _ = lines_of(audit)
    assert [(each["id"], each["sent"]) for each in documents if each["outcome"] == "corrected"] == [
        ("B-1", {"lines.txnAmount": "105.00"})
    ]
    checked = push.check_audit(audit)
    assert checked.ties, checked.lines


def test_an_audit_file_is_never_replaced_and_an_interrupted_run_leaves_none(
    written: Path, desk: Desk, tmp_path: Path
) -> None:
    before = written.read_bytes()
    with pytest.raises(SourceError, match="never replaced"):
        desk.push("times", audit=written)
    assert written.read_bytes() == before
    (desk.root / "times.csv").unlink()
    with pytest.raises(SourceError):
        desk.push("times", audit=tmp_path / "none" / "x.jsonl")
    assert list((tmp_path / "none").iterdir()) == []


def test_what_is_no_audit_file_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        push.check_audit(tmp_path / "nothing.jsonl")
    (tmp_path / "other.jsonl").write_text('{"id": 1}\n')
    assert push.check_audit(tmp_path / "other.jsonl").ties is False
