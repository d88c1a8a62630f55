"""A mapping that cannot work is refused whole, with every mistake and the nearest right name, before any row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.push.support import HEADER, TIMESHEET, assemble, settings, source, target, times
from tieout.errors import CheckError, ConfigurationError
from tieout.push.fields.mapping import check_columns, resolve


def problems(**changes: Any) -> dict[str, str]:
    given = settings(**(TIMESHEET | {"fields": TIMESHEET["fields"] | changes}))
    with pytest.raises(CheckError) as caught:
        resolve(given, "times", target("time/timesheet"))
    return {problem.path.rpartition(" ")[2]: str(problem) for problem in caught.value.problems}


def test_every_wrong_path_is_named_at_once_with_the_nearest() -> None:
    found = problems(**{"beginDat": "Week", "lines.quantiy": "Hours", "nonsense.x": "Hours"})
    assert "did you mean 'beginDate'?" in found["beginDat"]
    assert "did you mean 'lines.quantity'?" in found["lines.quantiy"]
    assert "has no field 'nonsense.x'" in found["nonsense.x"]


def test_read_only_fields_references_and_lists_are_told_apart() -> None:
    found = problems(key="Entry", employee="Employee", lines="Hours", **{"audit.createdDateTime": "Week"})
    assert "read-only" in found["key"]
    assert "read-only" in found["audit.createdDateTime"]
    assert "did you mean 'employee.id'?" in found["employee"]
    assert "is a list" in found["lines"]


def test_a_constant_is_checked_like_a_value() -> None:
    found = problems(state={"constant": "submited"})
    assert "did you mean 'submitted'?" in found["state"]


def test_what_a_create_needs_must_be_mapped() -> None:
    fields = {path: entry for path, entry in TIMESHEET["fields"].items() if path not in ("beginDate", "lines.quantity")}
    with pytest.raises(CheckError) as caught:
        resolve(settings(**(TIMESHEET | {"fields": fields})), "times", target("time/timesheet"))
    assert "nothing maps to beginDate, which a create needs" in str(caught.value)
    assert "Nothing was sent" in str(caught.value)


def test_missing_columns_are_all_named_with_the_nearest(tmp_path: Path) -> None:
    given = settings(**(TIMESHEET | {"id": "EntryId"}))
    found = source(tmp_path, HEADER.replace("Hours", "Hour") + "\n", given)
    found.rows()
    with pytest.raises(CheckError) as caught:
        check_columns(given, "times", found)
    text = str(caught.value)
    assert "[push.times] id: times.csv has no column 'EntryId' (did you mean 'Entry'?)" in text
    assert "lines.quantity: times.csv has no column 'Hours' (did you mean 'Hour'?)" in text


def test_a_column_that_merely_begins_alike_is_not_proposed(tmp_path: Path) -> None:
    given = settings(**(TIMESHEET | {"id": "Vendor No", "group_by": (), "fields": {"description": "Vendor Name"}}))
    found = source(tmp_path, "Vendor No,Name,Terms,Limit\n", given)
    found.rows()
    with pytest.raises(CheckError) as caught:
        check_columns(given, "times", found)
    assert "did you mean" not in str(caught.value)
    assert "Its columns are: Vendor No, Name, Terms, Limit." in caught.value.advice


def test_white_space_around_a_cell_is_not_part_of_it(tmp_path: Path) -> None:
    fields = TIMESHEET["fields"] | {"description": {"column": "About", "trim": False}}
    content = times("1,\u00a0E1 ,11/16/2026, as it is ,11/16/2026,8, 007 ,T")
    (document,) = assemble(tmp_path, content, settings(**(TIMESHEET | {"fields": fields})))
    assert document.body["employee"]["id"] == "E1"
    assert document.body["lines"][0]["dimensions"]["project"]["id"] == "007"
    assert document.body["description"] == " as it is "


def test_the_wrong_separator_is_guessed(tmp_path: Path) -> None:
    given = settings(**TIMESHEET)
    found = source(tmp_path, HEADER.replace(",", ";") + "\n", given)
    found.rows()
    with pytest.raises(CheckError) as caught:
        check_columns(given, "times", found)
    assert "looks separated by ';'" in caught.value.advice


def test_columns_nobody_maps_are_reported(tmp_path: Path) -> None:
    given = settings(**TIMESHEET)
    found = source(tmp_path, HEADER + ",Extra\n", given)
    found.rows()
    assert check_columns(given, "times", found) == ("Extra",)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": None}, "does not say which column identifies a row"),
        ({"fields": None}, "maps no columns"),
        ({"fields": {"description": {}}}, "names neither a column nor a constant"),
        ({"fields": {"description": {"column": "a", "constant": "b"}}}, "both a column and a constant"),
        ({"separator": ";;"}, "separator must be one character"),
        ({"source": "times.dat"}, "does not tell what the file holds"),
        ({"source": "times.jsonl", "fields": None}, "has group_by, but no"),
    ],
)
def test_a_section_that_contradicts_itself_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        settings(**(TIMESHEET | changes)).check("times")
    assert caught.value.advice


def test_blank_cells_are_left_out_and_defaults_fill_them(tmp_path: Path) -> None:
    fields = TIMESHEET["fields"] | {"lines.notes": {"column": "About", "default": "none"}}
    given = settings(**(TIMESHEET | {"fields": fields}))
    content = times("1,E1,11/16/2026,,11/16/2026,8,P1,", "2,E1,11/16/2026,x,11/17/2026,8,,T")
    (document,) = assemble(tmp_path, content, given)
    assert document.problems == []
    first, second = document.body["lines"]
    assert first == {
        "entryDate": "2026-11-16",
        "quantity": 8,
        "dimensions": {"project": {"id": "P1"}},
        "notes": "none",
    }
    assert second == {"entryDate": "2026-11-17", "quantity": 8, "isBillable": True, "notes": "x"}
