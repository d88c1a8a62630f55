"""What is plain is only faster: with and without the straight way, a file gives the same documents and problems."""

from __future__ import annotations

import csv
import io
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.push.support import assemble
from tieout.push import documents
from tieout.push.documents import Document
from tieout.push.settings import PushSettings

COLUMNS = {
    "Customer": "id",
    "Name": "name",
    "Limit": "creditLimit",
    "Terms": "term.id",
    "Hold": "isOnHold",
    "Parent": "parent.id",
    "Territory": "territory.id",
    "Status": "status",
}
CELL = st.one_of(
    st.sampled_from(
        ["", " ", "C-1", " C-2 ", "12.50", "1e3", "12.345", "-7", "yes", "true", "no", "active", "x" * 120]
    ),
    st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8),
)


def read(folder: Path, rows: list[list[str]], more: dict[str, object]) -> list[Document]:
    written = io.StringIO()
    csv.writer(written).writerows([list(COLUMNS), *rows])
    fields: dict[str, object] = {path: column for column, path in COLUMNS.items()}
    fields["name"] = {"column": "Name", "default": "nobody"}
    given = {"object": "customer", "source": "c.csv", "id": "Customer", "fields": fields | more}
    section = msgspec.convert(given, PushSettings)
    return assemble(folder, written.getvalue(), section)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.lists(CELL, min_size=len(COLUMNS), max_size=len(COLUMNS)), max_size=6),
    more=st.sampled_from([{}, {"name": {"column": "Name", "trim": False}}, {"name": {"constant": "A"}}]),
)
def test_the_straight_way_gives_what_the_long_way_gives(rows: list[list[str]], more: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        straight = read(Path(folder), rows, more)
        patch.setattr(documents.Plain, "of", lambda *_: None)
        assert straight == read(Path(folder), rows, more)


def test_a_row_without_judgement_goes_the_straight_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the test above compares the long way with itself."""
    monkeypatch.delattr("tieout.push.fields.mapping.FieldMapping.row")
    (made,) = read(tmp_path, [["C-1", " ", "12.50", "N30", "true", "", "", ""]], {})
    assert made.body == {"id": "C-1", "name": "nobody", "creditLimit": 12.5, "term": {"id": "N30"}, "isOnHold": True}
    assert made.problems == []
