"""Pulling a simulated company that shows records late, or gives queries up that find too many."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

import tieout
from tieout.project import Project
from tieout.pull.run import pull
from tieout.pull.sources import Source
from tieout.rest import attempt
from tieout.simulator import Simulator
from tieout.simulator.clock import Clock

Select = Callable[..., list[tuple[Any, ...]]]


def test_a_record_that_shows_up_late_under_its_early_stamp_is_not_missed(project: Project, select: Select) -> None:
    clock = Clock(datetime(2026, 3, 20, 10, tzinfo=UTC))
    with Simulator("demo", clock=clock) as simulator, tieout.simulated(simulator=simulator) as client:
        source = Source(client, "demo")
        (first,) = pull(project, objects=["vendors"], source=source)
        simulator.settings.set({"late_records": 400})
        client.create("vendors", {"id": "LATE", "name": "late"})
        clock.advance(350)
        (unseen,) = pull(project, objects=["vendors"], source=source)
        assert unseen.new == 0
        assert unseen.ties
        clock.advance(60)
        (found,) = pull(project, objects=["vendors"], source=source)
        assert (found.strategy, found.new, found.ties) == ("incremental", 1, True)
        assert select("SELECT count(*) FROM vendor WHERE id = 'LATE'") == [(1,)]
        assert first.ties


def test_queries_that_find_too_many_are_read_in_parts(
    project: Project, select: Select, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "FIRST_WAIT", 0.0)
    with Simulator("demo") as simulator, tieout.simulated(simulator=simulator) as client:
        there = client.count("customers", private=True)
        simulator.settings.set({"slow_query_rows": there // 3})
        (report,) = pull(project, objects=["customers"], source=Source(client, "demo"))
        assert (report.error, report.rows_read) == (None, there)
        assert select("SELECT count(*), count(DISTINCT key) FROM customer") == [(there, there)]
