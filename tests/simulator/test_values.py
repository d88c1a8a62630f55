"""What is loaded comes back as it was, digit by digit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulator.companies import PART, THING, admin, thing_model, things

from tieout.catalogue.model import Field
from tieout.simulator.company import Company
from tieout.simulator.values import Codec, Kind

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=6,
)
SPELLED = st.from_regex(r"\A-?[0-9]{1,25}(\.[0-9]{0,12})?\Z") | st.sampled_from(
    ["-0.00", "+1.00", "1_0.00", "٣.00", " 1.00"]
)


@settings(max_examples=500)
@given(
    codec=st.sampled_from(
        [Codec(kind) for kind in Kind if kind is not Kind.KEY] + [Codec(Kind.MONEY, s) for s in (2, 10)]
    ),
    value=JSON | SPELLED,
)
def test_a_column_gives_back_what_it_was_given(codec: Codec, value: Any) -> None:
    back = codec.decoder()(codec.encoder()(value))
    assert (type(back), back) == (type(value), value)


@given(st.text(max_size=30) | st.integers(0, 10**30).map(str))
def test_a_key_gives_back_its_text(key: str) -> None:
    codec = Codec(Kind.KEY)
    assert codec.decoder()(codec.encoder()(key)) == key


def test_money_is_an_integer_inside_and_orders_as_money() -> None:
    codec = Codec(Kind.MONEY, 2)
    assert [codec.encoder()(text) for text in ("-0.05", "0.00", "12.34")] == [-5, 0, 1234]
    assert codec.encoder()("12.345") == "12.345"


def test_a_whole_recorded_record_survives(tmp_path: Any) -> None:
    record = {
        "key": "46",
        "id": "",
        "name": "Müller's \x00 odd",
        "amount": "0.00",
        "fine": "1,000.00",
        "count": 3,
        "rate": 3.0,
        "flag": False,
        "tags": ["a", "b"],
        "box": {"colour": "red", "Colour": "Red"},
        "parts": [{"key": "7", "weight": 2.5, "label": None}, {"weight": 1, "label": "x"}],
        "notes": [{"text": "n"}],
        "maker": {"key": "99", "id": "M99", "name": "Not here"},
    }
    path = tmp_path / "kept.company"
    for first in (True, False):
        company = Company("kept", path)
        if first:
            source = things()
            for model in (source.model(PART), source.model(THING)):
                company.set_model(model)
            company.add_user("admin")
            company.load(THING, [record])
            source.close()
        got = company.read(THING, "46", admin(company))
        for name in ("key", "id", "name", "amount", "fine", "count", "rate", "flag", "tags", "box", "notes"):
            assert (type(got[name]), got[name]) == (type(record[name]), record[name])
        assert got["maker"] == record["maker"] | {"href": f"/objects/{THING}/99"}
        assert [(line["weight"], line["label"], line["lineNumber"]) for line in got["parts"]] == [
            (2.5, None, 1),
            (1, "x", 2),
        ]
        assert got["parts"][0]["thing"] == {"key": "46", "id": "", "href": f"/objects/{THING}/46"}
        assert got["day"] is None
        assert got["status"] is None
        company.close()


def test_another_model_keeps_the_values() -> None:
    company = things()
    company.load(THING, [{"key": "1", "amount": "12.34", "rate": 2.5, "name": "7"}])
    model = thing_model()
    model.fields |= {"amount": Field(), "name": Field(type="number"), "nsp::extra": Field(type="boolean")}
    company.set_model(model)
    company.load(THING, [{"key": "2", "nsp::extra": True}])
    assert company.read(THING, "1", admin(company))["amount"] == "12.34"
    assert company.read(THING, "1", admin(company))["name"] == "7"
    answer = company.query(
        {"object": THING, "fields": ["key", "nsp::extra"], "orderBy": [{"key": "asc"}]}, admin(company)
    )
    assert answer.rows == [{"key": "1", "nsp::extra": None}, {"key": "2", "nsp::extra": True}]
    company.close()


def test_an_unknown_name_is_not_loaded_in_silence() -> None:
    company = things()
    with pytest.raises(ValueError, match="has no field 'colour'"):
        company.load(THING, [{"colour": "red"}])
    company.close()


def test_the_exact_digits_of_a_number_that_a_float_would_lose() -> None:
    company = things()
    exact = Decimal("0.12345678901234567890123")
    company.load(THING, [{"key": "1", "rate": exact}])
    assert company.read(THING, "1", admin(company))["rate"] == exact
    company.close()


def test_a_recorded_name_stays_while_the_referenced_record_has_none() -> None:
    company = things()
    company.load(THING, [{"key": "1", "id": "M1"}])
    company.load(THING, [{"key": "2", "maker": {"key": "1", "id": "M1", "name": "Recorded"}}])
    assert company.read(THING, "2", admin(company))["maker"]["name"] == "Recorded"
    named = {"object": THING, "fields": ["key"], "filters": [{"$eq": {"maker.name": "Recorded"}}]}
    assert company.query(named, admin(company)).rows == [{"key": "2"}]
    company.update(THING, "1", {"name": "Now known"}, admin(company))
    assert company.read(THING, "2", admin(company))["maker"]["name"] == "Now known"
    assert company.query(named, admin(company)).total == 0
    company.close()


def test_recorded_order_is_kept_and_later_records_do_not_push_earlier_ones_out() -> None:
    company = things()
    recorded = ["46", "16", "60", "7", "12"]
    company.load(THING, [{"key": key} for key in recorded])
    company.load(THING, [{"name": "seeded"}] * 70)
    company.load(THING, [{"key": key} for key in ("500", "400")])
    for _ in range(70):
        company.create(THING, {"name": "made"}, admin(company))
    answer = company.query({"object": THING, "fields": ["key"], "size": 4000}, admin(company))
    assert answer.total == len({row["key"] for row in answer.rows}) == 147
    assert [row["key"] for row in answer.rows[:5]] == recorded
    company.close()
