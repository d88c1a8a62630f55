"""Expressions say what plain Python says, exactly; what a row cannot give is a problem that names row and column."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from tests.push.support import TIMESHEET, settings, target
from tieout.errors import CheckError, ConfigurationError
from tieout.push.documents import ENCODER
from tieout.push.fields.columns import Column
from tieout.push.fields.expressions import quotient
from tieout.push.fields.mapping import MappedRow, resolve
from tieout.push.sources import SourceRow

AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**9), max_value=10**9)
WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8).filter(lambda t: t == t.strip())
DAYS = st.dates(min_value=date(1990, 1, 1), max_value=date(2100, 1, 1))


def entry(text: str) -> Any:
    """One entry as the project file holds it."""
    return tomllib.loads(f"e = {text}")["e"]


def mapped(path: str, text: str, values: Mapping[str, Any], object: str = "time/timesheet") -> MappedRow:
    """One row through a mapping that has one field more."""
    fields = {"beginDate": {"constant": "2026-11-16"}} if object == "time/timesheet" else ENTRY
    if object == "time/timesheet" and path.startswith("lines."):
        fields |= {"lines.entryDate": {"constant": "2026-11-16"}, "lines.quantity": {"constant": 1}}
    given = settings(**(TIMESHEET | {"object": object, "fields": fields | {path: entry(text)}}))
    given.check("times")
    return resolve(given, "times", target(object)).row(SourceRow(7, values))


ENTRY: dict[str, Any] = {
    "glJournal.id": {"constant": "GJ"},
    "postingDate": {"constant": "2026-11-16"},
    "description": {"constant": "d"},
    "lines.txnAmount": {"constant": "1.00"},
    "lines.glAccount.id": {"constant": "6000"},
}


def value(path: str, text: str, values: Mapping[str, Any], object: str = "time/timesheet") -> Any:
    row = mapped(path, text, values, object)
    assert row.problems == []
    return (row.header | row.line).get(path)


def problem(path: str, text: str, values: Mapping[str, Any], object: str = "time/timesheet") -> str:
    row = mapped(path, text, values, object)
    assert path not in row.header | row.line
    (found,) = row.problems
    return str(found)


# Texts ---------------------------------------------------------------------------------------------------------------


@given(WORDS, WORDS)
def test_a_text_is_its_columns_and_what_stands_between(first: str, last: str) -> None:
    row = {"First Name": first, "Last Name": last}
    assert value("description", '{ text = "{First Name} {{x}} {Last Name}." }', row) == f"{first} {{x}} {last}."
    concat = '{ concat = ["First Name", { constant = ", " }, "Last Name"] }'
    assert value("description", concat, row) == f"{first}, {last}"


def test_a_blank_part_makes_the_whole_blank() -> None:
    row = {"First Name": "Ann", "Last Name": " "}
    assert value("description", '{ text = "{First Name} {Last Name}" }', row) is None
    assert value("description", '{ text = "{First Name} {Last Name}", default = "nobody" }', row) == "nobody"
    middle = '{ concat = ["First Name", { column = "Last Name", default = "?" }] }'
    assert value("description", middle, row) == "Ann?"


def test_dates_and_numbers_inside_a_text_have_their_own_form() -> None:
    text = '{ concat = [{ constant = "Week " }, { column = "D", date = "%m/%d/%Y", date_out = "%V of %G" }] }'
    assert value("description", text, {"D": "11/18/2026"}) == "Week 47 of 2026"
    plain = '{ concat = [{ column = "D", date = "%m/%d/%Y" }, { constant = "/" }, { column = "N", round = 1 }] }'
    assert value("description", plain, {"D": "11/18/2026", "N": "7.25"}) == "2026-11-18/7.3"


@given(st.lists(st.one_of(st.none(), st.just(" "), WORDS), min_size=3, max_size=3))
def test_coalesce_takes_the_first_that_is_not_blank(cells: list[str | None]) -> None:
    row = dict(zip("ABC", cells, strict=True))
    expected = next((cell for cell in cells if cell and cell.strip()), None)
    assert value("description", '{ coalesce = ["A", "B", "C"] }', row) == expected


@given(st.sampled_from(["Rent", "Power", "Other", ""]), st.booleans())
def test_a_map_is_a_dict(word: str, has_else: bool) -> None:
    table = {"Rent": "6200", "Power": "6210"}
    text = '{ column = "A", map = { Rent = "6200", Power = "6210" }' + (', else = "6999" }' if has_else else " }")
    row = mapped("description", text, {"A": word})
    if word and word not in table and not has_else:
        assert [str(p) for p in row.problems] == ["row 7, column A: 'Other' is not in the map of this field"]
    else:
        expected = table.get(word, "6999") if word else None
        assert row.header.get("description") == expected


def test_a_word_near_one_of_the_map_is_proposed_and_an_empty_else_leaves_it_out() -> None:
    assert "did you mean 'Rent'?" in problem("description", '{ column = "A", map = { Rent = "1" } }', {"A": "rnt"})
    assert value("description", '{ column = "A", map = { Rent = "1" }, else = "" }', {"A": "x"}) is None
    other = '{ column = "A", map = { Rent = "1" }, else = { column = "B" } }'
    assert value("description", other, {"A": "x", "B": "y"}) == "y"


# Dates ---------------------------------------------------------------------------------------------------------------


@given(DAYS)
def test_weeks_and_months_are_those_of_the_calendar(day: date) -> None:
    row = {"D": f"{day:%m/%d/%Y}"}
    start = value("beginDate", '{ column = "D", date = "%m/%d/%Y", week_start = "sunday" }', row)
    assert date.fromisoformat(start).weekday() == 6
    assert 0 <= (day - date.fromisoformat(start)).days < 7
    monday = value("beginDate", '{ column = "D", date = "%m/%d/%Y", week_start = "monday" }', row)
    assert monday == (day - timedelta(days=day.weekday())).isoformat()
    last = value("beginDate", '{ column = "D", date = "%m/%d/%Y", month = "last" }', row)
    assert (date.fromisoformat(last) + timedelta(days=1)).day == 1
    assert last[:7] == day.isoformat()[:7]


@given(DAYS)
def test_a_date_is_written_as_asked(day: date) -> None:
    text = '{ column = "D", date = ["%m/%d/%Y", "%d.%m.%Y"], date_out = "%B %Y" }'
    assert value("description", text, {"D": f"{day:%d.%m.%Y}"}) == f"{day:%B %Y}"


def test_a_wrong_date_names_the_cell() -> None:
    text = '{ column = "D", date = "%m/%d/%Y", week_start = "monday" }'
    assert problem("beginDate", text, {"D": "13/40/2026"}) == (
        "row 7, column D: '13/40/2026' is not a date like 01/31/2026"
    )
    assert "too early" in problem("beginDate", '{ column = "D", week_start = "tuesday" }', {"D": "0001-01-01"})


# Numbers -------------------------------------------------------------------------------------------------------------


@given(AMOUNTS, AMOUNTS)
def test_a_product_is_exact(left: Decimal, right: Decimal) -> None:
    found = value("lines.quantity", '{ column = "A", multiply = "B" }', {"A": f"{left}", "B": f"{right}"})
    assert Fraction(found) == Fraction(left) * Fraction(right)


@given(AMOUNTS, AMOUNTS.filter(bool), st.integers(0, 8), st.sampled_from(["half_up", "half_even", "down"]))
def test_a_quotient_is_rounded_once(left: Decimal, right: Decimal, places: int, rounding: str) -> None:
    text = f'{{ column = "A", divide = "B", round = {places}, rounding = "{rounding}" }}'
    found = Fraction(value("lines.quantity", text, {"A": f"{left}", "B": f"{right}"}))
    exact = Fraction(left) / Fraction(right)
    unit = Fraction(1, 10**places)
    if rounding == "down":
        assert abs(found) <= abs(exact) < abs(found) + unit
    else:
        assert abs(found - exact) <= unit / 2
        if abs(found - exact) == unit / 2 and rounding == "half_up":
            assert abs(found) > abs(exact)
        if abs(found - exact) == unit / 2 and rounding == "half_even":
            assert (found / unit) % 2 == 0


@pytest.mark.parametrize(
    ("cell", "half_up", "half_even", "down"),
    [
        ("1", "0.3", "0.2", "0.2"),
        ("3", "0.8", "0.8", "0.7"),
        ("-1", "-0.3", "-0.2", "-0.2"),
        ("-3", "-0.8", "-0.8", "-0.7"),
    ],
)
def test_halves_go_where_the_rounding_says(cell: str, half_up: str, half_even: str, down: str) -> None:
    """A quarter and three quarters, to one decimal."""
    for rounding, expected in (("half_up", half_up), ("half_even", half_even), ("down", down)):
        text = f'{{ column = "A", divide = 4, round = 1, rounding = "{rounding}" }}'
        assert value("lines.quantity", text, {"A": cell}) == Decimal(expected)


@given(AMOUNTS, st.integers(0, 4))
def test_rounding_alone_is_that_of_decimal(amount: Decimal, places: int) -> None:
    unit = Decimal(1).scaleb(-places)
    for name, mode in (("half_up", ROUND_HALF_UP), ("half_even", ROUND_HALF_EVEN), ("down", ROUND_DOWN)):
        assert quotient(amount, Decimal(1), places, name) == amount.quantize(unit, mode)


@given(AMOUNTS)
def test_signs(amount: Decimal) -> None:
    row = {"A": f"{amount}"}
    money = "lines.externalPayroll.amount"
    assert Decimal(value(money, '{ column = "A", negate = true }', row)) == -amount
    assert Decimal(value(money, '{ column = "A", absolute = true }', row)) == abs(amount)
    for zero in ("0", "-0.00", "0.001"):
        text = '{ column = "A", negate = true, round = 2, rounding = "down" }'
        assert value(money, text, {"A": zero}) == "0.00"  # never -0.00
        assert value("description", text, {"A": zero}) == "0.00"


def test_minutes_become_hours_with_the_decimals_that_are_declared() -> None:
    assert value("lines.quantity", '{ column = "Min", divide = 60, round = 2 }', {"Min": "50"}) == Decimal("0.83")
    style = '{ column = "Min", divide = 60, round = 2, number = { decimal = ",", group = "." } }'
    assert value("lines.quantity", style, {"Min": "1.050,5"}) == Decimal("17.51")


def test_numbers_that_do_not_work_name_their_own_column() -> None:
    text = '{ column = "A", multiply = "Rate" }'
    assert problem("lines.quantity", text, {"A": "7", "Rate": "x"}).startswith("row 7, column Rate: 'x' is not")
    assert "column Rate: '0' divides by zero" in problem(
        "lines.quantity", '{ column = "A", divide = "Rate", round = 2 }', {"A": "7", "Rate": "0"}
    )
    row = mapped("lines.notes", text, {"A": "7", "Rate": " "})
    assert row.problems == []
    assert "lines.notes" not in row.line


def test_money_that_comes_out_finer_than_money_is_refused_not_rounded() -> None:
    found = problem("lines.externalPayroll.amount", '{ column = "A", multiply = "B" }', {"A": "1.05", "B": "1.05"})
    assert "has more than 2 decimals" in found


# Cases ---------------------------------------------------------------------------------------------------------------

SIDE = """{ when = [
  { if = { DEBIT = "not zero", CREDIT = "not zero" }, refuse = "holds a debit and a credit" },
  { if = { DEBIT = "positive" }, then = "debit" }, { if = { DEBIT = "negative" }, then = "credit" },
  { if = { CREDIT = "positive" }, then = "credit" }, { if = { CREDIT = "negative" }, then = "debit" } ] }"""
AMOUNT = """{ when = [ { if = { DEBIT = "not zero" }, then = { column = "DEBIT" } },
  { if = { CREDIT = "not zero" }, then = { column = "CREDIT" } } ], absolute = true }"""


@given(st.one_of(st.just(""), AMOUNTS.map(str)), st.one_of(st.just(""), AMOUNTS.map(str)))
def test_debits_and_credits_become_a_side_and_a_positive_amount(debit: str, credit: str) -> None:
    signed = Decimal(debit or 0) - Decimal(credit or 0)
    row = {"DEBIT": debit, "CREDIT": credit}
    side = mapped("lines.txnType", SIDE, row, "general-ledger/journal-entry")
    if Decimal(debit or 0) and Decimal(credit or 0):
        assert "holds a debit and a credit" in str(side.problems)
        assert "column DEBIT + CREDIT" in str(side.problems)
        return
    expected = None if not signed else "debit" if signed > 0 else "credit"
    assert side.line.get("lines.txnType") == expected
    amount = mapped("lines.txnAmount", AMOUNT, row, "general-ledger/journal-entry").line.get("lines.txnAmount")
    assert amount == (f"{abs(signed):.2f}" if signed else None)


def test_cases_compare_texts_and_blanks() -> None:
    text = '{ when = [{ if = { S = { equals = ["A", "B"] } }, then = "ab" }, { if = { S = "blank" }, then = "none" }]'
    assert value("description", text + ', else = { column = "S" } }', {"S": "B"}) == "ab"
    assert value("description", text + ', else = { column = "S" } }', {"S": ""}) == "none"
    assert value("description", text + ', else = { column = "S" } }', {"S": "C"}) == "C"
    assert value("description", text + " }", {"S": "C"}) is None
    number = '{ when = [{ if = { S = "positive" }, then = "x" }] }'
    assert "column S: 'C' is not a number" in problem("description", number, {"S": "C"})


# What is refused before the first row -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "names neither a column nor a constant"),
        ('{ column = "A", text = "{B}" }', "has both column and text"),
        ('{ text = "{A" }', "has braces"),
        ('{ text = "{}" }', "has braces"),
        ("{ concat = [] }", "has an empty concat"),
        ('{ column = "A", divide = 60 }', "must say how many decimals to keep"),
        ('{ column = "A", divide = 0, round = 2 }', "divides by zero"),
        ('{ column = "A", round = 11 }', "from 0 to 10 decimals"),
        ('{ column = "A", else = "x" }', 'has "else"'),
        ('{ column = "A", multiply = 2, week_start = "monday" }', "calculates with dates and with numbers"),
        ('{ when = [{ if = { A = "empty" }, then = "x" }] }', "has the test 'empty'"),
        ('{ when = [{ if = { A = "blank" } }] }', "(when 1) needs one of then and refuse"),
        ('{ when = [{ if = {}, then = "x" }] }', "(when 1) has no test"),
        ('{ concat = ["A", { column = "B", lookup = "name" }] }', "a lookup comes last"),
        ('{ column = "A", lookup = { by = { name = "B" } } }', "has both column and lookup"),
        ("{ coalesce = [{ coalesce = [{ coalesce = [{ coalesce = [{ column = 'A' }] }] }] }] }", "more than 4 deep"),
        ('{ omit = true, column = "A" }', "is to be omitted"),
    ],
)
def test_an_entry_that_contradicts_itself_is_refused(text: str, words: str) -> None:
    given = settings(**(TIMESHEET | {"fields": TIMESHEET["fields"] | {"description": entry(text)}}))
    with pytest.raises(ConfigurationError) as caught:
        given.check("times")
    assert words in str(caught.value)
    assert "'description'" in str(caught.value)


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("beginDate", '{ column = "A", multiply = 2 }', "calculates a number, which does not belong into a date"),
        ("lines.isBillable", '{ column = "A", round = 2 }', "does not belong into true or false"),
        ("lines.quantity", '{ column = "A", month = "last" }', "gives a date, which does not belong into a number"),
        ("beginDate", '{ column = "A", date_out = "%d.%m.%Y" }', "leave date_out out"),
        ("beginDate", '{ column = "A", date = "%m/%d" }', "does not tell year, month and day"),
        ("beginDate", '{ column = "A", date = "%m/%Q/%Y" }', "does not tell year, month and day"),
        ("state", '{ column = "A", map = { X = "submited" } }', "map 'X': 'submited' is not one of"),
        ("state", '{ column = "A", map = { X = "draft" }, else = "x" }', "else: 'x' is not one of"),
        ("state", '{ when = [{ if = { A = "blank" }, then = "x" }] }', "when 1, then: 'x' is not one of"),
        ("state", '{ coalesce = ["A", { constant = "x" }] }', "coalesce 2, constant: 'x' is not one of"),
        ("lines.quantity", '{ column = "A", lookup = "name" }', "which is not an id or a key"),
    ],
)
def test_what_cannot_fit_the_field_is_refused_before_the_first_row(path: str, text: str, words: str) -> None:
    given = settings(**(TIMESHEET | {"fields": TIMESHEET["fields"] | {path: entry(text)}}))
    given.check("times")
    with pytest.raises(CheckError) as caught:
        resolve(given, "times", target("time/timesheet"))
    assert words in str(caught.value)


# Whatever a row holds -------------------------------------------------------------------------------------------------

CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.decimals(), st.text(max_size=12), st.binary(max_size=3),
    st.dates(), st.datetimes(), st.times(), st.lists(st.integers(), max_size=2), st.sampled_from(["1", "-0.5", "1,5"]),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2), st.dates().map(str), AMOUNTS.map(str),
)  # fmt: skip
COLUMNS = st.sampled_from("ABCD")
FORMS = {
    "date": st.sampled_from(["%m/%d/%Y", ["%d.%m.%Y", "%Y-%m-%d"]]),
    "number": st.sampled_from([{"decimal": ",", "group": "."}, {"negative": "parentheses"}]),
    "boolean": st.just({"true": ["A"], "false": ["1"]}),
    "week_start": st.sampled_from(["monday", "sunday"]),
    "month": st.sampled_from(["first", "last"]),
    "date_out": st.sampled_from(["%Y", "%d.%m."]),
    "multiply": st.one_of(st.integers(-3, 3), st.floats(-2, 2), COLUMNS),
    "divide": st.one_of(st.integers(1, 7), COLUMNS),
    "round": st.integers(0, 10),
    "negate": st.booleans(),
    "absolute": st.booleans(),
    "map": st.dictionaries(st.sampled_from(["1", "A", ""]), st.sampled_from(["x", 1, True, "2026-01-31", ""])),
    "else": st.sampled_from(["", "x", 5]),
    "default": st.sampled_from(["x", 1, "2026-01-31"]),
    "trim": st.booleans(),
}


def _extended(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    parts = st.lists(st.one_of(COLUMNS, inner), min_size=1, max_size=3)
    tests = st.dictionaries(
        COLUMNS, st.sampled_from(["blank", "zero", "positive", "not zero", {"equals": "A"}]), min_size=1, max_size=2
    )
    clause = st.one_of(
        st.fixed_dictionaries({"if": tests, "then": st.one_of(st.just("x"), inner)}),
        st.fixed_dictionaries({"if": tests, "refuse": st.just("is wrong")}),
    )
    source = st.one_of(
        st.builds(lambda c: {"column": c}, COLUMNS),
        st.builds(lambda c: {"text": f"{{{c}}}-{{{c}}}"}, COLUMNS),
        st.builds(lambda p: {"concat": p}, parts),
        st.builds(lambda p: {"coalesce": p}, parts),
        st.builds(lambda c: {"when": c}, st.lists(clause, min_size=1, max_size=3)),
    )
    return st.builds(lambda s, f: s | f, source, st.fixed_dictionaries({}, optional=FORMS))


ENTRIES = st.recursive(st.builds(lambda c: {"column": c}, COLUMNS), _extended, max_leaves=5)
PATHS = ["description", "beginDate", "state", "lines.quantity", "lines.isBillable", "lines.externalPayroll.amount"]


@given(st.sampled_from(PATHS), ENTRIES, st.fixed_dictionaries(dict.fromkeys("ABCD", CELLS)))
def test_any_mapping_and_any_row_gives_values_or_problems_never_an_exception(
    path: str, text: dict[str, Any], values: dict[str, Any]
) -> None:
    fields = {"beginDate": {"constant": "2026-11-16"}, "lines.entryDate": {"constant": "2026-11-16"}}
    fields |= {"lines.quantity": {"constant": 1}}
    given = settings(**(TIMESHEET | {"fields": fields | {path: text}}))
    try:
        given.check("times")
        mapping = resolve(given, "times", target("time/timesheet"))
    except ConfigurationError:
        event("refused")
        return
    event("applied")
    row = mapping.row(SourceRow(9, values))
    for found in row.problems:
        assert found.row == 9
        assert found.path.startswith("row 9, column ")
        assert any(name in found.path for name in "ABCD")
    found_values = row.header | row.line
    assert json.loads(ENCODER.encode(found_values), parse_float=Decimal) == found_values
    assert not (row.problems and path in found_values)
    assert mapping.row(SourceRow(9, values)) == row  # what was seen before changes nothing


@given(st.sampled_from(PATHS), ENTRIES, st.lists(st.fixed_dictionaries(dict.fromkeys("ABCD", CELLS)), max_size=6))
def test_rows_do_not_depend_on_those_before(path: str, text: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    fields = {"beginDate": {"constant": "2026-11-16"}, "lines.entryDate": {"constant": "2026-11-16"}}
    given = settings(**(TIMESHEET | {"fields": fields | {"lines.quantity": {"constant": 1}} | {path: text}}))
    try:
        given.check("times")
        mapping = resolve(given, "times", target("time/timesheet"))
    except ConfigurationError:
        return
    for row in rows:
        fresh = resolve(given, "times", target("time/timesheet"))
        assert mapping.row(SourceRow(9, row)) == fresh.row(SourceRow(9, row))


def test_a_mapping_is_data_that_can_be_written_down() -> None:
    column = msgspec.convert(entry(SIDE), Column)
    assert msgspec.convert(msgspec.to_builtins(column), Column) == column


def test_an_entry_of_two_columns_heeds_both() -> None:
    fields = TIMESHEET["fields"] | {"description": {"text": "{A} {B}"}}
    mapping = resolve(settings(**(TIMESHEET | {"fields": fields})), "times", target("time/timesheet"))
    found = [mapping.row(SourceRow(2, {"A": a, "B": b})).header["description"] for a in "xy" for b in "xy"]
    assert found == ["x x", "x y", "y x", "y y"]
