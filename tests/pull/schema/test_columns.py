"""Fields become columns: names, types, and what is left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pull.scripted import BILL_MODEL
from tieout.catalogue import load
from tieout.catalogue.model import Field, Model
from tieout.errors import CheckError
from tieout.pull.schema.columns import choose, own_sums
from tieout.pull.schema.names import name_columns, table_name
from tieout.pull.schema.types import Kind, kind_of

PATHS = st.lists(
    st.one_of(
        st.text("aAbB", min_size=1, max_size=3),  # few letters, so that names differ in case only
        st.from_regex(r"[A-Za-zäß]{1,40}(\.[A-Za-z]{1,40}){0,2}|nsp::[A-Za-z_]{1,70}", fullmatch=True),
    ),
    unique=True,
    max_size=30,
)


@given(PATHS)
def test_names_are_unique_without_case_and_short(paths: list[str]) -> None:
    names = [column.name for column in name_columns({path: Field() for path in paths})]
    assert len({name.lower() for name in names}) == len(paths)
    assert all(0 < len(name.encode()) <= 63 for name in names)


@given(PATHS, st.randoms())
def test_a_name_once_given_never_changes(paths: list[str], random: object) -> None:
    first = {c.path: c.name for c in name_columns({path: Field() for path in paths[: len(paths) // 2]})}
    later = {c.path: c.name for c in name_columns({path: Field() for path in reversed(paths)}, first)}
    assert all(later[path] == name for path, name in first.items())
    assert len({name.lower() for name in later.values()}) == len(paths)


def test_names_keep_sages_spelling() -> None:
    fields = dict.fromkeys(
        ["vendor.id", "nsp::REGION", "accountLabel", "accountlabel", "audit.modifiedDateTime"], Field()
    )
    assert [c.name for c in name_columns(fields)] == [
        "vendor__id",
        "nsp__REGION",
        "accountLabel",
        "accountlabel_2",
        "audit__modifiedDateTime",
    ]


@pytest.mark.parametrize(
    ("field", "kind", "scale"),
    [
        (Field(), Kind.TEXT, 0),
        (Field(enum=("a", None)), Kind.TEXT, 0),
        (Field(format="date"), Kind.DATE, 0),
        (Field(format="date-time"), Kind.TIMESTAMP, 0),
        (Field(format="decimal-precision-2"), Kind.DECIMAL, 2),
        (Field(format="decimal-precision-14"), Kind.DECIMAL, 14),
        (Field(type="number"), Kind.DECIMAL, 10),
        (Field(type="integer"), Kind.INTEGER, 0),
        (Field(type="boolean"), Kind.BOOLEAN, 0),
        (Field(type="object"), Kind.JSON, 0),
    ],
)
def test_types_follow_the_model(field: Field, kind: Kind, scale: int) -> None:
    assert kind_of(field) == (kind, scale)


def test_default_fields_leave_out_write_only_links_and_personal_data() -> None:
    fields, left_out = choose(Model.from_wire(BILL_MODEL), None)
    assert next(iter(fields)) == "key"
    assert {"vendor.key", "vendor.id", "accountlabel", "audit.modifiedDateTime"} <= set(fields)
    assert not {"action", "href", "vendor.href", "SSN"} & set(fields)
    assert left_out == ("SSN",)


@pytest.mark.parametrize(
    ("object", "personal"),
    [
        ("company-config/employee", {"SSN", "birthDate"}),
        ("accounts-payable/vendor", {"ach.routingNumber", "ach.accountNumber"}),
    ],
)
def test_personal_fields_of_documented_objects_are_left_out(object: str, personal: set[str]) -> None:
    fields, left_out = choose(load(object), None)
    assert personal <= set(left_out)
    assert not personal & set(fields)


def test_a_personal_field_comes_when_it_is_named() -> None:
    fields, left_out = choose(Model.from_wire(BILL_MODEL), ["id", "SSN"])
    assert list(fields) == ["key", "id", "SSN", "audit.modifiedDateTime"]
    assert left_out == ()


def test_all_wrong_fields_are_named_at_once_with_the_nearest() -> None:
    with pytest.raises(CheckError) as caught:
        choose(Model.from_wire(BILL_MODEL), ["totalDeu", "action", "lines.quantity", "id"])
    problems = {p.path: p for p in caught.value.problems}
    assert set(problems) == {"totalDeu", "action", "lines.quantity"}
    assert problems["totalDeu"].nearest == "totalDue"
    assert "not read" in problems["action"].reason
    assert "table of its own" in problems["lines.quantity"].reason


def test_only_money_and_numbers_of_the_object_itself_are_tied_out() -> None:
    model = Model.from_wire(BILL_MODEL)
    model.refs["vendor"].fields["totalDue"] = Field(format="decimal-precision-2")
    columns = name_columns(choose(model, None)[0])
    assert [c.path for c in own_sums(columns, model)] == ["totalDue", "rate"]


@pytest.mark.parametrize(
    ("object", "table"),
    [
        ("accounts-payable/bill", "bill"),
        ("accounts-payable/bill-line", "bill_line"),
        ("order-entry/document::Sales Invoice", "document_sales_invoice"),
        ("platform-apps/nsp::refcode_gl", "nsp_refcode_gl"),
    ],
)
def test_table_names(object: str, table: str) -> None:
    assert table_name(object) == table
