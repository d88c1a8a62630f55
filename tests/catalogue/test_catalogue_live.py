"""Recorded models of a real company: understood, given back as they were, and what the catalogue holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tieout import catalogue
from tieout.catalogue import notation
from tieout.catalogue.model import Field, ListOf, Model, Node, Ref

RECORDED = Path(__file__).parents[2].parent / "shared" / "reference" / "recordings" / "live-models.json"
LIVE = (
    "accounts-payable/vendor",
    "accounts-receivable/customer",
    "accounts-receivable/invoice",
    "general-ledger/account",
)


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    if not RECORDED.is_file():
        pytest.skip("needs ../shared/reference/recordings beside the checkout")
    found: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", LIVE)
def test_a_recorded_model_is_given_back_exactly(name: str, recorded: dict[str, Any]) -> None:
    assert Model.from_wire(recorded[name]).to_wire() == recorded[name]


@pytest.mark.parametrize("name", LIVE)
def test_the_catalogue_holds_the_recorded_model(name: str, recorded: dict[str, Any]) -> None:
    assert catalogue.load(name).to_wire() == recorded[name]


def test_no_lists_is_an_empty_array_on_the_wire() -> None:
    assert Model(name="general-ledger/account").to_wire()["lists"] == []
    assert Model.from_wire({"apiObject": "objects/a/b", "lists": []}).lists == {}


def test_settable_on_create_only() -> None:
    model = Model(name="a/b", fields={"id": Field(create_only=True), "key": Field(read_only=True), "name": Field()})
    fields = model.to_wire()["fields"]
    assert (fields["id"]["readOnly"], fields["id"]["mutable"]) == (False, False)
    assert (fields["key"]["readOnly"], fields["key"]["mutable"]) == (True, False)
    assert (fields["name"]["readOnly"], fields["name"]["mutable"]) == (False, True)
    assert Model.from_wire(model.to_wire()).fields == model.fields


def test_a_default_of_null_differs_from_no_default() -> None:
    model = Model(name="a/b", fields={"x": Field(default=None), "y": Field()})
    fields = model.to_wire()["fields"]
    assert fields["x"]["default"] is None
    assert "default" not in fields["y"]
    assert notation.read(notation.write(model)) == model


def test_paths_go_through_groups_and_references_but_not_lists() -> None:
    model = Model(
        name="a/b",
        fields={"key": Field()},
        groups={"sums": Node(fields={"due": Field()}, refs={"term": Ref(fields={"id": Field()})})},
        refs={"vendor": Ref(object="a/v", fields={"id": Field()})},
        lists={"lines": ListOf(object="a/b-line", fields={"amount": Field()})},
    )
    assert list(model.paths()) == ["key", "sums.due", "sums.term.id", "vendor.id"]
    assert list(model.references()) == ["vendor", "sums.term"]
