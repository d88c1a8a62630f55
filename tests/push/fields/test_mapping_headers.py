"""Header values on the first line only, documents without a number, and rows of several entities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.push.support import assemble, settings
from tieout.push.documents import Document

HEADED: dict[str, Any] = {
    "object": "bills",
    "source": "times.csv",
    "group_by": ["No", "Vendor"],
    "header": "first",
    "line_number": "Line",
    "entity": {"column": "Office", "map": {"New York": "E110", "Toronto": "E120"}},
    "fields": {
        "billNumber": "No",
        "vendor.id": "Vendor",
        "createdDate": {"constant": "2026-11-16"},
        "dueDate": {"constant": "2026-12-16"},
        "lines.txnAmount": "Amount",
        "lines.glAccount.id": {"constant": "6200"},
        "lines.dimensions.location.id": {"constant": "110-NYC"},
    },
}


def headed(tmp_path: Path, *rows: str) -> list[Document]:
    content = "\n".join(("No,Vendor,Office,Line,Amount", *rows)) + "\n"
    return assemble(tmp_path, content, settings(**HEADED))


def test_a_header_on_the_first_line_only_serves_the_lines_below(tmp_path: Path) -> None:
    rows = ["B1,V-1,New York,1,10", ",,,2,5", ",V-2,Toronto,1,7", "B3,V-1,New York,1,1"]
    found = headed(tmp_path, *rows)
    assert [(d.entity, d.rows) for d in found] == [("E110", [2, 3]), ("E120", [4]), ("E110", [5])]
    assert [d.source_id for d in found][::2] == ['["B1", "V-1"]', '["B3", "V-1"]']
    assert found[1].source_id.startswith('["", "V-2", "')
    assert [d.problems for d in found] == [[], [], []]
    assert found[0].body["billNumber"] == "B1"
    assert [line["txnAmount"] for line in found[0].body["lines"]] == ["10.00", "5.00"]
    assert found[0].entries == ['["B1", "V-1"]/1', '["B1", "V-1"]/2']


def test_two_documents_of_one_number_are_held(tmp_path: Path) -> None:
    (found,) = headed(tmp_path, "B1,V-1,New York,1,10", "B1,V-1,New York,1,5")
    assert "row 3, column Line: starts again, and yet" in str(found.problems[0])


def test_an_office_that_nobody_knows_is_named_with_the_nearest(tmp_path: Path) -> None:
    (found,) = headed(tmp_path, "B1,V-1,New Yrok,1,10")
    assert str(found.problems[0]) == (
        "row 2, column Office: 'New Yrok' is not in the map of this field (did you mean 'New York'?)"
    )
    (blank,) = headed(tmp_path, "B1,V-1,,1,10")
    assert "column Office: is blank, but it tells which entity" in str(blank.problems[0])


def test_an_unknown_office_on_the_first_row_does_not_tear_its_document_apart(tmp_path: Path) -> None:
    (found,) = headed(tmp_path, "B1,V-1,Nowhere,1,10", ",,Toronto,2,5", ",,,3,2")
    assert (found.rows, found.entity) == ([2, 3, 4], "")
    assert len(found.problems) == 1


def test_one_cell_that_two_fields_read_is_one_problem(tmp_path: Path) -> None:
    fields = HEADED["fields"] | {"lines.totalTxnAmount": {"column": "Amount", "negate": True}}
    content = "No,Vendor,Office,Line,Amount\nB1,V-1,New York,1,ten\n"
    (found,) = assemble(tmp_path, content, settings(**(HEADED | {"fields": fields})))
    assert [str(problem) for problem in found.problems] == ["row 2, column Amount: 'ten' is not a number"]
