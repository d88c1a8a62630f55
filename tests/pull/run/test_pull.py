"""A pull of a scripted company: what arrives, what the next run reads, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.pull.conftest import Pull
from tests.pull.scripted import BILL, LINE, ScriptedCompany, bill, company, field
from tieout.errors import BusyError, ConfigurationError, InvalidRequestError
from tieout.project import Project
from tieout.pull import PullReport, verify
from tieout.pull.plan.strategy import OTHER_FILTER
from tieout.pull.run import pull
from tieout.pull.sources import Source

Select = Callable[..., list[tuple[Any, ...]]]
LATER = "2026-02-01T12:00:00Z"


def test_everything_arrives_typed_and_ties(pull_bills: Pull, select: Select) -> None:
    report = pull_bills(company())
    assert (report.rows_read, report.new, report.changed, report.strategy) == (25, 25, 0, "full")
    assert report.children[0].new == 60
    assert [(line.what, line.ties) for line in report.tie_out] == [
        ("rows", True),
        ("sum totalDue", True),
        ("sum rate", True),
    ]
    (row,) = select(
        'SELECT "totalDue", rate, days, "isOnHold", "dueDate", vendor__id, "accountLabel", "accountlabel_2", extra,'
        ' epoch("audit__modifiedDateTime") FROM bill WHERE key = ?',
        ["4"],
    )
    stamp = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    assert row == (Decimal("4.10"), Decimal("1.5"), 4, True, date(2026, 3, 1), "V7", "A", "b", None, stamp)
    assert select("SELECT sum(\"txnAmount\") FROM bill_line WHERE bill__key = '3'")[0][0] == Decimal("81.03")


def test_null_and_empty_stay_apart(pull_bills: Pull, select: Select) -> None:
    pull_bills(ScriptedCompany([bill(1, description=""), bill(2, description=None)]), lines=False)
    assert select("SELECT key, description FROM bill ORDER BY key") == [("1", ""), ("2", None)]


def test_the_file_is_for_its_owner_only(pull_bills: Pull, project: Project) -> None:
    pull_bills(company())
    assert (project.root / "company.duckdb").stat().st_mode & 0o077 == 0


def test_personal_fields_are_never_asked_for(pull_bills: Pull) -> None:
    it = company()
    report = pull_bills(it)
    assert "SSN" in report.left_out
    assert not any("SSN" in query["fields"] for query in it.queries)


def test_pages_are_ordered_by_key(pull_bills: Pull) -> None:
    it = company()
    report = pull_bills(it, page_size=10, lines=False)
    assert [query["orderBy"] for query in it.pages()] == [[{"key": "asc"}]] * report.pages
    assert report.new == 25


def test_the_second_run_reads_only_what_changed(pull_bills: Pull, select: Select) -> None:
    it = company()
    first = pull_bills(it)
    it.rows[BILL][3] |= {"description": "changed", "audit.modifiedDateTime": LATER}
    it.rows[BILL].append(bill(99, **{"audit.modifiedDateTime": LATER}))
    second = pull_bills(it)
    assert (second.strategy, second.rows_read, second.new, second.changed) == ("incremental", 2, 1, 1)
    assert second.watermark_before == first.watermark_after
    assert select("SELECT description FROM bill WHERE key = '4'") == [("changed",)]
    assert select("SELECT count(*), count(DISTINCT key) FROM bill") == [(26, 26)]
    assert second.ties


def test_the_watermark_is_the_servers_clock_minus_the_overlap(pull_bills: Pull) -> None:
    it = company()
    it.now = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
    mark = datetime.fromisoformat(pull_bills(it).watermark_after)
    assert timedelta(seconds=120) <= it.now - mark < timedelta(seconds=150)


def test_the_watermark_of_lines_dates_from_the_first_page_not_the_last(pull_bills: Pull) -> None:
    it = company()
    started = it.now
    assert started is not None

    def tick(company: ScriptedCompany, payload: dict[str, Any]) -> None:
        if payload["object"] == LINE and payload["start"] > 1:
            company.now = started + timedelta(hours=1)

    it.on_query = tick
    mark = datetime.fromisoformat(pull_bills(it, page_size=10).children[0].watermark_after)
    assert mark <= started - timedelta(seconds=120)


def test_without_a_server_clock_everything_is_read_again(pull_bills: Pull) -> None:
    it = company()
    it.now = None
    assert pull_bills(it).watermark_after == ""
    assert pull_bills(it).strategy == "full"


def test_an_object_none_of_whose_rows_has_a_stamp_is_read_whole_every_time(pull_bills: Pull) -> None:
    it = ScriptedCompany([bill(i, **{"audit.modifiedDateTime": None}) for i in (1, 2)])
    pull_bills(it, lines=False)
    it.rows[BILL][1]["description"] = "changed without a stamp"
    again = pull_bills(it, lines=False)
    assert (again.strategy, again.rows_read, again.changed) == ("full", 2, 1)
    assert "no modified stamp" in again.reason


def test_an_object_without_stamps_is_read_whole(pull_bills: Pull) -> None:
    it = company()
    for object in (BILL, LINE):
        it.models[object]["groups"] = {}
    pull_bills(it)
    again = pull_bills(it)
    assert (again.strategy, again.children[0].strategy) == ("full", "full")
    assert (again.changed, again.missing) == (0, 0)


def test_rows_that_are_gone_are_marked_and_live_again_when_they_return(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it, lines=False)
    gone = it.rows[BILL][5:7]
    del it.rows[BILL][5:7]
    report = pull_bills(it, lines=False, full=True)
    assert (report.missing, report.ties) == (2, True)
    assert select("SELECT count(*), count(_tieout_deleted) FROM bill") == [(25, 2)]
    assert select("SELECT rows FROM _tieout_state WHERE table_name = 'bill'") == [(23,)]
    assert pull_bills(it, lines=False).ties
    assert pull_bills(it, lines=False, full=True).missing == 0
    it.rows[BILL] += gone
    back = pull_bills(it, lines=False, full=True)
    assert (back.changed, back.ties) == (2, True)
    assert select("SELECT count(_tieout_deleted) FROM bill") == [(0,)]


def test_a_row_that_returns_under_a_new_stamp_loses_its_mark(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it, lines=False)
    gone = it.rows[BILL].pop(3)
    pull_bills(it, lines=False, full=True)
    it.rows[BILL].append(gone | {"audit.modifiedDateTime": LATER})
    report = pull_bills(it, lines=False)
    assert (report.strategy, report.ties) == ("incremental", True)
    assert select("SELECT count(*) FROM bill WHERE _tieout_deleted IS NOT NULL") == [(0,)]


def test_lines_of_documents_that_are_gone_are_marked_too(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it)
    (gone,) = it.rows[BILL][3:4]
    it.rows[BILL].remove(gone)
    it.rows[LINE] = [one for one in it.rows[LINE] if one["bill.key"] != gone["key"]]
    report = pull_bills(it, full=True)
    assert report.ties
    assert select("SELECT DISTINCT bill__key FROM bill_line WHERE _tieout_deleted IS NOT NULL") == [(gone["key"],)]


def test_a_table_of_before_the_marks_gets_them(pull_bills: Pull, project: Project, select: Select) -> None:
    it = company()
    pull_bills(it, lines=False)
    with duckdb.connect(str(project.root / "company.duckdb")) as db:
        db.execute("ALTER TABLE bill DROP COLUMN _tieout_deleted")
    with it.client() as client:
        assert all(line.ties for line in verify(project, ["bill"], source=Source(client, "demo")))
    del it.rows[BILL][0]
    assert pull_bills(it, lines=False, full=True).ties
    assert select("SELECT key FROM bill WHERE _tieout_deleted IS NOT NULL") == [("1",)]


def test_a_sum_that_differs_after_a_full_read_is_not_sent_to_read_in_full_again(pull_bills: Pull) -> None:
    it = company()

    it.hidden[BILL] = [bill(99)]  # counted in sums, shown to nobody
    report = pull_bills(it, lines=False, full=True)
    assert not report.ties
    assert all("--full" not in line.note for line in report.tie_out)


def test_a_line_removed_from_a_changed_document_goes(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it)
    gone = it.rows[LINE].pop(0)
    it.rows[BILL][int(gone["bill.key"]) - 1]["audit.modifiedDateTime"] = LATER
    report = pull_bills(it)
    assert report.children[0].deleted == 1
    assert select("SELECT key FROM bill_line WHERE _tieout_deleted IS NOT NULL") == [(gone["key"],)]
    assert report.ties


def test_a_line_that_changed_under_an_old_stamp_arrives_with_its_document(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it)
    it.rows[LINE][0]["txnAmount"] = "500.00"
    it.rows[BILL][int(it.rows[LINE][0]["bill.key"]) - 1]["audit.modifiedDateTime"] = LATER
    report = pull_bills(it)
    assert select("SELECT \"txnAmount\" FROM bill_line WHERE key = '1'") == [(Decimal("500.00"),)]
    assert report.ties


def test_lines_follow_the_documents_filter(pull_bills: Pull, select: Select) -> None:
    report = pull_bills(company(), where="id = '3'")
    assert select("SELECT DISTINCT bill__id FROM bill_line") == [("3",)]
    assert report.ties


def test_lines_that_cannot_be_filtered_are_left_out_and_named(pull_bills: Pull) -> None:
    report = pull_bills(company(), where="description = 'bill 3'")
    assert report.children == []
    assert "description" in report.notes[0]
    with pytest.raises(ConfigurationError, match="description"):
        pull_bills(company(), where="description = 'bill 3'", lines=True)


def test_another_filter_reads_everything_again(pull_bills: Pull) -> None:
    it = company()
    pull_bills(it, where="id = '3'", lines=False)
    report = pull_bills(it, lines=False)
    assert (report.strategy, report.new) == ("full", 24)
    assert "filter" in report.reason
    refused = pull_bills(it, where="id = '3'", lines=False)
    assert (refused.missing, refused.ties, refused.reason) == (0, False, OTHER_FILTER)
    narrow = pull_bills(it, where="id = '3'", lines=False, max_deleted=1.0)
    assert (narrow.missing, narrow.ties) == (24, True)
    assert narrow.filtered


def test_a_new_field_is_filled_in_rows_that_did_not_change(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it, lines=False)
    it.models[BILL]["fields"]["nsp::REGION"] = field()
    for row in it.rows[BILL]:
        row["nsp::REGION"] = "west"
    report = pull_bills(it, lines=False)
    assert (report.strategy, report.changed) == ("incremental", 25)
    assert any("nsp::REGION" in note for note in report.notes)
    assert select("SELECT DISTINCT nsp__REGION FROM bill") == [("west",)]


def test_a_field_left_out_for_a_while_is_read_again_in_every_row(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it, lines=False)
    it.rows[BILL][3] |= {"description": "changed", "audit.modifiedDateTime": LATER}
    narrow = pull_bills(it, lines=False, fields=["id", "totalDue"])
    assert narrow.strategy == "incremental"
    it.now = datetime(2026, 3, 1, tzinfo=UTC)
    pull_bills(it, lines=False, fields=["id", "totalDue"])
    again = pull_bills(it, lines=False)
    assert again.strategy == "full"
    assert "description" in again.reason
    assert select("SELECT description FROM bill WHERE key = '4'") == [("changed",)]


def test_a_field_that_went_keeps_its_column(pull_bills: Pull, select: Select) -> None:
    it = company()
    pull_bills(it, lines=False)
    del it.models[BILL]["fields"]["description"]
    assert pull_bills(it, lines=False, full=True).new == 0
    assert select("SELECT description FROM bill WHERE key = '2'") == [("bill 2",)]


def test_fields_that_cannot_be_queried_are_learnt_one_by_one(pull_bills: Pull, select: Select) -> None:
    it = company()
    it.refused = {"description", "vendor.id"}
    report = pull_bills(it, lines=False)
    assert {"description", "vendor.id"} <= set(report.left_out)
    assert report.new == 25
    names = {name for (name,) in select("SELECT column_name FROM duckdb_columns() WHERE table_name = 'bill'")}
    assert "totalDue" in names
    assert not {"description", "vendor__id"} & names


def test_a_learnt_field_is_not_asked_for_again(project: Project) -> None:
    it = company()
    it.refused = {"description"}
    with it.client() as client:
        for _ in range(2):
            pull(project, objects=["bills"], source=Source(client, "demo"))
    assert sum("description" in query["fields"] for query in it.queries) == 1


def test_a_filter_on_a_field_that_cannot_be_queried_is_an_error(pull_bills: Pull) -> None:
    it = company()
    it.refused = {"description"}
    with pytest.raises(InvalidRequestError):
        pull_bills(it, where="description = 'bill 3'", lines=False)


def test_misfits_are_counted_kept_raw_and_forgotten_once_mended(pull_bills: Pull, select: Select) -> None:
    it = ScriptedCompany([bill(1), bill(2, dueDate="soon"), bill(3)])
    assert pull_bills(it, lines=False).misfits == 1
    assert select("SELECT object, key, field, raw FROM _tieout_misfits") == [(BILL, "2", "dueDate", '"soon"')]
    it.rows[BILL][1] |= {"dueDate": "2026-04-01", "audit.modifiedDateTime": LATER}
    pull_bills(it, lines=False)
    assert select("SELECT count(*) FROM _tieout_misfits") == [(0,)]
    assert select("SELECT \"dueDate\" FROM bill WHERE key = '2'") == [(date(2026, 4, 1),)]


def test_a_row_seen_twice_is_one_row(pull_bills: Pull, select: Select) -> None:
    """Pages may repeat a row when one is inserted before it while reading."""
    it = company(bills=20)

    def insert(company: ScriptedCompany, payload: dict[str, Any]) -> None:
        if payload["start"] > 1 and company.rows[BILL][0]["key"] != "0":
            company.rows[BILL].insert(0, bill(0))

    it.on_query = insert
    pull_bills(it, page_size=8, lines=False)
    assert select("SELECT count(*), count(DISTINCT key) FROM bill WHERE key <> '0'") == [(20, 20)]


@pytest.mark.parametrize("gone", [1, 3, 12])
def test_no_row_is_missed_when_others_are_deleted_while_reading(pull_bills: Pull, select: Select, gone: int) -> None:
    it = company(bills=60)

    def delete(company: ScriptedCompany, payload: dict[str, Any]) -> None:
        if payload["start"] > 25 and len(company.rows[BILL]) == 60:
            del company.rows[BILL][:gone]

    it.on_query = delete
    pull_bills(it, page_size=10, lines=False)
    there = {row["key"] for row in it.rows[BILL]}
    assert there <= {key for (key,) in select("SELECT key FROM bill")}


def test_a_table_of_another_company_is_not_mixed(project: Project) -> None:
    for name in ("demo", "other"):
        with company().client() as client:
            run = lambda: pull(project, objects=["bills"], source=Source(client, name))  # noqa: B023, E731
            if name == "demo":
                run()
            else:
                with pytest.raises(ConfigurationError, match="holds company 'demo'"):
                    run()


def test_a_sandbox_is_not_mixed_with_the_company_it_is_a_copy_of(project: Project) -> None:
    def run(environment: str, **options: Any) -> PullReport:
        with company().client() as client:
            (report,) = pull(project, objects=["bills"], source=Source(client, "demo", environment), **options)
        return report

    run("")  # before it was kept, or by a client of one's own
    assert run("production").strategy == "incremental"
    assert run("").strategy == "incremental"
    with pytest.raises(ConfigurationError, match="of environment 'production', not of 'sandbox'") as refused:
        run("sandbox")
    assert "--reset" in refused.value.advice
    assert run("sandbox", reset=True).new == 25
    assert run("sandbox").strategy == "incremental"


def test_a_run_that_is_overtaken_does_not_write(project: Project, select: Select) -> None:
    it, later = company(), company()
    later.now = datetime(2026, 3, 1, tzinfo=UTC)
    with it.client() as client, later.client() as other:
        pull(project, objects=["bills"], source=Source(client, "demo"))

        def overtake(company: ScriptedCompany, payload: dict[str, Any]) -> None:
            company.on_query = lambda company, payload: None
            pull(project, objects=["bills"], source=Source(other, "demo"))

        it.on_query = overtake
        with pytest.raises(BusyError, match="Another run"):
            pull(project, objects=["bills"], source=Source(client, "demo"))
    assert select("SELECT watermark FROM _tieout_state WHERE table_name = 'bill'")[0][0].startswith("2026-02-28T23:5")


def test_sums_and_counts_catch_a_tampered_row(pull_bills: Pull, project: Project) -> None:
    it = company()
    pull_bills(it)
    text = "[pull.bills]\nobject = 'bills'\n"
    settings = Project(project.root, project.root / "tieout.toml", text)

    def compared() -> dict[tuple[str, str], bool | None]:
        with it.client() as client:
            lines = verify(settings, ["bills"], source=Source(client, "demo"))
        return {(one.subject, one.what): one.ties for one in lines}

    assert set(compared().values()) == {True}
    with duckdb.connect(str(project.root / "company.duckdb")) as db:
        db.execute('UPDATE bill SET "totalDue" = "totalDue" + 0.01 WHERE key = \'9\'')
        db.execute("DELETE FROM bill_line WHERE key = '2'")
    found = compared()
    assert found == {
        (BILL, "rows"): True,
        (BILL, "sum totalDue"): False,
        (BILL, "sum rate"): True,
        (LINE, "rows"): False,
        (LINE, "sum txnAmount"): False,
    }


def test_a_sum_that_intacct_refuses_is_not_provable(pull_bills: Pull) -> None:
    it = company()
    it.no_sums = True
    report = pull_bills(it, lines=False)
    sums = report.tie_out[1]
    assert (sums.ties, sums.intacct) == (None, None)
    assert "REST-1106" in sums.note
    assert report.ties


def test_private_records_are_included_at_the_top_level_only(project: Project) -> None:
    it = company()
    for entity, expected in ((None, True), ("E110", False)):
        it.queries.clear()
        with it.client(entity=entity) as client:
            pull(project, objects=["bills"], destination=f"{entity}.duckdb", source=Source(client, "demo"))
        assert {"filterParameters" in query for query in it.queries} == {expected}


def test_transactions_are_counted_as_they_are_billed(project: Project) -> None:
    it = company()
    with it.client() as client:
        (report,) = pull(project, objects=["bills"], source=Source(client, "demo"))
    assert sum(one.transactions for one in report.all()) == len(it.queries)


def test_progress_tells_reading_to_done(project: Project) -> None:
    steps: list[tuple[str, int, int, str]] = []
    with company().client() as client:
        pull(
            project,
            objects=["bills"],
            source=Source(client, "demo"),
            progress=lambda s: steps.append((s.table, s.rows, s.total, s.phase)),
        )
    assert steps[0] == ("bill", 25, 25, "reading")
    assert ("bill_line", 60, 60, "reading") in steps
    assert {table for table, _, _, phase in steps if phase == "done"} == {"bill", "bill_line"}


def test_an_empty_object_leaves_an_empty_table(pull_bills: Pull, select: Select, project: Project) -> None:
    it = ScriptedCompany([])
    report = pull_bills(it)
    assert report.ties
    assert select("SELECT count(*) FROM bill") == [(0,)]
    it.rows[BILL].append(bill(1, **{"audit.modifiedDateTime": LATER}))
    assert pull_bills(it).new == 1


def test_a_destination_can_be_named_by_path(project: Project, tmp_path: Path) -> None:
    with company().client() as client:
        pull(project, objects=["bills"], destination="data.duckdb", source=Source(client, "demo"))
        pull(project, objects=["bills"], destination=f"duckdb:///{tmp_path}/abs.duckdb", source=Source(client, "demo"))
    assert (tmp_path / "data.duckdb").exists()
    assert (tmp_path / "abs.duckdb").exists()
