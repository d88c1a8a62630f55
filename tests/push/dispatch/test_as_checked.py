"""The file that was checked, or planned, is the file that is attached."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.push.desk import Desk
from tests.push.dispatch.test_steps import SCAN, SCANS, files, set_up, states
from tests.push.wire import Line
from tieout import push
from tieout.connections import open_connections
from tieout.errors import SourceError
from tieout.rest import Reply, Request
from tieout.simulator import Simulator
from tieout.store.ledger_tables import push_records


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator("demo") as made:
        yield made


@pytest.fixture
def plan(desk: Desk, tmp_path: Path) -> Path:
    path = tmp_path / "bills.plan"
    set_up(desk, '"attach"', SCAN + "\ntwo_people = true")
    desk.push("bills", plan=path, by="Ann")
    return path


def no(*_: object) -> Reply:
    return Reply(422, {}, b'{"ia::result":{"ia::error":{"code":"operationFailed","message":"No"}}}')


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("change", "words"),
    [(lambda file: file.write_text("another"), "was changed"), (Path.unlink, r"cannot be read \(No such file")],
)
def test_a_plan_is_void_where_one_of_its_files_is_another(
    desk: Desk, plan: Path, change: Callable[[Path], object], words: str, dry_run: bool
) -> None:
    file = desk.root / "scans" / "2.txt"
    change(file)
    with pytest.raises(SourceError, match=f"'2.txt'.* {words}.*Nothing was sent") as caught:
        push.apply(desk.project, "bills", plan, by="Bob", dry_run=dry_run)
    assert "`tieout push bills --plan FILE`" in str(caught.value)
    assert states(desk) == {}
    file.write_text("scan 2")
    push.apply(desk.project, "bills", plan, by="Bob")
    assert files(desk) == SCANS


def test_a_file_of_a_record_that_the_plan_holds_does_not_matter(desk: Desk, tmp_path: Path) -> None:
    set_up(desk, '"attach"', SCAN)
    source = desk.root / "bills.csv"
    source.write_text(source.read_text().replace("2.50", "much"))
    assert desk.push("bills", plan=tmp_path / "p", by="Ann").held == 1
    (desk.root / "scans" / "2.txt").unlink()
    report = push.apply(desk.project, "bills", tmp_path / "p", by="Bob")
    assert (report.posted, report.held) == (2, 1)
    assert files(desk) == {bill: SCANS[bill] for bill in ("T-1", "T-3")}


def test_a_file_that_changes_while_records_are_sent_is_not_attached(desk: Desk, line: Line, plan: Path) -> None:
    def changed_meanwhile(request: Request, deliver: Callable[[], Reply]) -> Reply:
        (desk.root / "scans" / "2.txt").write_text("another")
        return deliver()

    line.only, line.fault = ("POST", "/bill"), changed_meanwhile
    report = push.apply(desk.project, "bills", plan, by="Bob")
    assert (report.posted, report.steps["attach"], report.exit_code) == (3, {"posted": 2, "held": 1}, 1)
    assert files(desk) == {**SCANS, "T-2": []}
    (record,) = push.failed(desk.project, "bills")
    assert record.source_id == "T-2"
    assert "'2.txt' was changed after it was checked" in record.reason
    line.fault = None
    anew = plan.with_name("anew.plan")
    desk.push("bills", plan=anew, by="Ann")
    assert push.apply(desk.project, "bills", anew, by="Bob").exit_code == 0
    assert files(desk) == {**SCANS, "T-2": [("2.txt", b"another")]}, "it was planned as it is now"


def test_a_refused_file_that_says_something_else_by_now_goes_out_with_a_retry(desk: Desk, line: Line) -> None:
    set_up(desk, '"attach"', SCAN, bills=1)
    line.only, line.fault = ("POST", "/company-config/attachment"), no
    assert desk.push("bills").steps["attach"] == {"failed": 1}
    line.fault = None
    (desk.root / "scans" / "1.txt").write_text("another")
    assert desk.push("bills").steps["attach"] == {"failed": 1}, "not by itself"
    assert desk.retry("bills").steps == {"attach": {"posted": 1}, "link": {"posted": 1}}
    assert files(desk) == {"T-1": [("1.txt", b"another")]}


def test_the_ledger_knows_what_was_attached(desk: Desk) -> None:
    set_up(desk, '"attach"', SCAN.replace(" }", ', separator = " " }'), bills=1)
    desk.push("bills")
    (desk.root / "scans" / "1.txt").write_text("another")  # it is attached as it was
    (desk.root / "scans" / "b.txt").write_text("b")
    (desk.root / "bills.csv").write_text("Bill,Amount,Scan\nT-1,1.50,1.txt b.txt\n")
    desk.push("bills")
    connections = open_connections(desk.project)
    with connections.store.read() as connection:
        query = push_records.select().with_only_columns(push_records.c.facts).where(push_records.c.step == 1)
        (facts,) = connection.scalars(query).all()
    connections.store.close()
    for content in (b"scan 1", b"b"):
        assert hashlib.sha256(content).hexdigest() in facts
    assert files(desk) == {"T-1": [("1.txt", b"scan 1"), ("b.txt", b"b")]}
