"""Fields that come, go and change their type: what a table's columns then are."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pull.scripted import BILL_MODEL, field
from tieout import catalogue
from tieout.catalogue.model import Field, Model
from tieout.errors import ConfigurationError
from tieout.pull.schema.columns import choose
from tieout.pull.schema.drift import compare, merged
from tieout.pull.schema.names import DELETED, MAX_NAME_BYTES, SYNCED, label
from tieout.pull.schema.types import Column, Kind, joined, type_name

COLUMN = st.builds(
    lambda kind, scale: Column(path="x", name="x", kind=kind, scale=scale if kind is Kind.DECIMAL else 0),
    st.sampled_from(list(Kind)),
    st.integers(0, 37),
)


def model(**fields: Any) -> Model:
    """The model of bills with other fields; None takes one away."""
    wire: dict[str, Any] = copy.deepcopy(BILL_MODEL)
    wire["fields"] = {name: entry for name, entry in (wire["fields"] | fields).items() if entry}
    return Model.from_wire(wire)


def columns(of: Model) -> list[Column]:
    return compare(of, choose(of, None)[0]).columns


def test_a_new_field_is_a_new_column_and_a_vanished_one_stays() -> None:
    before = columns(model())
    now = model(days=None, **{"nsp::RENEWAL_DATE": field("string", "date")})
    drift = compare(now, choose(now, None)[0], before)
    assert (drift.added, drift.gone, drift.widened) == (("nsp::RENEWAL_DATE",), ("days",), {})
    assert [c.path for c in merged(before, drift.columns)] == [*(c.path for c in before), "nsp::RENEWAL_DATE"]
    assert drift.notes(()) == [
        "new columns: nsp::RENEWAL_DATE",
        "no longer in Intacct's model: days; the columns stay, with the last values",
    ]
    back = compare(model(), choose(model(), None)[0], before)
    assert back.notes(("days",)) == ["in Intacct's model again: days"]


def test_nothing_new_is_nothing_to_say() -> None:
    before = columns(model())
    drift = compare(model(), choose(model(), None)[0], before)
    assert (drift.columns, drift.added, drift.gone, drift.widened, drift.notes(())) == (before, (), (), {}, [])


@pytest.mark.parametrize(
    ("path", "wire", "expected"),
    [
        ("days", field("number"), "decimal(10), was integer"),
        ("totalDue", field("string", "decimal-precision-6"), "decimal(6), was decimal(2)"),
        ("days", field(), "text, was integer"),
        ("dueDate", field(), "text, was date"),
        ("isOnHold", field(), "text, was boolean"),
        ("totalDue", field(), "text, was decimal(2)"),
    ],
)
def test_a_changed_type_widens(path: str, wire: dict[str, Any], expected: str) -> None:
    now = model(**{path: wire})
    assert compare(now, choose(now, None)[0], columns(model())).widened == {path: expected}


@pytest.mark.parametrize(
    ("path", "wire"),
    [
        ("totalDue", field("string", "decimal-precision-1")),
        ("rate", field("integer")),
        ("description", field("number")),
    ],
)
def test_no_column_gets_narrower(path: str, wire: dict[str, Any]) -> None:
    before, now = columns(model()), model(**{path: wire})
    drift = compare(now, choose(now, None)[0], before)
    assert drift.widened == {}
    assert [(c.kind, c.scale) for c in drift.columns] == [(c.kind, c.scale) for c in before]


def test_types_with_nothing_in_common_stop_all_at_once_with_the_choice() -> None:
    before = columns(model())
    now = model(dueDate=field("boolean"), days=field("string", "date"))
    with pytest.raises(ConfigurationError, match="dueDate was date and is now boolean") as caught:
        compare(now, choose(now, None)[0], before)
    assert "days was integer and is now date" in caught.value.message
    assert 'types = { "days" = "text", "dueDate" = "text" }' in caught.value.advice
    chosen = compare(now, choose(now, None)[0], before, {"days": "text", "dueDate": "text"})
    assert set(chosen.widened) == {"days", "dueDate"}


def test_the_stamp_by_which_changes_are_found_stays_a_stamp() -> None:
    now = model()
    now.groups["audit"].fields["modifiedDateTime"] = Field()
    with pytest.raises(ConfigurationError, match="modifiedDateTime"):
        compare(now, choose(now, None)[0], columns(model()))


def test_a_section_says_the_type_of_a_column() -> None:
    fields = choose(model(), None)[0]
    told = {c.path: type_name(c) for c in compare(model(), fields, (), {"rate": "decimal(4)", "days": "text"}).columns}
    assert (told["rate"], told["days"], told["totalDue"]) == ("decimal(4)", "text", "decimal(2)")


@given(COLUMN, COLUMN, COLUMN)
def test_widening_goes_up_only_and_comes_to_an_end(one: Column, other: Column, third: Column) -> None:
    def join(a: Column | None, b: Column) -> Column | None:
        found = joined(a, b) if a is not None else None
        return None if found is None else Column(path="x", name="x", kind=found[0], scale=found[1])

    both = join(one, other)
    assert both == join(other, one)
    assert both is None or join(both, other) == join(both, one) == both
    back = join(join(both, third), other)
    assert back == join(both, third)


def test_every_documented_object_has_good_column_names_that_stay() -> None:
    for object in catalogue.names():
        model = catalogue.load(object)
        fields, _ = choose(model, None)
        first = compare(model, fields).columns
        names = [column.name for column in first]
        assert len({name.lower() for name in names}) == len(names), object
        assert not {DELETED, SYNCED} & {name.lower() for name in names}
        assert all(0 < len(name.encode()) <= MAX_NAME_BYTES for name in names)
        again = compare(model, dict(reversed(fields.items())), json_copy(first)).columns
        assert {c.path: c.name for c in again} == {c.path: c.name for c in first}


def json_copy(columns: list[Column]) -> list[Column]:
    """As they come back from a destination."""
    return msgspec.json.decode(msgspec.json.encode(columns), type=list[Column])


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("vendor.id", "Vendor id"),
        ("audit.modifiedDateTime", "Audit modified date time"),
        ("nsp::RENEWAL_DATE", "Renewal date"),
        ("SSN", "SSN"),
    ],
)
def test_a_path_in_words(path: str, words: str) -> None:
    assert label(path) == words
