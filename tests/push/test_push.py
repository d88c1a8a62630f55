"""The whole job against a simulated company: post, skip, refuse, hold, retry, prove."""

from __future__ import annotations

import signal
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.forks import Forks
from tests.push.desk import Desk
from tieout import push
from tieout.connections import connect
from tieout.errors import BusyError, CheckError, ConfigurationError, SourceError, UnknownNameError
from tieout.push.opening import lease, opened
from tieout.push.settings import PushSettings
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread


def customer(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"C{number:04}", "name": f"Customer {number}", "creditLimit": number} | more


def test_everything_arrives_ties_out_and_a_rerun_sends_nothing(desk: Desk) -> None:
    desk.customers([customer(n, creditLimit=Decimal("0.1") * n) for n in range(1, 8)])
    first = desk.push()
    assert (first.posted, first.exit_code) == (7, 0)
    assert [(t.what, t.source, t.intacct, t.ties) for t in first.tie_out] == [
        ("rows", 7, 7, True),
        ("documents", 7, 7, True),
        ("sum creditLimit", Decimal("2.8"), Decimal("2.8"), True),
        ("documents agree", 7, 7, True),
    ]
    again = desk.push()
    assert (again.skipped, again.posted, again.ready, again.exit_code) == (7, 0, 0, 0)
    assert desk.held_by_company("customers", "id") == {f"C{n:04}": 1 for n in range(1, 8)}


