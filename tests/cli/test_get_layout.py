"""Whole records are shown in YAML's layout, so that nothing is cut and text cannot be mistaken for null."""

from __future__ import annotations

from tieout.cli.get import readable
from tieout.cli.query import names


def test_groups_are_indented_and_lines_have_a_dash() -> None:
    record = {
        "id": "B1",
        "memo": "",
        "vendor": {"key": "3", "id": "V1"},
        "lines": [{"id": "1", "dimensions": {"project": {"id": "P1"}}}, {"id": "2", "dimensions": {}}],
        "attachments": [],
        "nothing": None,
        "onHold": False,
    }
    assert list(readable(record)) == [
        "id: B1",
        'memo: ""',
        "vendor:",
        "  key: 3",
        "  id: V1",
        "lines:",
        "  - id: 1",
        "    dimensions:",
        "      project:",
        "        id: P1",
        "  - id: 2",
        "    dimensions: {}",
        "attachments: []",
        "nothing: null",
        "onHold: false",
    ]


def test_text_that_looks_like_something_else_is_quoted() -> None:
    values = {"a": "null", "b": " padded", "c": "two\nlines", "d": "true", "e": "\x1b[2J"}
    assert list(readable(values)) == ['a: "null"', 'b: " padded"', 'c: "two\\nlines"', 'd: "true"', 'e: "\\u001b[2J"']


def test_field_lists_may_be_given_together_or_apart() -> None:
    assert names(["id, name", "vendor.id"]) == ["id", "name", "vendor.id"]
    assert names(None) == []
