"""Cells become wire values exactly, or say why not."""

from __future__ import annotations

import tomllib
from datetime import date, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.catalogue.model import Field
from tieout.push.fields.columns import BooleanFormat, Column, NumberFormat
from tieout.push.fields.values import Misfit, convert, shown

MONEY = Field(format="decimal-precision-2")
NUMBER = Field(type="number")
DATE = Field(format="date")
MORNING = datetime(2026, 1, 31, 9, 30)  # noqa: DTZ001 - workbooks know no zones
MIDNIGHT = datetime(2026, 1, 31)  # noqa: DTZ001


def misfit(raw: object, field: Field, column: Column | None = None) -> Misfit:
    with pytest.raises(Misfit) as caught:
        convert(raw, field, column or Column())
    return caught.value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**15), max_value=10**15))
def test_money_keeps_its_value_and_travels_as_text(amount: Decimal) -> None:
    value = convert(format(amount, "f"), MONEY, Column())
    assert isinstance(value, str)
    assert Decimal(value) == amount
    assert value.partition(".")[2].__len__() == 2


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12))
def test_numbers_keep_their_value(number: Decimal) -> None:
    value = convert(format(number, "f"), NUMBER, Column())
    assert not isinstance(value, str | bool)
    assert value == number


@given(st.dates(min_value=date(1900, 1, 1)))
def test_dates_travel_as_iso_whatever_they_look_like(day: date) -> None:
    column = Column(date=("%m/%d/%Y", "%d.%m.%Y"))
    assert convert(day.strftime("%m/%d/%Y"), DATE, column) == day.isoformat()
    assert convert(day.isoformat(), DATE, Column()) == day.isoformat()


@pytest.mark.parametrize(
    ("raw", "field", "reason"),
    [
        ("7,5h", NUMBER, "is not a number"),
        ("7,5", NUMBER, 'number = { decimal = "," }'),
        ("1e3", NUMBER, "is not a number"),
        ("nan", MONEY, "is not a number"),
        ("1.005", MONEY, "has more than 2 decimals"),
        ("1.5", Field(type="integer"), "is not a whole number"),
        ("13/45/2026", DATE, 'say how it is written: date = "%m/%d/%Y"'),
        ("soon", DATE, "is not a date like 2026-01-31"),
        ("2026-01-31T10:00:00", Field(format="date-time"), "without a zone"),
        ("maybe", Field(type="boolean"), "is neither true nor false"),
        ("toolong", Field(max_length=5), "has 7 characters, Intacct takes 5"),
        (None, Field(nullable=False), "null is not allowed"),
        (["x"], Field(), "a single value belongs here"),
        (True, NUMBER, "is not a number"),
    ],
)
def test_what_does_not_fit_says_why(raw: object, field: Field, reason: str) -> None:
    assert reason in misfit(raw, field).reason


def test_an_enum_names_its_words_and_the_nearest() -> None:
    found = misfit("activ", Field(enum=("active", "inactive")))
    assert found.reason == "is not one of active, inactive"
    assert found.nearest == "active"


def test_a_declared_date_format_is_shown_by_example() -> None:
    assert misfit("2026-01-31", DATE, Column(date="%m/%d/%Y")).reason == "is not a date like 01/31/2026"


def test_declared_number_and_boolean_styles() -> None:
    style = Column(number=NumberFormat(decimal=",", group="."))
    assert convert("1.234,50", MONEY, style) == "1234.50"
    assert "decimal sign" in misfit("1.5", MONEY, Column(number=NumberFormat(decimal=","))).reason
    yes_no = Column(boolean=BooleanFormat(true=("Ja",), false=("Nein",)))
    assert convert("ja", Field(type="boolean"), yes_no) is True
    assert misfit("yes", Field(type="boolean"), yes_no).reason == "is neither ja nor nein"


def test_typed_cells_of_workbooks_and_queries_keep_what_they_are() -> None:
    assert convert(date(2026, 1, 31), DATE, Column(date="%m/%d/%Y")) == "2026-01-31"
    assert convert(MIDNIGHT, DATE, Column()) == "2026-01-31"
    assert "time of day" in misfit(MORNING, DATE).reason
    assert convert(0.1, MONEY, Column()) == "0.10"
    assert convert(0.1, NUMBER, Column()) == Decimal("0.1")
    assert convert(Decimal("1E+3"), Field(), Column()) == "1000"
    assert convert(MIDNIGHT, Field(), Column()) == "2026-01-31"


@pytest.mark.parametrize("raw", [Decimal("NaN"), Decimal("Infinity"), float("inf"), Decimal("1E+999999"), b"7"])
def test_what_is_no_amount_is_refused_whatever_its_type(raw: object) -> None:
    assert misfit(raw, MONEY).reason
    assert misfit(raw, NUMBER).reason


def test_times_are_sent_in_utc() -> None:
    assert convert("2026-01-31T23:30:00-05:00", Field(format="date-time"), Column()) == "2026-02-01T04:30:00Z"


@pytest.mark.parametrize("path", ["SSN", "birthDate", "ach.bankAccountNumber", "bankAccount.routingNumber"])
def test_personal_values_are_not_shown(path: str) -> None:
    assert shown("123-45-6789", path) == ""


@pytest.mark.parametrize(
    ("raw", "hint"),
    [
        ("12,500.00", 'number = { group = "," }'),
        ("1.234,50", 'number = { decimal = ",", group = "." }'),
        ("5 000,00", 'number = { decimal = ",", group = " " }'),
        ("5\u00a0000,00", 'number = { decimal = ",", group = " " }'),
        ("5\u202f000.00", 'number = { group = " " }'),
        ("(100,00)", 'number = { decimal = ",", negative = "parentheses" }'),
        ("(100.00)", 'number = { negative = "parentheses" }'),
        ("(1,100.00)", 'number = { group = ",", negative = "parentheses" }'),
    ],
)
def test_the_format_that_is_proposed_reads_the_number(raw: str, hint: str) -> None:
    reason = misfit(raw, MONEY).reason
    assert hint in reason
    style = msgspec.convert(tomllib.loads(hint)["number"], NumberFormat)
    digits = "".join(character for character in raw if character.isdigit())
    value = convert(raw, MONEY, Column(number=style))
    assert isinstance(value, str)
    assert value == ("-" if "(" in raw else "") + f"{digits[:-2]}.{digits[-2:]}"


def test_a_comma_that_may_mean_either_is_asked_about() -> None:
    reason = misfit("12,500", MONEY).reason
    assert "if it means 12500" in reason
    assert "if 12.500" in reason


@pytest.mark.parametrize("raw", ["1,2345.00", "12,50.00", ",500.00", "1234,500.00", "1,,000", "1,000.000,00", "(5)"])
def test_groups_have_three_digits(raw: str) -> None:
    assert "is not a number" in misfit(raw, MONEY, Column(number=NumberFormat(group=","))).reason
