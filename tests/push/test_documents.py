"""Rows become documents: nothing lost, nothing doubled, and a bad row holds its whole document with the reason."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.push.support import CUSTOMERS, HEADER, TIMESHEET, assemble, settings, staged, times
from tieout.push import documents as documents_module

SHEETS = settings(**TIMESHEET)


def test_rows_of_a_document_need_not_stand_together(tmp_path: Path) -> None:
    content = times(
        "1,E1,11/16/2026,,11/16/2026,8,P1,T",
        "2,E2,11/16/2026,,11/16/2026,6,P1,F",
        "3,E1,11/16/2026,,11/17/2026,7.25,P2,T",
    )
    first, second = assemble(tmp_path, content, SHEETS)
    assert first.source_id == '["E1", "11/16/2026"]'
    assert first.rows == [2, 4]
    assert first.entries == ["1", "3"]
    assert first.body["employee"] == {"id": "E1"}
    assert first.body["beginDate"] == "2026-11-16"
    assert [line["quantity"] for line in first.body["lines"]] == [8, Decimal("7.25")]
    assert first.totals == {"lines.quantity": Decimal("15.25")}
    assert second.rows == [3]


def test_a_header_value_that_differs_is_a_problem_and_a_blank_one_is_not(tmp_path: Path) -> None:
    content = times(
        "1,E1,11/16/2026,Week 47,11/16/2026,8,P1,T",
        "2,E1,11/16/2026,,11/17/2026,8,P1,T",
        "3,E1,11/16/2026,Week 48,11/18/2026,8,P1,T",
    )
    (document,) = assemble(tmp_path, content, SHEETS)
    assert [str(p) for p in document.problems] == [
        "row 4, column About: Week 48 differs from Week 47 in row 2 of the same document"
    ]
    assert document.body["description"] == "Week 47"


def test_a_bad_row_holds_the_others_of_its_document_only(tmp_path: Path) -> None:
    content = times(
        "1,E1,11/16/2026,,11/16/2026,8,P1,T",
        '2,E1,11/16/2026,,11/17/2026,"7,5h",P1,T',
        "3,E2,11/16/2026,,11/31/2026,8,P1,T",
        "4,E3,11/16/2026,,11/16/2026,8,P1,T",
    )
    first, second, third = assemble(tmp_path, content, SHEETS)
    assert [str(p) for p in first.problems] == ["row 3, column Hours: '7,5h' is not a number"]
    assert first.rows == [2, 3], "both rows are held with it"
    assert "'11/31/2026' is not a date like 01/31/2026" in str(second.problems[0])
    assert third.problems == []


def test_blank_and_repeated_ids_hold_their_rows(tmp_path: Path) -> None:
    content = times(
        ",E1,11/16/2026,,11/16/2026,8,P1,T",
        "2,E2,11/16/2026,,11/16/2026,8,P1,T",
        "2,E3,11/16/2026,,11/16/2026,8,P1,T",
        "3,,11/16/2026,,11/16/2026,8,P1,T",
    )
    documents = staged(tmp_path, content, SHEETS)
    assert [str(d.problems[0]) for d in documents] == [
        "row 2, column Entry: is blank, but it is this push's id",
        "row 3, column Entry: '2' is also the id of row 4",
        "row 4, column Entry: '2' is also the id of row 3",
        "row 5, column Employee: is blank, but documents are grouped by it",
    ]


def test_rows_that_share_an_id_without_grouping_become_one_held_document(tmp_path: Path) -> None:
    given = settings(object="customers", source="c.csv", id="id", fields={"id": "id", "name": "name"})
    documents = staged(tmp_path, "id,name\n1,a\n2,b\n1,c\n", given)
    assert [(d.source_id, d.rows, len(d.problems)) for d in documents] == [("1", (2, 4), 2), ("2", (3,), 0)]
    assert [d.fate for d in documents] == ["held", "send"]


def test_an_id_column_that_says_the_same_in_every_row_is_told_in_a_page(tmp_path: Path) -> None:
    given = settings(object="customers", source="c.csv", id="co", fields={"id": "id", "name": "name"})
    content = "co,id,name\n" + "".join(f"ACME,{n},n{n}\n" for n in range(3_000))
    (document,) = staged(tmp_path, content, given)
    assert (document.fate, document.rows) == ("held", tuple(range(2, 3_002))), "every row is held with it"
    texts = [str(problem) for problem in document.problems]
    assert texts[0] == "row 2, column co: 'ACME' is also the id of row 3, 4, 5, 6, 7 and 2,994 more"
    assert texts[-1] == "row 202: 2,800 more problems of rows that share the id 'ACME' are not listed"
    assert sum(map(len, texts)) < 20_000


def test_a_row_id_that_comes_in_every_document_holds_each_with_few_words(tmp_path: Path) -> None:
    rows = [f"1,E{n},11/16/2026,,11/16/2026,8,P1,T" for n in range(1_000)]
    documents = staged(tmp_path, times(*rows), SHEETS)
    assert [d.fate for d in documents] == ["held"] * 1_000
    assert max(len(str(problem)) for d in documents for problem in d.problems) < 100
    (one,) = staged(tmp_path, times(*["1,E1,11/16/2026,,11/16/2026,8,P1,T"] * 1_000), SHEETS)
    assert (one.fate, len(one.rows), len(one.problems)) == ("held", 1_000, 200)


def test_rows_in_the_name_of_many_entities_name_each_entity_once_and_few(tmp_path: Path) -> None:
    given = settings(**TIMESHEET | {"entity": {"column": "Project"}})
    rows = [f"{n},E1,11/16/2026,,11/16/2026,8,P{n % 9},T" for n in range(600)]
    (document,) = staged(tmp_path, times(*rows), given)
    assert (document.fate, len(document.rows)) == ("held", 600)
    (said,) = {problem.reason for problem in document.problems}
    assert said.endswith("belong to P0 and P1 and P2 and P3 and P4 and 4 more")


def test_a_blank_required_cell_is_found_at_its_row(tmp_path: Path) -> None:
    content = times("1,E1,11/16/2026,,11/16/2026,8,P1,T", "2,E1,11/16/2026,,,8,P1,T")
    (document,) = assemble(tmp_path, content, SHEETS)
    assert [str(p) for p in document.problems] == ["row 3, column Date: is blank, but lines.entryDate is required"]


def test_the_order_of_lines_does_not_change_the_content(tmp_path: Path) -> None:
    rows = ["1,E1,11/16/2026,,11/16/2026,8,P1,T", "2,E1,11/16/2026,,11/17/2026,7,P1,T"]
    (one,) = assemble(tmp_path, times(*rows), SHEETS)
    (other,) = assemble(tmp_path, times(*reversed(rows)), SHEETS)
    (changed,) = assemble(tmp_path, times(rows[0], rows[1].replace(",7,", ",7.5,")), SHEETS)
    assert one.payload_hash == other.payload_hash != changed.payload_hash


def test_several_id_columns_cannot_be_confused(tmp_path: Path) -> None:
    given = settings(object="customers", source="c.csv", id=["a", "b"], fields={"id": "a", "name": "b"})
    documents = assemble(tmp_path, 'a,b\n"x"", ""y",z\nx,"y"", ""z"\n', given)
    assert len({d.source_id for d in documents}) == 2


DERIVED = settings(**TIMESHEET | {"id": ["Employee", "Date", "Project"]})


def test_identical_rows_of_a_derived_id_are_numbered_and_keep_their_numbers(tmp_path: Path) -> None:
    row = "9,E1,11/16/2026,,11/16/2026,8,P1,T"
    other = "9,E1,11/16/2026,,11/17/2026,8,P1,T"
    (document,) = staged(tmp_path, times(row, other, row, row), DERIVED)
    first = '["E1", "11/16/2026", "P1"]'
    assert document.entries == (first, '["E1", "11/17/2026", "P1"]', f"{first}#2", f"{first}#3")
    assert document.problems == []
    (again,) = staged(tmp_path, times(row, row, other, row), DERIVED)
    assert sorted(again.entries) == sorted(document.entries), "another order, the same ids"


def test_rows_that_share_a_derived_id_and_differ_are_held(tmp_path: Path) -> None:
    content = times("1,E1,11/16/2026,,11/16/2026,8,P1,T", "1,E1,11/16/2026,,11/16/2026,7,P1,T")
    (document,) = staged(tmp_path, content, DERIVED)
    assert [p.row for p in document.problems] == [2, 3]
    assert "is also the id of row 3" in document.problems[0].reason


def test_identical_rows_without_grouping_are_numbered(tmp_path: Path) -> None:
    given = settings(object="customers", source="c.csv", id=["a", "b"], fields={"id": "a", "name": "b"})
    documents = staged(tmp_path, "a,b\n1,x\n2,y\n1,x\n", given)
    assert [(d.source_id, d.fate) for d in documents] == [
        ('["1", "x"]', "send"),
        ('["2", "y"]', "send"),
        ('["1", "x"]#2', "send"),
    ]


def test_rows_of_a_document_that_stand_too_far_apart_are_held_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents_module, "OPEN_ROWS", 4)
    rows = [f"{n},E{n},11/16/2026,,11/16/2026,8,P1,T" for n in range(8)]
    near = "8,E7,11/16/2026,,11/17/2026,8,P1,T"
    far = "9,E0,11/16/2026,,11/17/2026,8,P1,T"
    documents = {d.source_id: d for d in staged(tmp_path, times(*rows, near, far), SHEETS)}
    assert len(documents) == 8
    assert sum(len(d.rows) for d in documents.values()) == 10
    held = documents['["E0", "11/16/2026"]']
    assert (held.rows, held.fate) == ((2, 11), "held")
    assert "rows apart; sort the source" in held.problems[0].reason
    assert documents['["E7", "11/16/2026"]'].rows == (9, 10)
    assert [d.fate for d in documents.values()].count("send") == 7


ROW = st.tuples(
    st.sampled_from(["E1", "E2", "E3"]),
    st.sampled_from(["11/16/2026", "11/23/2026"]),
    st.decimals(min_value=0, max_value=24, places=2).map(lambda d: format(d, "f")) | st.just("x"),
)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROW, max_size=25))
def test_every_row_is_in_exactly_one_document_and_sums_agree(tmp_path: Path, rows: list[tuple[str, str, str]]) -> None:
    content = times(*(f"{n},{e},{week},,11/16/2026,{hours},P1,T" for n, (e, week, hours) in enumerate(rows)))
    documents = assemble(tmp_path, content, SHEETS)
    assert sorted(row for d in documents for row in d.rows) == list(range(2, len(rows) + 2))
    assert len(documents) == len({row[:2] for row in rows})
    bad = {rows[number - 2][:2] for d in documents if d.problems for number in d.rows}
    assert bad == {row[:2] for row in rows if row[2] == "x"}
    for document in documents:
        if not document.problems:
            mine = [Decimal(rows[n - 2][2]) for n in document.rows]
            assert document.totals["lines.quantity"] == sum(mine)
            assert [Decimal(line["quantity"]) for line in document.body["lines"]] == mine


def json_lines(*records: object) -> bytes:
    return b"".join(msgspec.json.encode(record) + b"\n" for record in records)


def test_json_records_are_sent_as_they_stand(tmp_path: Path) -> None:
    record = {"id": "C1", "name": "Näme", "creditLimit": 10, "term": {"id": "N30"}, "taxId": None}
    (document,) = assemble(tmp_path, json_lines(record), settings(**CUSTOMERS))
    assert document.problems == []
    assert document.body == record
    assert document.source_id == "C1"


def test_a_json_record_names_all_its_mistakes(tmp_path: Path) -> None:
    record = {
        "id": "C1",
        "nmae": "x",
        "key": "7",
        "status": "activ",
        "creditLimit": "much",
        "term": {"id": ""},
        "parent": "C2",
        "audit": {"createdDateTime": "2026-01-01T00:00:00Z"},
    }
    (document,) = assemble(tmp_path, json_lines(record), settings(**CUSTOMERS))
    found = {p.path.rpartition(" ")[2]: p for p in document.problems}
    assert found["nmae"].nearest == "name"
    assert found["key"].reason == "is read-only in Intacct (REST-1050)"
    assert found["status"].nearest == "active"
    assert found["creditLimit"].reason == "is not a number"
    assert "blank id" in found["term"].reason
    assert found["parent"].reason == 'is text where a reference belongs; write {"id": "..."} or {"key": "..."}'
    assert found["audit.createdDateTime"].reason == "is read-only in Intacct (REST-1050)"


def test_a_json_record_without_what_a_create_needs_is_held(tmp_path: Path) -> None:
    (document,) = assemble(tmp_path, json_lines({"id": "C1"}), settings(**CUSTOMERS))
    assert [str(p) for p in document.problems] == ["row 1, name: a create needs it"]


def test_nested_lines_of_json_records_are_checked_and_summed(tmp_path: Path) -> None:
    given = settings(object="timesheets", source="t.jsonl", id="beginDate")
    record = {
        "beginDate": "2026-11-16",
        "employee": {"id": "E1"},
        "lines": [{"entryDate": "2026-11-16", "quantity": 7.25}, {"entryDate": "2026-11-17", "quantity": 8, "hous": 1}],
    }
    (document,) = assemble(tmp_path, json_lines(record), given)
    assert [p.path for p in document.problems] == ["row 1, lines.hous"]
    assert document.totals["lines.quantity"] == Decimal("15.25")


def test_an_id_that_no_ledger_has_room_for_holds_its_record(tmp_path: Path) -> None:
    """Found out after the posting, it would be in Intacct and in no ledger."""
    long = "x" * 1_001
    plain = settings(object="customer", source="c.csv", id="Id", fields={"id": "Id", "name": "Name"})
    (first, second) = assemble(tmp_path, f"Id,Name\n{long},Ann\n{'y' * 1_000},Bob\n", plain)
    assert [problem.reason for problem in first.problems] == ["is 1,001 characters long; an id has at most 1,000"]
    assert first.source_id == "(row 2 of c.csv)"
    assert [problem.reason for problem in second.problems if "characters long; an id" in problem.reason] == []
    lines = settings(object="customer", source="c.jsonl", id="Id", fields={"id": "Name", "name": "Name"})
    (nul,) = assemble(tmp_path, '{"Id":"a\\u0000b","Name":"Ann"}\n', lines)
    assert "holds the character U+0000, which an id cannot have" in [problem.reason for problem in nul.problems]
    grouped = settings(**TIMESHEET | {"group_by": ["Employee"], "id": "Entry"})
    (sheet,) = assemble(tmp_path, f"{HEADER}\n1,{long},11/02/2026,,11/02/2026,8,P,\n", grouped)
    assert any("an id has at most" in problem.reason for problem in sheet.problems)
    assert sheet.source_id.startswith("(row 2")
