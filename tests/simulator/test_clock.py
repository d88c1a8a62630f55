"""The company's clock stands or runs, in whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
import time_machine

from tieout.simulator.clock import Clock


def test_a_frozen_clock_stands_until_it_is_moved() -> None:
    clock = Clock(datetime(2026, 3, 18, 8, 30, 14, 100726, tzinfo=timezone(timedelta(hours=1))))
    assert clock.stamp() == "2026-03-18T07:30:14Z"
    clock.advance(86400)
    assert clock.stamp() == "2026-03-19T07:30:14Z"
    assert clock.is_frozen


def test_a_clock_that_runs_on_starts_where_it_stood() -> None:
    with time_machine.travel(datetime(2026, 1, 1, tzinfo=UTC), tick=False) as traveller:
        clock = Clock(datetime(2020, 1, 1, tzinfo=UTC))
        clock.run()
        traveller.shift(5)
        assert clock.stamp() == "2020-01-01T00:00:05Z"
        clock.advance(10)
        assert clock.stamp() == "2020-01-01T00:00:15Z"
        clock.freeze(datetime(2021, 1, 1))  # noqa: DTZ001 - a naive moment is read as UTC
        traveller.shift(5)
        assert clock.now() == datetime(2021, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_clock_does_not_leave_the_years_it_knows(frozen: bool) -> None:
    """It would fail with every request from then on."""
    clock = Clock(datetime(2026, 1, 1, tzinfo=UTC) if frozen else None)
    before = clock.stamp()
    for seconds in (3e11, -1e11, 1e30, float("-1e300")):
        with pytest.raises(ValueError, match="year"):
            clock.advance(seconds)
    for year in (1, 1899, 9002, 9999):
        with pytest.raises(ValueError, match="year"):
            clock.freeze(datetime(year, 1, 1, tzinfo=timezone(timedelta(hours=14))))
    assert clock.is_frozen == frozen
    assert clock.stamp()[:4] == before[:4]
