"""The written form of a definition loses nothing, whatever a definition holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tieout.catalogue import notation
from tieout.catalogue.model import NO_DEFAULT, Field, ListOf, Model, Node, Ref, Required

NAME = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,8}(::[a-z]{1,4})?", fullmatch=True)
WORDS = st.one_of(st.sampled_from(["", "a b", 'say "x"', "[1, 2]", "= !", "ä"]), st.text(max_size=8))
VALUE = st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), WORDS)
FIELD = st.builds(
    Field,
    type=st.sampled_from(["string", "boolean", "integer", "number", "array", "object"]),
    format=st.sampled_from([None, "date", "date-time", "decimal-precision-2", "percent-precision-14", "base64zip"]),
    enum=st.one_of(st.none(), st.lists(st.one_of(st.none(), WORDS), max_size=3).map(tuple)),
    default=st.one_of(st.just(NO_DEFAULT), VALUE),
    read_only=st.booleans(),
    write_only=st.booleans(),
    nullable=st.booleans(),
    create_only=st.booleans(),
    deprecated=st.booleans(),
    max_length=st.one_of(st.none(), st.integers(1, 4000)),
    inferred=st.booleans(),
)
PLAIN = st.sampled_from([Field(), Field(read_only=True), Field(inferred=True), Field(read_only=True, inferred=True)])
MEMBERS = st.dictionaries(st.sampled_from(["key", "id", "href", "name", "status"]), PLAIN, max_size=4)
TARGET = st.sampled_from([None, "accounts-payable/vendor"])
SOME = st.booleans()


def level(depth: int) -> dict[str, st.SearchStrategy[Any]]:
    """What a level of an object holds, `depth` levels deep."""
    if depth == 0:
        return {"fields": MEMBERS}
    below = level(depth - 1)
    flags = {"is_owner": SOME, "read_only": SOME, "nullable": SOME, "create_only": SOME}
    return {
        "fields": MEMBERS,
        "groups": st.dictionaries(NAME, st.builds(Node, **below), max_size=1),
        "refs": st.dictionaries(NAME, st.builds(Ref, object=TARGET, **flags, **below), max_size=1),
        "lists": st.dictionaries(NAME, st.builds(ListOf, object=TARGET, **below), max_size=1),
    }


MODEL = st.builds(
    Model,
    name=st.sampled_from(["a/b", "order-entry/document::Sales Invoice"]),
    kind=st.sampled_from(["rootObject", "ownedObject"]),
    methods=st.sampled_from([(), ("GET",), ("GET", "POST", "DELETE", "PATCH")]),
    idempotence=SOME,
    filter_parameters=st.sampled_from([None, {"approvalsForUser": {"a b": 1}}]),
    required=st.sampled_from([(), (Required("a"), Required("lines[].b.c", "when x is 1"))]),
    evidence=st.sampled_from(["live", "overlay", "inferred"]),
    **level(2),
)


@settings(deadline=None)
@given(fields=st.dictionaries(NAME, FIELD, min_size=1, max_size=3))
def test_a_field_is_read_as_it_was_written(fields: dict[str, Field]) -> None:
    model = Model(name="a/b", fields=fields)
    assert notation.read(notation.write(model)) == model


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(model=MODEL)
def test_an_object_is_read_as_it_was_written(model: Model) -> None:
    assert notation.read(notation.write(model)) == model


def test_the_notation_in_one_picture() -> None:
    text = (
        "= time/timesheet rootObject overlay GET,POST\n"
        "! beginDate\n"
        "! employee | in practice\n"
        "beginDate date\n"
        "totalDue decimal2 r i\n"
        'state string ! ="draft" ["draft","saved"]\n'
        "> employee company-config/employee kihn\n"
        " status string r\n"
        "+ audit\n"
        " modifiedDateTime datetime r\n"
        "* lines time/timesheet-line\n"
    )
    model = notation.read(text)
    assert model.required == (Required("beginDate"), Required("employee", "in practice"))
    assert model.fields["totalDue"] == Field(format="decimal-precision-2", read_only=True, inferred=True)
    assert model.fields["state"] == Field(enum=("draft", "saved"), default="draft", nullable=False)
    assert model.refs["employee"].fields["name"].read_only
    assert model.refs["employee"].fields["status"].read_only
    assert model.groups["audit"].fields["modifiedDateTime"].format == "date-time"
    assert model.lists["lines"].object == "time/timesheet-line"


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(ValueError, match="sometimes"):
        notation.read("= a/b rootObject overlay GET\nname string sometimes\n")
