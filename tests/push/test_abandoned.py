"""What a push left that the project no longer has is listed whatever it did, wherever, and with its steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.push.desk import Desk
from tests.push.dispatch.test_last_step import bills, set_up
from tests.push.ground import ground
from tests.push.ground import line as bill
from tests.push.wire import Line
from tieout import push
from tieout.project import load
from tieout.push import standing
from tieout.rest import Reply
from tieout.simulator import Simulator

OTHER = '[push.other]\nobject = "vendors"\nsource = "other.jsonl"\n'
UPSERT = (
    '[push.old]\nobject = "customers"\nsource = "customers.jsonl"\noperation = "upsert"\ncheck_references = false\n'
)


def rewritten(desk: Desk, text: str) -> None:
    (desk.root / "tieout.toml").write_text(text)
    desk.project = load(desk.root)


def test_what_an_upsert_left_is_listed(desk: Desk) -> None:
    rewritten(desk, UPSERT)
    desk.customers([{"id": "C-1", "name": "One"}, {"id": "C-2", "name": "Two", "parent": {"id": "nowhere"}}])
    report = desk.push("old")
    assert (report.posted, report.failed) == (1, 1)
    rewritten(desk, OTHER)
    assert [(record.push, record.source_id) for record in push.failed(desk.project)] == [("old", "C-2")]
    (line,) = standing.abandoned_lines(desk.project)
    assert (line.subject, line.source) == ("push old (no longer in tieout.toml)", 1)


def test_what_is_held_in_an_entity_that_rows_named_is_listed(tmp_path: Path) -> None:
    with ground(tmp_path) as made:
        made.push("bills", [bill(1, Account="nowhere"), bill(2)])
        (tmp_path / "tieout.toml").write_text(OTHER)
        found = push.failed(load(tmp_path))
    assert [(record.source_id, record.state, record.entity) for record in found] == [("B-1", "held", "E110")]


class TestSteps:
    @pytest.fixture
    def simulator(self) -> Simulator:
        return Simulator("demo")

    def test_a_refused_step_is_listed(self, desk: Desk, line: Line) -> None:
        set_up(desk)
        bills(desk, {"T-1": "Submit"})
        line.only = ("POST", "/workflows/")
        refusal = b'{"ia::result":{"ia::error":{"code":"operationFailed","message":"No"}}}'
        line.fault = lambda *_: Reply(422, {}, refusal)
        desk.push("bills")
        rewritten(desk, OTHER)
        found = push.failed(desk.project)
        assert [(record.push, record.source_id, record.state) for record in found] == [
            ("bills", "T-1", "draft, step 1 refused")
        ]
        (told,) = standing.abandoned_lines(desk.project)
        assert told.note.startswith("1 with a step that was not carried out;")
