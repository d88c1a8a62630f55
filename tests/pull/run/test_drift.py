"""A company whose model changes between two pulls: the table follows, and the report says how."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.pull.conftest import Pull
from tests.pull.scripted import BILL, ScriptedCompany, bill, company, field
from tieout.errors import ConfigurationError
from tieout.pull.reading.clock import STAMP

Select = Callable[..., list[tuple[Any, ...]]]
REGION = "nsp::REGION"


def change(it: ScriptedCompany, **fields: Any) -> None:
    """Give fields of bills another definition; None takes one away."""
    for name, wire in fields.items():
        it.models[BILL]["fields"][name] = wire
        if wire is None:
            del it.models[BILL]["fields"][name]


def test_a_new_custom_field_arrives_in_every_row(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it)
    change(it, **{REGION: field()})
    for row in it.rows[BILL]:
        row[REGION] = f"region {row['key']}"
    report = pull_bills(it)
    assert f"new columns: {REGION}" in report.notes
    assert select('SELECT count(*), count(DISTINCT "nsp__REGION") FROM bill') == [(25, 25)]
    assert report.ties
    assert pull_bills(it).strategy == "incremental"


def test_for_a_new_field_only_the_rows_that_have_it_are_read(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it, lines=False)
    change(it, **{REGION: field(), "nsp::SINCE": field("string", "date")})
    it.rows[BILL][2][REGION], it.rows[BILL][6]["nsp::SINCE"] = "north", "2026-01-05"
    report = pull_bills(it, lines=False)
    assert (report.strategy, report.rows_read, report.changed, report.ties) == ("incremental", 2, 2, True)
    assert report.reason == "new fields: nsp::REGION, nsp::SINCE: rows that have them are read besides"
    assert select('SELECT key FROM bill WHERE "nsp__REGION" IS NOT NULL OR "nsp__SINCE" IS NOT NULL') == [
        ("3",),
        ("7",),
    ]
    assert pull_bills(it, lines=False).rows_read == 0


@pytest.mark.parametrize(
    "wire", [field("boolean"), field(enum=["a", "b"]), field(default="x"), field("object")], ids=str
)
def test_a_new_field_that_may_say_something_in_every_row_is_read_in_all(pull_bills: Pull, wire: dict[str, Any]) -> None:
    it = company()
    pull_bills(it, lines=False)
    change(it, **{REGION: wire})
    report = pull_bills(it, lines=False)
    assert (report.strategy, report.rows_read, report.reason) == ("full", 25, f"new fields: {REGION}")


def test_where_intacct_finds_nothing_by_null_all_rows_are_read_for_a_new_field(
    pull_bills: Pull, select: Select
) -> None:
    it = company()
    pull_bills(it, lines=False)
    change(it, **{REGION: field()})
    it.rows[BILL][2][REGION] = "north"
    it.null_filters = False
    report = pull_bills(it, lines=False)
    assert (report.strategy, report.rows_read) == ("full", 25)
    assert select("SELECT key FROM bill WHERE \"nsp__REGION\" = 'north'") == [("3",)]


def test_a_run_killed_in_the_fill_fills_again(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it, lines=False)
    change(it, **{REGION: field()})
    for row in it.rows[BILL]:
        row[REGION] = "north"

    def cut(company: ScriptedCompany, payload: dict[str, Any]) -> None:
        if payload["start"] > 1:
            raise ConnectionError

    it.on_query = cut
    with pytest.raises(ConnectionError):
        pull_bills(it, lines=False, page_size=5)
    it.on_query = lambda company, payload: None
    assert pull_bills(it, lines=False).strategy == "incremental"
    assert select('SELECT count("nsp__REGION") FROM bill') == [(25,)]


def later(it: ScriptedCompany, row: int, **values: Any) -> None:
    """Ten days on; a row got other values an hour before."""
    assert it.now is not None
    it.now += timedelta(days=10)
    it.rows[BILL][row] |= values | {"audit.modifiedDateTime": (it.now - timedelta(hours=1)).strftime(STAMP)}


def test_a_field_that_is_read_again_is_read_in_every_row(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it, lines=False)
    later(it, 2, description=None)
    narrow = pull_bills(it, lines=False, fields=["id", "totalDue"])
    assert narrow.strategy == "incremental"
    assert sum("no longer read: description" in note for note in narrow.notes) == 1
    later(it, 0, description=None)
    assert not any("no longer read" in n for n in pull_bills(it, lines=False, fields=["id", "totalDue"]).notes)
    wide = pull_bills(it, lines=False, fields=["id", "totalDue", "description"])
    assert (wide.strategy, wide.reason) == ("full", "fields that were left out before: description")
    assert select("SELECT key FROM bill WHERE description IS NULL ORDER BY key") == [("1",), ("3",)]
    assert pull_bills(it, lines=False, fields=["id", "totalDue", "description"]).strategy == "incremental"


def test_a_field_that_left_the_model_is_read_in_every_row_when_it_is_back(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it, lines=False)
    was = it.models[BILL]["fields"]["description"]
    change(it, description=None)
    later(it, 2, description=None)
    pull_bills(it, lines=False)
    change(it, description=was)
    assert pull_bills(it, lines=False).strategy == "full"
    assert select("SELECT key FROM bill WHERE description IS NULL") == [("3",)]


def test_a_read_of_fewer_fields_that_stops_leaves_no_old_values_behind(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it, lines=False)
    for row in range(12):
        later(it, row, description=None)

    def stop(company: ScriptedCompany, payload: dict[str, Any]) -> None:
        if payload["start"] > 1:
            raise KeyboardInterrupt

    it.on_query = stop
    with pytest.raises(KeyboardInterrupt):
        pull_bills(it, lines=False, page_size=5, fields=["id"])
    it.on_query = lambda company, payload: None
    pull_bills(it, lines=False, page_size=5, fields=["id", "description"], tie_out=False)
    assert select("SELECT count(*) FROM bill WHERE description IS NULL") == [(12,)]


def test_a_vanished_field_keeps_its_last_values_and_is_said_once(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it)
    change(it, days=None)
    report = pull_bills(it)
    assert report.strategy == "incremental"
    assert any("no longer in Intacct's model: days" in note for note in report.notes)
    assert pull_bills(it).notes == []
    assert select("SELECT sum(days) FROM bill") == [(sum(range(1, 26)),)]
    ((gone, others),) = select("SELECT min(gone) FILTER (path = 'days'), count(gone) FROM _tieout_columns")
    assert (gone[:10], others) == ("2026-02-01", 1)


def test_a_type_that_widens_is_read_again_and_ties(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it)
    change(it, days=field("number"), totalDue=field("string", "decimal-precision-4"))
    for row in it.rows[BILL]:
        row["days"], row["totalDue"] = Decimal(f"{row['days']}.5"), f"{row['totalDue']}05"
    report = pull_bills(it)
    assert report.reason == "fields of another type: days, totalDue"
    assert "column days is now decimal(10), was integer" in report.notes
    assert report.ties
    assert select("SELECT days, \"totalDue\" FROM bill WHERE key = '7'") == [(Decimal("7.5"), Decimal("7.1005"))]
    assert pull_bills(it).strategy == "incremental"


def test_a_number_that_becomes_text_is_kept_as_text(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it)
    change(it, days=field())
    it.rows[BILL][0]["days"] = "net 30"
    for row in it.rows[BILL][1:]:
        row["days"] = str(row["days"])
    report = pull_bills(it)
    assert (report.misfits, report.ties) == (0, True)
    assert select("SELECT days FROM bill WHERE key IN ('1', '2') ORDER BY key") == [("net 30",), ("2",)]


def test_without_a_common_type_nothing_is_read_until_a_person_chooses(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it)
    change(it, dueDate=field("boolean"))
    for row in it.rows[BILL]:
        row["dueDate"] = True
    asked = len(it.pages())
    with pytest.raises(ConfigurationError, match="dueDate was date and is now boolean"):
        pull_bills(it)
    assert len(it.pages()) == asked
    pull_bills(it, types={"dueDate": "text"})
    assert select('SELECT DISTINCT "dueDate" FROM bill') == [("true",)]


def test_a_section_may_say_what_a_column_holds(pull_bills: Pull, select: Select) -> None:
    it = ScriptedCompany([bill(1, description="7", rate=Decimal("1.25"))])
    report = pull_bills(it, lines=False, types={"description": "integer", "rate": "decimal(2)"})
    assert report.ties
    assert select("SELECT description + 1, CAST(rate AS VARCHAR), typeof(rate) FROM bill") == [
        (8, "1.25", "DECIMAL(38,2)")
    ]


@pytest.mark.parametrize("name", ["float", "decimal", "decimal(38)", "decimal(-1)", "Text"])
def test_a_type_that_is_none_is_refused_with_file_and_line(pull_bills: Pull, name: str) -> None:
    with pytest.raises(ConfigurationError, match="types: rate is text, integer or decimal"):
        pull_bills(company(), types={"rate": name})


def test_rows_tell_when_they_were_last_written(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it)
    it.now = datetime(2026, 3, 1, tzinfo=UTC)
    it.rows[BILL][3] |= {"description": "changed", "audit.modifiedDateTime": "2026-02-28T00:00:00Z"}
    pull_bills(it, full=True)
    written = select("SELECT count(*) FROM bill GROUP BY _tieout_synced ORDER BY _tieout_synced")
    assert written == [(24,), (1,)]


def test_views_of_a_layout_come_with_the_pull_and_follow_it(pull_bills: Pull, select: Select) -> None:
    it = company()
    report = pull_bills(it, layout="fivetran", lines=False)
    assert any("pull general-ledger/account for gl_account" in note for note in report.notes)
    assert select("SELECT count(*), count(docnumber), max(vendorid) FROM ap_bill") == [(25, 0, "V7")]
    change(it, referenceNumber=field())
    for row in it.rows[BILL]:
        row["referenceNumber"] = "PO 1"
    pull_bills(it, lines=False)  # another section asks for the layout
    assert select("SELECT count(docnumber) FROM ap_bill") == [(25,)]


def test_a_layout_that_is_none_is_refused(pull_bills: Pull) -> None:
    with pytest.raises(ConfigurationError, match="layout"):
        pull_bills(company(), layout="stitch")
