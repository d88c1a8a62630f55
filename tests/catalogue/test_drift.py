"""What changed between two definitions: everything that matters to a program, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout import catalogue
from tieout.catalogue.drift import Change, compare
from tieout.catalogue.model import Field, ListOf, Model, Node, Ref

RECORDED = Path(__file__).parents[2].parent / "shared" / "reference" / "recordings" / "live-models.json"
VENDOR = catalogue.load("accounts-payable/vendor")


def with_field(name: str, **flags: Any) -> Model:
    changed = msgspec.structs.replace(VENDOR.fields.get(name, Field()), **flags)
    return msgspec.structs.replace(VENDOR, fields=VENDOR.fields | {name: changed})


@pytest.mark.parametrize("name", ["accounts-payable/bill", "accounts-payable/vendor", "time/timesheet"])
def test_a_definition_does_not_differ_from_itself_in_another_order(name: str) -> None:
    model = catalogue.load(name)
    again = msgspec.structs.replace(
        model, fields=dict(reversed(model.fields.items())), methods=tuple(reversed(model.methods))
    )
    assert compare(model, again) == []


def test_what_the_company_added_removed_and_changed() -> None:
    after = msgspec.structs.replace(
        VENDOR,
        fields={n: f for n, f in VENDOR.fields.items() if n != "notes"} | {"nsp::RATING": Field(type="number")},
        refs=VENDOR.refs | {"term": msgspec.structs.replace(VENDOR.refs["term"], object="x/y")},
        methods=("GET",),
    )
    assert [str(change) for change in compare(VENDOR, after)] == [
        "accounts-payable/vendor: methods was GET,POST,DELETE,PATCH, is GET",
        "notes: field removed (string, read write)",
        "nsp::RATING: field added (number, read write)",
        "term: target was accounts-payable/term, is x/y",
    ]


@pytest.mark.parametrize(
    ("flags", "change"),
    [
        ({"type": "boolean"}, ("type", "string", "boolean")),
        ({"format": "date"}, ("type", "string", "date")),
        ({"read_only": True}, ("access", "read write", "read")),
        ({"create_only": True}, ("access", "read write", "read create")),
        ({"write_only": True}, ("access", "read write", "write")),
        ({"max_length": 40}, ("length", "", "40")),
        ({"deprecated": True}, ("deprecated", "no", "yes")),
        ({"default": "x"}, ("default", "", '"x"')),
        ({"nullable": False}, ("null", "yes", "no")),
    ],
)
def test_every_flag_of_a_field_counts(flags: dict[str, Any], change: tuple[str, str, str]) -> None:
    aspect, before, after = change
    expected = Change(path="notes", what="changed", aspect=aspect, before=before, after=after)
    assert compare(VENDOR, with_field("notes", **flags)) == [expected]


def test_words_of_a_choice_are_told_by_name() -> None:
    words = [w for w in VENDOR.fields["status"].enum or () if w != "inactive"]
    changed = compare(VENDOR, with_field("status", enum=(*words, "gone", None)))
    assert changed == [
        Change(path="status", what="changed", aspect="values", before="had inactive", after="has gone, null")
    ]


def test_a_name_that_became_another_kind_of_thing_went_and_came() -> None:
    after = msgspec.structs.replace(
        VENDOR,
        fields={n: f for n, f in VENDOR.fields.items() if n != "notes"},
        groups=VENDOR.groups | {"notes": Node()},
    )
    assert [(c.path, c.what, c.aspect) for c in compare(VENDOR, after)] == [
        ("notes", "removed", "field"),
        ("notes", "added", "group"),
    ]


def test_what_differs_from_the_catalogue_everywhere_is_not_told() -> None:
    bill = catalogue.load("accounts-payable/bill")
    live = {n: msgspec.structs.replace(f, nullable=True, default="x", inferred=False) for n, f in bill.fields.items()}
    assert compare(bill, msgspec.structs.replace(bill, fields=live), documented=True) == []
    assert compare(bill, msgspec.structs.replace(bill, fields=live)) != []


def test_fields_of_the_company_whose_model_was_recorded_are_not_missed_in_another() -> None:
    recorded = with_field("nsp::theirs")
    assert compare(recorded, VENDOR, documented=True) == []
    assert [c.path for c in compare(VENDOR, with_field("nsp::ours"), documented=True)] == ["nsp::ours"]


@pytest.mark.parametrize(
    "name",
    [
        "accounts-payable/vendor",
        "accounts-receivable/customer",
        "accounts-receivable/invoice",
        "general-ledger/account",
    ],
)
def test_a_recorded_model_has_not_drifted_from_the_catalogue_and_a_changed_one_has(name: str) -> None:
    if not RECORDED.is_file():
        pytest.skip("needs ../shared/reference/recordings beside the checkout")
    wire = json.loads(RECORDED.read_text(encoding="utf-8"))[name]
    assert compare(catalogue.load(name), Model.from_wire(wire), documented=True) == []
    del wire["fields"]["key"]
    wire["fields"]["id"]["type"] = "integer"
    assert [(c.path, c.what) for c in compare(catalogue.load(name), Model.from_wire(wire), documented=True)] == [
        ("id", "changed"),
        ("key", "removed"),
    ]


names = st.text("abc", min_size=1, max_size=2)
fields = st.builds(
    Field,
    type=st.sampled_from(["string", "number"]),
    read_only=st.booleans(),
    enum=st.none() | st.lists(st.sampled_from(["x", "y", None]), unique=True, min_size=1).map(tuple),
    nullable=st.booleans(),
)
nodes = st.recursive(
    st.builds(Node, fields=st.dictionaries(names, fields, max_size=3)),
    lambda inner: st.builds(
        lambda node, groups, refs, lists: Node(
            fields=node.fields,
            groups={n: g for n, g in groups.items() if n not in node.fields},
            refs={n: Ref(fields=r.fields, object="a/b") for n, r in refs.items() if n not in {*node.fields, *groups}},
            lists={n: ListOf(fields=e.fields) for n, e in lists.items() if n not in {*node.fields, *groups, *refs}},
        ),
        inner,
        st.dictionaries(names, inner, max_size=2),
        st.dictionaries(names, inner, max_size=2),
        st.dictionaries(names, inner, max_size=2),
    ),
    max_leaves=6,
)


def model_of(node: Node) -> Model:
    return Model(name="x/y", **{name: getattr(node, name) for name in Node.__struct_fields__})


@given(nodes, nodes)
def test_there_is_no_drift_exactly_where_both_are_the_same_and_back_is_the_opposite(one: Node, two: Node) -> None:
    there, back = compare(model_of(one), model_of(two)), compare(model_of(two), model_of(one))
    assert (there == []) == (sorted_words(one) == sorted_words(two))
    opposite = {"added": "removed", "removed": "added", "changed": "changed"}
    assert sorted((c.path, c.aspect, opposite[c.what]) for c in there) == sorted(
        (c.path, c.aspect, c.what) for c in back
    )


def sorted_words(node: Node) -> Any:
    """A node as plain data in which the order of a choice's words does not count."""
    plain = msgspec.to_builtins(node)

    def settle(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: sorted(map(str, v)) if k == "enum" and v else settle(v) for k, v in value.items()}
        return value

    return settle(plain)


def test_what_the_catalogue_only_inferred_is_not_held_against_a_company() -> None:
    guessed = with_field("notes", inferred=True)
    assert compare(guessed, with_field("notes", type="number"), documented=True) == []
    assert [c.aspect for c in compare(VENDOR, with_field("notes", type="number"), documented=True)] == ["type"]
