"""What changed is read from some time before the last read, and rows without a stamp beside it: neither late
records nor silent ones are missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from tests.pull.conftest import Pull
from tests.pull.scripted import BILL, LINE, ScriptedCompany, bill, line
from tieout.errors import ConfigurationError
from tieout.project import Project
from tieout.pull.reading.clock import OVERLAP
from tieout.pull.run import pull
from tieout.pull.settings import span

Select = Callable[..., list[tuple[Any, ...]]]
STAMP = "audit.modifiedDateTime"
NOON = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def at() -> Iterator[Callable[..., None]]:
    """at(company, moment): Intacct's clock and this machine's; or this machine's another."""
    stopped: list[Any] = []

    def set_clock(it: ScriptedCompany, moment: datetime, here: datetime | None = None) -> None:
        while stopped:
            stopped.pop().stop()
        it.now = moment
        traveller = time_machine.travel(here or moment, tick=False)
        traveller.start()
        stopped.append(traveller)

    yield set_clock
    while stopped:
        stopped.pop().stop()


def lows(it: ScriptedCompany, object: str = BILL) -> list[str]:
    """From which moment each read of what changed began."""
    return [
        condition["$gte"][STAMP]
        for query in it.pages(object)
        for condition in query.get("filters", [])
        if "$gte" in condition
    ]


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_a_record_that_was_committed_late_is_found_behind_the_watermark(
    pull_bills: Pull, select: Select, at: Any
) -> None:
    it = ScriptedCompany([bill(i) for i in range(1, 6)])
    at(it, NOON)
    pull_bills(it, lines=False)
    at(it, NOON + timedelta(minutes=30))
    it.rows[BILL].append(bill(6, **{STAMP: stamp(NOON - timedelta(minutes=9))}))
    it.rows[BILL][0][STAMP] = stamp(NOON - timedelta(minutes=11))  # read again, and it is the same
    report = pull_bills(it, lines=False)
    assert (report.strategy, report.rows_read, report.new, report.changed) == ("incremental", 2, 1, 1)
    assert report.ties
    again = pull_bills(it, lines=False)
    assert (again.new, again.changed) == (0, 0)


@pytest.mark.parametrize(("text", "back"), [("0", timedelta()), ("6h", timedelta(hours=6)), ("5d", timedelta(days=5))])
def test_the_look_back_is_the_sections_own(pull_bills: Pull, at: Any, text: str, back: timedelta) -> None:
    it = ScriptedCompany([bill(1)])
    at(it, NOON)
    mark = datetime.fromisoformat(pull_bills(it, lines=False, lookback=text).watermark_after)
    at(it, NOON + timedelta(hours=1))
    pull_bills(it, lines=False, lookback=text, tie_out=False)
    assert lows(it) == [stamp(mark - back)]


def test_once_a_day_it_is_three_days(pull_bills: Pull, at: Any) -> None:
    it = ScriptedCompany([bill(1)])
    at(it, NOON)
    marks = [datetime.fromisoformat(pull_bills(it, lines=False).watermark_after)]
    for hours in (10, 19, 24, 30, 40, 48):
        at(it, NOON + timedelta(hours=hours))
        marks.append(datetime.fromisoformat(pull_bills(it, lines=False, tie_out=False).watermark_after))
    backs = [mark - datetime.fromisoformat(low) for mark, low in zip(marks, lows(it), strict=False)]
    short, long = timedelta(minutes=10), timedelta(days=3)
    assert backs == [short, short, long, short, short, long]
    assert len(it.pages()) == 7  # it costs no request of its own


def test_a_machine_whose_clock_is_behind_looks_back_as_well(pull_bills: Pull, at: Any, select: Select) -> None:
    it = ScriptedCompany([bill(1)])
    at(it, NOON)
    pull_bills(it, lines=False)
    it.rows[BILL].append(bill(2, **{STAMP: stamp(NOON - timedelta(days=2))}))
    at(it, NOON + timedelta(days=1), here=NOON - timedelta(days=900))
    assert pull_bills(it, lines=False, tie_out=False).new == 1
    assert len(lows(it)) == 2


def test_lines_of_a_late_document_come_with_it(pull_bills: Pull, at: Any, select: Select) -> None:
    it = ScriptedCompany([bill(i) for i in range(1, 4)], [line(i, i) for i in range(1, 4)])
    at(it, NOON)
    pull_bills(it)
    at(it, NOON + timedelta(days=1))
    late = {STAMP: stamp(NOON - timedelta(days=2))}
    it.rows[BILL][1] |= {"description": "later", **late}
    it.rows[LINE] = [one for one in it.rows[LINE] if one["bill.key"] != "2"]
    report = pull_bills(it)
    assert (report.changed, report.children[0].deleted, report.ties) == (1, 1, True)


def test_nonsense_is_no_length_of_time(project: Project) -> None:
    text = "[pull.bills]\nobject = 'bills'\nlookback = 'a week'\n"
    with pytest.raises(ConfigurationError, match="10m, 3d"):
        pull(Project(project.root, project.root / "tieout.toml", text))
    for odd in ("10", "-1d", "1.5h", "999999999d", "", "d"):
        with pytest.raises(ValueError, match=r"length of time|366 days"):
            span(odd)
    assert span("0") == timedelta()


