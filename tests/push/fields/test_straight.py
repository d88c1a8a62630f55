"""The straight way of a cell says what the rules for all cells say, or nothing."""

from __future__ import annotations

import hashlib
from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tieout.catalogue.model import Field
from tieout.push.documents import Document
from tieout.push.fields.columns import BooleanFormat, Column, NumberFormat
from tieout.push.fields.straight import straight
from tieout.push.fields.values import convert

TYPES = st.sampled_from(
    [
        {"type": "string"},
        {"type": "boolean"},
        {"type": "integer"},
        {"type": "number"},
        *({"type": "string", "format": f"decimal-precision-{scale}"} for scale in (0, 2, 10)),
        *({"type": "string", "format": name} for name in ("date", "date-time", "percent-precision-2", "email")),
        {"type": "number", "format": "decimal-precision-2"},
        {"type": "object"},
    ]
)
FIELDS = st.builds(
    lambda kind, enum, most: Field(**kind, enum=enum, max_length=most),
    TYPES,
    st.sampled_from([None, None, None, ("active", None, "1.00", "5", "2026-01-31")]),
    st.sampled_from([None, None, 4, 10]),
)
COLUMNS = st.sampled_from(
    [
        Column(column="x"),
        Column(column="x"),
        Column(column="x", number=NumberFormat(decimal=",", group=".")),
        Column(column="x", date="%d.%m.%Y"),
        Column(column="x", boolean=BooleanFormat(true=("ja", "0"), false=("nein", "1"))),
    ]
)
TEXTS = (
    st.from_regex(r"\A[-+]?[0-9]{0,17}([.,][0-9]{0,12})?\Z")
    | st.from_regex(r"\A[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}\Z")
    | st.sampled_from(
        ["true", "False", "T", "y", "0", "ja", "active", "Active", "31.01.2026", "-0", "-0.00", "٣", "1e5"]
    )
    | st.text(min_size=1, max_size=12)
)


@given(FIELDS, COLUMNS, TEXTS)
@example(Field(type="string", format="decimal-precision-2"), Column(column="x"), "007.50")
@example(Field(type="string", format="decimal-precision-2"), Column(column="x"), "-0.00")
@example(Field(type="string", format="decimal-precision-2"), Column(column="x"), "7")
@example(Field(type="string", format="date"), Column(column="x"), "2026-02-30")
@example(Field(type="string", format="date"), Column(column="x"), "2026-1-5")
@example(Field(type="integer"), Column(column="x"), "-0")
@example(Field(type="number"), Column(column="x"), "1.50")
@example(Field(type="string", format="date"), Column(column="x"), "２０２６-01-31")
@example(Field(type="string", format="decimal-precision-2", max_length=3), Column(column="x"), "1.50")
@example(Field(type="integer", enum=("a",)), Column(column="x"), "5")
@example(Field(type="integer"), Column(column="x", number=NumberFormat(decimal=",", group=".")), "5")
@example(Field(type="number"), Column(column="x", number=NumberFormat(decimal=",", group=".")), "5.5")
def test_a_straight_way_gives_what_the_rules_give_or_leaves_it_to_them(field: Field, column: Column, text: str) -> None:
    way = straight(field, column)
    if way is None or text != text.strip() or (found := way(text)) is None:
        return
    by_the_rules = convert(text, field, column)
    assert (type(found), found, str(found)) == (type(by_the_rules), by_the_rules, str(by_the_rules))


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        (Field(type="string"), "C-1", "C-1"),
        (Field(type="string", format="decimal-precision-2"), "12.50", "12.50"),
        (Field(type="string", format="decimal-precision-2"), "12", "12.00"),
        (Field(type="string", format="date"), "2026-01-31", "2026-01-31"),
        (Field(type="boolean"), "false", False),
        (Field(type="number"), "1.25", Decimal("1.25")),
    ],
)
def test_what_most_cells_look_like_goes_the_straight_way(field: Field, text: str, value: object) -> None:
    way = straight(field, Column(column="x"))
    assert way is not None
    assert way(text) == value


@pytest.mark.parametrize(
    ("body", "hashed"),
    [
        ({"name": "B", "id": "A", "limit": Decimal("1.50")}, b'{"id":"A","limit":1.50,"name":"B"}'),
        (
            {"id": "A", "lines": [{"b": 2}, {"a": 1}], "none": []},
            msgspec.json.encode({"id": "A", "lines": [b'{"a":1}', b'{"b":2}'], "none": []}),
        ),
    ],
)
def test_a_record_has_the_hash_that_ledgers_have_of_it(body: dict[str, object], hashed: bytes) -> None:
    document = Document("A", [2], [], body, [], {})
    encoded, digest, _ = document.packed()
    assert (encoded, digest) == (document.encoded, hashlib.sha256(hashed).hexdigest())
    assert document.payload_hash == digest
