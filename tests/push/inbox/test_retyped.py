"""What a spreadsheet program made of a cell is never sent, and what a person wrote always is."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.push.fields.columns import NumberFormat
from tieout.push.inbox.cells import LONGEST, fitting, packed, shown, unpacked
from tieout.push.inbox.retyped import Changed, Doubt, Reading, compare

US = Reading(("%m/%d/%Y",))
GERMAN = Reading(number=NumberFormat(decimal=",", group="."))
PLAIN = Reading()


@pytest.mark.parametrize(
    ("original", "found", "how"),
    [
        ("12.50", Decimal("12.5"), PLAIN),
        ("1.234,50", Decimal("1234.5"), GERMAN),
        ("8", 8, PLAIN),
        ("03/04/2026", date(2026, 3, 4), US),
        ("2026-03-04", datetime.fromisoformat("2026-03-04"), PLAIN),
        ("TRUE", True, PLAIN),
        ("8:30", "08:30:00", PLAIN),
        ("a\r\nb", "a\nb", PLAIN),
        (date(2026, 3, 4), "2026-03-04", PLAIN),
        (Decimal("1.50"), "1.50", PLAIN),
        (None, None, PLAIN),
        ("", None, PLAIN),
        ({"a": [1, None]}, '{"a": [1, null]}', PLAIN),
        ("x" * (LONGEST + 5), fitting("x" * (LONGEST + 5)), PLAIN),
    ],
)
def test_the_same_keeps_its_old_spelling(original: object, found: object, how: Reading) -> None:
    assert compare(original, found, how, typed=True) is None


@pytest.mark.parametrize(
    ("original", "found", "how"),
    [
        ("007", 7, PLAIN),
        ("+1", 1, PLAIN),
        ("1E5", 100_000, PLAIN),
        ("1234567890123456789", 1234567890123460000, PLAIN),
        (" 7", 7, PLAIN),
        ("MAR1", date(2026, 3, 1), PLAIN),
        ("1-2", date(2026, 2, 1), PLAIN),
        ("03/04/2026", date(2026, 4, 3), US),
        ("x" * (LONGEST + 5), "y", PLAIN),
    ],
)
def test_what_a_program_may_have_made_is_asked_about(original: object, found: object, how: Reading) -> None:
    assert isinstance(compare(original, found, how, typed=True), Doubt)


@pytest.mark.parametrize(
    ("original", "found", "how", "value"),
    [
        ("007", "7", PLAIN, "7"),
        ("1.0", "1.00", PLAIN, "1.00"),
        ("eight", 8, PLAIN, 8),
        ("8", 9, PLAIN, 9),
        ("", 7, PLAIN, 7),
        ("31/31/2026", date(2026, 3, 4), US, "03/04/2026"),
        ("03/04/2026", date(2026, 3, 5), US, "03/05/2026"),
        (7, "8", PLAIN, 8),
        (Decimal("1.5"), "2.25", PLAIN, Decimal("2.25")),
        (date(2026, 3, 4), "2026-03-05", PLAIN, date(2026, 3, 5)),
        (True, "false", PLAIN, False),
        ({"id": "NONE"}, '{"id": "NET30"}', PLAIN, {"id": "NET30"}),
        ({"id": "NONE"}, None, PLAIN, None),
        ("x", None, PLAIN, ""),
    ],
)
def test_what_a_person_wrote_is_taken_as_the_same_kind_of_value(
    original: object, found: object, how: Reading, value: object
) -> None:
    verdict = compare(original, found, how, typed=True)
    assert isinstance(verdict, Changed)
    assert (verdict.value, type(verdict.value)) == (value, type(value))


@pytest.mark.parametrize(
    ("original", "found", "how", "verdict"),
    [
        ("007", "7", PLAIN, Doubt),
        ("1234567890123", "1.23457E+12", PLAIN, Doubt),
        ("MAR1", "1-Mar", PLAIN, Doubt),
        ("2026-03-04", "3/4/2026", PLAIN, Doubt),
        ("2026-03-14", "3/14/2026", PLAIN, None),
        ("03/04/2026", "3/4/2026", US, None),
        ("1.50", "1.5", PLAIN, None),
        ("true", "TRUE", PLAIN, None),
        ("8", "9", PLAIN, Changed),
        ("eight", "8", PLAIN, Changed),
        ("", "007", PLAIN, Changed),
    ],
)
def test_a_csv_file_does_not_tell_who_wrote_a_cell(original: str, found: str, how: Reading, verdict: Any) -> None:
    got = compare(original, found, how, typed=False)
    assert got is None if verdict is None else isinstance(got, verdict)


CELLS: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.dates()
    | st.datetimes().map(lambda moment: moment.replace(fold=0))
    | st.decimals(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@given(st.dictionaries(st.text(), CELLS, max_size=4))
def test_a_row_is_kept_with_every_type_it_had(row: dict[str, Any]) -> None:
    assert repr(unpacked(packed(row))) == repr(row)


@given(CELLS)
def test_a_cell_that_nobody_touched_is_the_same(value: Any) -> None:
    assert compare(value, shown(value), PLAIN, typed=True) is None
    assert compare(value, shown(value) or None, PLAIN, typed=False) is None