# Rows without a stamp ----------------------------------------------------------------------------------------------


def silent() -> ScriptedCompany:
    return ScriptedCompany([bill(i, **({STAMP: None} if i == 2 else {})) for i in range(1, 6)])


def test_rows_without_a_stamp_are_read_once_a_day_beside_what_changed(
    pull_bills: Pull, at: Any, select: Select
) -> None:
    it = silent()
    at(it, NOON)
    pull_bills(it, lines=False)
    it.rows[BILL][1]["description"] = "changed without a stamp"
    at(it, NOON + timedelta(hours=1))
    first = pull_bills(it, lines=False)
    assert (first.strategy, first.rows_read) == ("incremental", 0)
    at(it, NOON + timedelta(days=1))
    daily = pull_bills(it, lines=False)
    assert (daily.strategy, daily.rows_read, daily.changed) == ("incremental", 1, 1)
    assert select("SELECT description FROM bill WHERE key = '2'") == [("changed without a stamp",)]
    assert pull_bills(it, lines=False).rows_read == 0
    assert pull_bills(it, lines=False, full=True).rows_read == 5


def test_where_intacct_finds_no_nulls_all_is_read_once_a_day(pull_bills: Pull, at: Any, select: Select) -> None:
    it = silent()
    it.null_filters = False
    at(it, NOON)
    pull_bills(it, lines=False)
    it.rows[BILL][1]["description"] = "changed without a stamp"
    at(it, NOON + timedelta(days=1))
    daily = pull_bills(it, lines=False)
    assert (daily.strategy, daily.changed) == ("full", 1)
    assert "without a modified stamp" in daily.reason
    assert pull_bills(it, lines=False).strategy == "incremental"
    assert STAMP in it.pages()[-1]["fields"]  # that it takes no null is not that the field cannot be queried


# The section's own choice ------------------------------------------------------------------------------------------


def test_an_object_whose_stamps_do_not_move_is_read_in_full_where_the_section_says_so(
    pull_bills: Pull, select: Select
) -> None:
    it = ScriptedCompany([bill(i) for i in range(1, 6)])
    pull_bills(it, lines=False, strategy="full")
    it.rows[BILL][0]["description"] = "under the old stamp"
    report = pull_bills(it, lines=False, strategy="full")
    assert (report.strategy, report.changed) == ("full", 1)
    assert 'strategy` is "full"' in report.reason


def test_incremental_trusts_stamps_where_auto_does_not(pull_bills: Pull) -> None:
    it = ScriptedCompany([bill(i) for i in range(1, 6)])
    where = "vendor.id = 'V7'"
    pull_bills(it, lines=False, where=where)
    assert pull_bills(it, lines=False, where=where).strategy == "full"
    assert pull_bills(it, lines=False, where=where, strategy="incremental").strategy == "incremental"


# What is new goes before what is old --------------------------------------------------------------------------------


@pytest.mark.parametrize(("hours", "first"), [(0, False), (3, True)])
def test_a_first_read_that_lay_idle_goes_on_after_what_changed_since(
    pull_bills: Pull, at: Any, select: Select, hours: int, first: bool
) -> None:
    it = ScriptedCompany([bill(i) for i in range(1, 61)])
    at(it, NOON)

    def stop(it: ScriptedCompany, payload: dict[str, Any]) -> None:
        if payload["start"] > 30:
            raise KeyboardInterrupt

    it.on_query = stop
    with pytest.raises(KeyboardInterrupt):
        pull_bills(it, lines=False, page_size=10)
    it.on_query = lambda it, payload: None
    at(it, NOON + timedelta(hours=hours))
    before = len(it.pages())
    it.rows[BILL].append(bill(99, **{STAMP: stamp(NOON + timedelta(hours=hours))}))
    assert pull_bills(it, lines=False, page_size=10).ties
    assert ("$gte" in it.pages()[before].get("filters", [{}])[0]) is first
    assert select("SELECT count(*) FROM bill") == [(61,)]


@pytest.mark.parametrize("tie_out", [True, False])
def test_a_watermark_of_a_wrong_clock_hides_nothing(
    pull_bills: Pull, select: Select, at: Any, *, tie_out: bool
) -> None:
    it = ScriptedCompany([bill(i) for i in range(1, 6)])
    at(it, NOON)
    pull_bills(it, lines=False)
    it.now = datetime(2036, 1, 1, tzinfo=UTC)  # one answer has a wrong Date
    assert pull_bills(it, lines=False, tie_out=tie_out).watermark_after > "2035"
    later = NOON + timedelta(days=5)
    at(it, later)
    it.rows[BILL][0] |= {"description": "edited", STAMP: stamp(later - timedelta(hours=1))}
    report = pull_bills(it, lines=False, tie_out=tie_out)
    assert (report.strategy, report.changed) == ("full", 1)
    assert report.watermark_after <= stamp(later - OVERLAP)
    assert "one of the two was wrong" in report.reason
    assert select("SELECT description FROM bill WHERE key = '1'") == [("edited",)]
    at(it, later + timedelta(hours=1), later + timedelta(hours=1))
    it.now = later + timedelta(hours=1, minutes=-58)  # another of Intacct's machines, some minutes behind
    assert pull_bills(it, lines=False, tie_out=tie_out).strategy == "incremental"
