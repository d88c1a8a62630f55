"""States of an earlier tieout are read as they were meant."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tieout.errors import StoreError
from tieout.pull.destinations.state import FORMAT, Backfill, TableState, read_state

FIRST: dict[str, Any] = {
    "table": "bill",
    "object": "accounts-payable/bill",
    "company": "demo",
    "entity": "",
    "selection": "all",
    "watermark": "2026-03-20T10:00:00Z",
    "columns": [
        {"path": "key", "name": "key", "kind": "text"},
        {"path": "audit.modifiedDateTime", "name": "audit__modifiedDateTime", "kind": "timestamp"},
    ],
    "fields": ["key", "audit.modifiedDateTime"],
    "whole": False,
    "unfinished": None,
    "rows": 3,
    "run": "r",
    "version": 4,
    "format": 1,
}


def first(**changes: Any) -> TableState:
    return read_state("bill", json.dumps(FIRST | changes))


def test_format_one_goes_on_where_it_was() -> None:
    state = first()
    assert (state.stamp, state.stamped, state.watermark, state.version) == (
        "audit__modifiedDateTime",
        True,
        "2026-03-20T10:00:00Z",
        4,
    )
    assert (state.format, state.backfill) == (FORMAT, None)


def test_format_one_that_was_read_whole_is_not_taken_for_stamped() -> None:
    assert not first(whole=True).stamped
    assert not first(whole=True, rows=0).stamped
    assert not first(whole=True, fields=["key"]).stamped


def test_an_interrupted_first_read_of_format_one_is_a_backfill() -> None:
    unfinished = {"since": "2026-03-20T09:58:00Z", "position": 20, "last_key": "7", "marking": True}
    state = first(watermark="", unfinished=unfinished)
    assert state.backfill == Backfill(since="2026-03-20T09:58:00Z", position=20, last_key="7", marking=True)


def test_the_earliest_states_name_no_format_and_no_fields() -> None:
    old = {key: value for key, value in FIRST.items() if key not in ("format", "fields")}
    assert read_state("bill", json.dumps(old)).stamped


def test_a_state_survives_its_own_text() -> None:
    assert read_state("bill", first().text()) == first()


def test_a_newer_state_is_refused() -> None:
    with pytest.raises(StoreError, match="newer tieout") as refused:
        first(format=FORMAT + 1)
    assert refused.value.advice == "Upgrade tieout."
