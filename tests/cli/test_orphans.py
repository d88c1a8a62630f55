"""A push section that was renamed or removed: its records that never arrived stay on the list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread

SECTION = '[push.{}]\nobject = "customers"\nsource = "{}.jsonl"\n'
GONE = "push old (no longer in tieout.toml)"


@pytest.fixture
def renamed(tieout: Run, tmp_path: Path) -> Iterator[Run]:
    """`old` posted C1 and had C2 refused; then its section became `new`, with a source where all is well."""
    with Simulator("empty") as simulator, SimulatorThread(simulator) as running:
        assert tieout("connect", "demo", "--simulator", running.url).code == 0
        (tmp_path / "tieout.toml").write_text(SECTION.format("old", "old"))
        refused = '{"id": "C2", "name": "Two", "term": {"id": "NONE"}}'
        (tmp_path / "old.jsonl").write_text(f'{{"id": "C1", "name": "One"}}\n{refused}\n')
        assert tieout("push").code == 1
        (tmp_path / "tieout.toml").write_text(SECTION.format("new", "new"))
        (tmp_path / "new.jsonl").write_text('{"id": "C3", "name": "Three"}\n')
        assert tieout("push").code == 0
        yield tieout


def test_what_a_renamed_push_left_is_listed(renamed: Run) -> None:
    shown = renamed("failed")
    assert shown.code == 1
    assert GONE in shown.out
    assert "documents: C2" in shown.out
    assert "C1" not in shown.out
    assert [(r["push"], r["source_id"]) for r in renamed("failed", "--json").json] == [("old", "C2")]
    assert renamed("failed", "new").code == 0, "a push that is named is asked for alone"


def test_verify_does_not_call_everything_proven_over_a_renamed_push(renamed: Run) -> None:
    shown = renamed("verify")
    assert shown.code == 1
    assert "Everything ties out" not in shown.out
    facts = renamed("verify", "--json").json
    (line,) = [line for line in facts["lines"] if line["subject"] == GONE]
    assert (facts["ties"], line["what"], line["ties"]) == (None, "documents", None)
    assert line["note"].startswith("1 failed")
    assert renamed("verify", "new").code == 0


def test_the_last_push_may_be_removed(renamed: Run, tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text("")
    shown = renamed("failed")
    assert shown.code == 1
    assert GONE in shown.out
    assert "push new" not in shown.out, "everything of it is posted"
    assert renamed("verify").code == 1


def test_a_push_that_came_back_and_was_dismissed_is_gone_for_good(renamed: Run, tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text(SECTION.format("old", "old"))
    renamed("failed", "old", "--dismiss", "C2")
    (tmp_path / "tieout.toml").write_text(SECTION.format("new", "new"))
    assert renamed("failed").code == 0
    assert renamed("verify").code == 0