def test_the_ledger_may_be_in_postgresql(
    tmp_path: Path, simulator: Simulator, postgres_url: str, forked: Forks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIEOUT_STATE_URL", postgres_url)
    with SimulatorThread(simulator) as running:
        desk = Desk.connect(tmp_path / "project", running.url)
        desk.sheets(["1,A,2026-11-16,8,", "2,B,2026-11-16,7.5,", "3,C,2026-11-17,8,NONE"])
        code, said = desk.child(forked, "times", "push.after_send")
        assert code == -signal.SIGKILL, said
        report = desk.push("times")
        assert (report.posted, report.failed, report.replayed) == (2, 1, 3)
        assert desk.held_by_company("timesheets", "description") == {"A": 1, "B": 1}
    assert not (desk.root / "tieout.db").exists()


def test_results_belong_to_records_by_position(desk: Desk) -> None:
    desk.customers([customer(n, **({"term": {"id": "NONE"}} if n % 3 == 0 else {})) for n in range(1, 41)])
    report = desk.push()
    bad = {f"C{n:04}" for n in range(3, 41, 3)}
    assert (report.posted, report.failed, report.exit_code) == (40 - len(bad), len(bad), 1)
    found = push.failed(desk.project, "customers")
    assert {record.source_id for record in found} == bad
    assert {record.reason for record in found} == {found[0].reason}, "one cause reads the same for every record"
    assert "NONE" in found[0].reason
    assert found[0].error_id == "REST-7001"
    assert found[0].whose_move == "yours"
    assert [record.rows for record in found] == [(n,) for n in range(3, 41, 3)]
    with connect(desk.project) as client:
        for row in client.query("customers", ["key", "id", "name"]):
            number = int(row.id[1:])
            assert row.name == f"Customer {number}"
            assert row.id not in bad
    posted = {line.what: (line.source, line.intacct, line.note) for line in report.tie_out}
    assert posted["documents"] == (40, 27, "13 failed")


def test_what_was_refused_is_sent_again_by_retry_or_when_it_changed(desk: Desk) -> None:
    desk.customers([customer(1, term={"id": "N30"}), customer(2, term={"id": "N60"}), customer(3)])
    assert desk.push().failed == 2
    unchanged = desk.push()
    assert (unchanged.failed, unchanged.ready, unchanged.skipped) == (2, 0, 1)
    with connect(desk.project) as client:
        client.create("accounts-receivable/term", {"id": "N30", "description": "30 days"})
    retried = desk.retry()
    assert (retried.posted, retried.failed, retried.skipped, retried.ready) == (1, 1, 1, 2)
    desk.customers([customer(1, term={"id": "N30"}), customer(2), customer(3)])
    corrected = desk.push()
    assert (corrected.posted, corrected.skipped, corrected.exit_code) == (1, 2, 0)
    assert push.failed(desk.project) == []


def test_a_posted_record_that_changed_is_named_and_left_alone(desk: Desk) -> None:
    desk.customers([customer(1), customer(2)])
    desk.push()
    desk.customers([customer(1, name="Other"), customer(2)])
    report = desk.push()
    assert (report.changed, report.skipped, report.ready, report.exit_code) == (1, 1, 0, 1)
    assert desk.held_by_company("customers", "name") == {"Customer 1": 1, "Customer 2": 1}
    assert {line.what: line.note for line in report.tie_out}["documents"] == "1 changed (C0001)"
    (changed,) = push.failed(desk.project)
    assert (changed.state, changed.source_id, changed.whose_move) == ("changed", "C0001", "yours")
    desk.customers([customer(1), customer(2)])
    assert desk.push().exit_code == 0
    assert push.failed(desk.project) == []


def test_bad_rows_are_held_with_their_reason_and_go_out_when_corrected(desk: Desk) -> None:
    desk.sheets(["1,A,2026-11-16,8,", "2,B,2026-11-16,7.5h,", "3,B,2026-11-17,8,", "4,A,2026-11-17,7.25,"])
    report = desk.push("times")
    assert (report.posted, report.held, report.exit_code) == (1, 1, 1)
    assert [str(p) for p in report.problems] == ["row 3, column Hours: '7.5h' is not a number"]
    assert report.rows_by_outcome["held"] == report.rows_by_outcome["posted"] == 2
    assert sum(report.rows_by_outcome.values()) == report.rows == 4
    (held,) = push.failed(desk.project, "times")
    assert (held.source_id, held.rows, held.state) == ("B", (3, 4), "held")
    assert held.reason == "column Hours: '7.5h' is not a number"
    desk.sheets(["1,A,2026-11-16,8,", "2,B,2026-11-16,7.5,", "3,B,2026-11-17,8,", "4,A,2026-11-17,7.25,"])
    corrected = desk.push("times")
    assert (corrected.posted, corrected.skipped, corrected.exit_code) == (1, 1, 0)
    assert desk.held_by_company("timesheets", "description") == {"A": 1, "B": 1}
    sums = {line.what: line.intacct for line in push.verify(desk.project, "times")}
    assert sums == {"rows": 4, "documents": 2, "sum lines.quantity": Decimal("30.75"), "documents agree": 2}


def test_a_corrected_file_can_be_retried_from_another_place(desk: Desk, tmp_path: Path) -> None:
    desk.sheets(["1,A,2026-11-16,x,", "2,B,2026-11-16,8,"])
    assert desk.push("times").held == 1
    other = tmp_path / "corrected.csv"
    other.write_text("Entry,Sheet,Day,Hours,Project\n1,A,2026-11-16,8,\n")
    report = desk.retry("times", from_file=other)
    assert (report.posted, report.rows, report.exit_code) == (1, 1, 0)
    assert push.failed(desk.project) == []


def test_a_row_never_goes_out_in_two_documents(desk: Desk) -> None:
    desk.sheets(["1,A,2026-11-16,8,", "2,A,2026-11-17,8,"])
    desk.push("times")
    desk.sheets(["1,A,2026-11-16,8,", "2,B,2026-11-17,8,"])
    report = desk.push("times")
    assert (report.changed, report.held, report.posted) == (1, 1, 0)
    assert [str(p) for p in report.problems] == ["row 3: '2' was already sent as part of A"]
    assert desk.push("times").held == 1, "and not at the next run either"
    assert desk.held_by_company("timesheets", "description") == {"A": 1}


def test_a_refused_document_whose_rows_were_regrouped_is_no_longer_failed(desk: Desk) -> None:
    desk.sheets(["1,A,2026-11-16,8,NONE", "2,A,2026-11-17,8,NONE"])
    assert desk.push("times").failed == 1
    desk.sheets(["1,B,2026-11-16,8,", "2,C,2026-11-17,8,"])
    assert desk.push("times").exit_code == 0
    assert push.failed(desk.project) == []


def test_a_batch_is_cut_at_500_and_every_position_kept(desk: Desk) -> None:
    desk.customers([customer(n) for n in range(1, 1102)])
    steps: list[tuple[int, int]] = []
    report = desk.push(progress=lambda done, total: steps.append((done, total)), concurrency=1)
    assert report.posted == 1101
    assert steps == [(0, 1101), (500, 1101), (1000, 1101), (1101, 1101)]
    assert {line.ties for line in report.tie_out} == {True}
    assert desk.push().skipped == 1101


def test_a_dry_run_says_what_would_happen_and_does_nothing(desk: Desk) -> None:
    desk.customers([customer(1), {"id": "C2"}])
    report = desk.push(dry_run=True)
    assert (report.ready, report.pending, report.held, report.exit_code) == (1, 1, 1, 1)
    assert str(report.problems[0]) == "row 2, name: a create needs it"
    assert push.failed(desk.project) == []
    assert desk.held_by_company("customers", "id") == {}


def test_verify_names_what_disappeared_from_intacct(desk: Desk) -> None:
    desk.customers([customer(1), customer(2)])
    desk.push()
    with connect(desk.project) as client:
        (row,) = client.query("customers", ["key"], "id = 'C0002'")
        client.delete("customers", row["key"])
    lines = {line.what: line for line in push.verify(desk.project, "customers")}
    assert lines["documents"].ties is False
    assert lines["documents"].note == f"not in Intacct any more: C0002 (key {row['key']})"
    assert (lines["sum creditLimit"].source, lines["sum creditLimit"].intacct) == (3, 1)


def test_verify_notices_an_amount_changed_in_intacct(desk: Desk) -> None:
    desk.customers([customer(1), customer(2)])
    desk.push()
    with connect(desk.project) as client:
        (row,) = client.query("customers", ["key"], "id = 'C0002'")
        client.update("customers", row["key"], {"creditLimit": 5})
    lines = {line.what: line for line in push.verify(desk.project, "customers")}
    assert lines["documents"].ties is True
    assert (lines["sum creditLimit"].difference, lines["sum creditLimit"].ties) == (-3, False)


def test_verify_includes_earlier_sources_and_what_was_not_sent_yet(desk: Desk) -> None:
    desk.customers([customer(1)])
    desk.push()
    desk.customers([customer(2)])
    lines = push.verify(desk.project, "customers")
    assert [(x.subject, x.what, x.source, x.intacct, x.note) for x in lines if x.what == "documents"] == [
        ("push customers", "documents", 1, 0, "1 pending"),
        ("push customers, earlier sources", "documents", 1, 1, ""),
    ]
    (desk.root / "customers.jsonl").unlink()
    assert [line.subject for line in push.verify(desk.project, "customers")] == ["push customers, earlier sources"] * 4


def test_no_rows_is_a_clear_sentence_and_no_error(desk: Desk) -> None:
    desk.sheets([])
    report = desk.push("times")
    assert (report.rows, report.exit_code) == (0, 0)
    assert report.notes == ["times.csv has no rows: there is nothing to push."]


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        ("Entry,Sheet,Day,Project\n1,A,2026-11-16,\n", CheckError, "times.csv has no column 'Hours'"),
        ("Entry,Sheet,Day,Hours,Project\n1,A,2026-11-16,8,\n2,A\n", SourceError, "line 3 (row 3) has 2 cells"),
        ("", SourceError, "times.csv is empty"),
        (None, SourceError, "There is no file"),
    ],
)
def test_a_wrong_file_sends_nothing(
    desk: Desk, content: str | None, error: type[ConfigurationError], words: str
) -> None:
    if content is not None:
        (desk.root / "times.csv").write_text(content)
    with pytest.raises(error) as caught:
        desk.push("times")
    assert words in str(caught.value)
    assert caught.value.advice
    assert caught.value.exit_code == 2
    assert desk.held_by_company("timesheets", "key") == {}


def test_unknown_names_are_answered_with_the_nearest(desk: Desk) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean customers"):
        desk.push("custmers")
    (desk.root / "tieout.toml").write_text('[push.x]\nobject = "custommers"\nsource = "a.jsonl"\n')
    from tieout.project import load

    with pytest.raises(UnknownNameError, match="custom"):
        push.push(load(desk.root), "x")


def test_two_runs_of_one_push_exclude_each_other(desk: Desk) -> None:
    desk.customers([customer(1)])
    settings = desk.project.section("push", "customers", PushSettings)
    with opened(desk.project, "customers", settings) as other, lease(other.main):
        found: list[BaseException] = []

        def second() -> None:
            with pytest.raises(BusyError) as caught:
                desk.push()
            found.append(caught.value)

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert "push to accounts-receivable/customer is going on" in str(found[0])
    assert desk.push().posted == 1
