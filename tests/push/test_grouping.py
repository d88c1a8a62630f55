"""Rows that name their document on its first line only still find it, and a new count of lines is a new document."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.push.support import settings
from tieout.push.grouping import Group, Grouping

BILL: dict[str, Any] = {"object": "bills", "source": "b.csv", "id": "Row", "fields": {"description": "D"}}


def groups(rows: list[tuple[str, ...]], *columns: str, **changes: Any) -> list[Group]:
    grouping = Grouping(settings(**(BILL | {"group_by": ["No", "Vendor"], "header": "first"} | changes)))
    return [grouping.of(dict(zip(columns, row, strict=True))) for row in rows]


def test_blank_columns_mean_the_document_above() -> None:
    found = groups([("B1", "V1"), ("", ""), ("B2", "V1"), ("", "V1"), (" ", "")], "No", "Vendor")
    assert [group.id for group in found] == ['["B1", "V1"]'] * 2 + ['["B2", "V1"]'] * 3
    assert [group.continues for group in found] == [False, True, False, True, True]


def test_a_header_on_every_row_lets_no_column_be_blank() -> None:
    found = groups([("B1", "V1"), ("", "V1")], "No", "Vendor", header="every")
    assert found[1] == Group("", blank="No")


def test_the_first_row_and_another_vendor_must_name_their_document() -> None:
    found = groups([("", ""), ("B1", "V1"), ("", "V2")], "No", "Vendor")
    assert found[0] == Group("", blank="No")
    assert found[2] == Group("", blank="No")


def test_a_count_that_starts_again_begins_a_document_without_any_number() -> None:
    rows = [("", "V1", "1"), ("", "", "2"), ("", "V1", "1"), ("", "V2", "1"), ("", "", "2"), ("", "V1", "1")]
    found = groups(rows, "No", "Vendor", "Line", line_number="Line")
    first, other = found[0].id, found[3].id
    assert first.startswith('["", "V1", "')
    assert other.startswith('["", "V2", "')
    assert [group.id for group in found] == [first, first, f"{first}#2", other, other, f"{first}#3"]
    assert [group.begins for group in found] == [True, False, True, True, False, True]
    assert all(group.derived for group in found)


def test_the_id_of_a_document_without_number_does_not_depend_on_what_stands_around_it() -> None:
    rows = [("", "V1", "7", "1"), ("", "V1", "8", "1")]
    columns = ("No", "Vendor", "Amount", "Line")
    before = groups(rows, *columns, line_number="Line")
    after = groups([("", "V1", "3", "1"), *rows[::-1]], *columns, line_number="Line")
    assert {group.id for group in before} < {group.id for group in after}


def test_parts_may_be_expressions_and_may_be_blank_where_they_say_so() -> None:
    week = {"column": "Day", "date": "%m/%d/%Y", "week_start": "monday"}
    group_by = ["Name", week, {"column": "Shift", "default": ""}]
    rows = [("Ann", "11/18/2026", ""), ("Ann", "11/20/2026", ""), ("Ann", "11/23/2026", "B"), ("Ann", "x", "")]
    found = groups(rows, "Name", "Day", "Shift", group_by=group_by, header="every")
    assert [group.id for group in found[:3]] == ['["Ann", "2026-11-16", ""]'] * 2 + ['["Ann", "2026-11-23", "B"]']
    assert (found[3].blank, found[3].reason) == ("Day", "is not a date like 01/31/2026")


def test_a_number_that_stands_on_every_row_goes_on_until_the_count_starts_again() -> None:
    rows = [("B1", "V1", "1"), ("B1", "V1", "2"), ("B1", "V1", "1")]
    found = groups(rows, "No", "Vendor", "Line", line_number="Line")
    assert [group.continues for group in found] == [False, True, False]
    assert found[2].begins  # whoever groups sees that another document claims the same number
    assert not any(group.derived for group in found)


def test_without_columns_the_count_alone_tells() -> None:
    found = groups([("1", "a"), ("2", "b"), ("1", "c")], "Line", "Text", group_by=(), line_number="Line")
    assert found[0].id == found[1].id != found[2].id


def test_a_line_number_that_is_none_is_named() -> None:
    found = groups([("B1", "V1", "one")], "No", "Vendor", "Line", line_number="Line")
    assert found[0].blank == "Line"
    assert "is not a number" in found[0].reason


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=12))
def test_documents_come_back_as_they_were_written(documents: list[tuple[int, int]]) -> None:
    """Any documents, with a number or without, written as Sage's files write them: header on the first line."""
    rows, owners = [], []
    for position, (vendor, lines) in enumerate(documents):
        for line in range(1, lines + 1):
            number = f"B{position}" if vendor == 0 else ""
            rows.append((number, f"V{vendor}", str(line)) if line == 1 else ("", "", str(line)))
            owners.append(position)
    found = groups(rows, "No", "Vendor", "Line", line_number="Line")
    ids: dict[int, str] = {}
    for group, owner in zip(found, owners, strict=True):
        assert ids.setdefault(owner, group.id) == group.id
    assert len(set(ids.values())) == len(documents)
