"""Rows that need no judgement become requests a lot at a time. What goes out, and what becomes of it, is the same."""

from __future__ import annotations

import csv
import io
import signal
import tempfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.forks import Forks
from tests.push.desk import Desk
from tests.push.support import source, target
from tests.push.wire import Line, lost_answer
from tieout import catalogue, push
from tieout.errors import Problem, StoreError
from tieout.project import load
from tieout.push import intake
from tieout.push.checks.check import Target
from tieout.push.documents import Document
from tieout.push.intake import fill
from tieout.push.plain import Lot
from tieout.push.settings import PushSettings
from tieout.push.stage import Stage
from tieout.rest import Reply, Request
from tieout.store import open_store

COLUMNS = {"Customer": "id", "Name": "name", "Limit": "creditLimit", "Terms": "term.id"}
PROJECT = """
[push.customers]
object = "customers"
source = "customers.csv"
id = "Customer"
batch_size = 3
check_references = false
[push.customers.fields]
id = "Customer"
name = "Name"
creditLimit = "Limit"
"term.id" = "Terms"
"""


class NoTerms:
    """A check that has something against one word."""

    def begin(self, settings: PushSettings, target: Target) -> None: ...

    def takes_lots(self) -> bool:
        return True

    def __call__(self, documents: Sequence[Document]) -> None:
        for document in documents:
            if document.body.get("term") == {"id": "NONE"}:
                document.problems.append(Problem(path=f"row {document.rows[0]}", reason="no", row=document.rows[0]))

    def look_at(self, lot: Lot) -> Collection[int]:
        (terms,) = [values for _, path, values in lot.values() if path == "term.id"]
        return {place for place, value in enumerate(terms) if value == "NONE"}


Row = tuple[str, str, str, str]
ROW = st.tuples(
    st.one_of(st.sampled_from(["", " ", "C-1", "C-2", "y" * 1_001]), st.from_regex(r"C-[3-9][0-9]", fullmatch=True)),
    st.sampled_from(["", "Ann", " Ann ", "Zoë \U0001f600", 'quo"te', "x" * 200]),
    st.sampled_from(["", "12.50", "7", "-0.00", "1e3", "12.345"]),
    st.sampled_from(["", "N30", "NONE", " N30 "]),
)


def on_stage(rows: Sequence[Row], *, lots: bool) -> tuple[list[Any], list[bytes]]:
    """The documents as a stage gives them out, and the bodies of the lots."""
    written = io.StringIO()
    csv.writer(written).writerows([list(COLUMNS), *rows])
    fields = {path: column for column, path in COLUMNS.items()}
    of = {"object": "customer", "source": "c.csv", "id": "Customer", "batch_size": 3, "fields": fields}
    section, check = msgspec.convert(of, PushSettings), NoTerms()
    with tempfile.TemporaryDirectory() as folder, Stage() as stage, pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake, "GROUP", 4)
        found = source(Path(folder), written.getvalue(), section)
        aim = target(catalogue.resolve("customer"))
        fill(stage, section, "c", found, found.rows(), aim, (check,), lots=check if lots else None)
        documents = [document for chunk in stage.chunks(size=2) for document in chunk]
        facts = [
            (d.source_id, d.rows, d.body, d.payload_hash, d.totals, d.problems, d.fate, d.entity, d.lists, d.entries)
            for d in documents
        ]
        counted = stage.counts()
        stage.lots.break_up()
        bodies = [lot.body for lot in stage.lots.all()]
        stage.lots.break_of([document.seq for document in documents])
        apart = [(d.source_id, d.body) for chunk in stage.chunks(apart=True) for d in chunk]
        assert apart == [(d.source_id, d.body) for d in documents]
        return [facts, counted], bodies


@settings(max_examples=120, deadline=None)
@given(st.lists(ROW, max_size=14))
def test_in_lots_or_one_by_one_a_stage_holds_the_same(rows: list[Row]) -> None:
    by_lots, bodies = on_stage(rows, lots=True)
    one_by_one, none = on_stage(rows, lots=False)
    assert by_lots == one_by_one
    assert none == []
    good = {fact[2] for fact in one_by_one[0] if fact[6] == "send"}
    for body in bodies:
        members = [bytes(member) for member in msgspec.json.decode(body, type=list[msgspec.Raw])]
        assert len(members) == 3
        assert good.issuperset(members), "nothing that is held goes out with its lot"


def test_rows_without_fault_make_lots() -> None:
    """Else the test above compares one thing with itself."""
    rows = [(f"C-{number}", "Ann", "12.50", "N30") for number in range(10)]
    _, bodies = on_stage(rows, lots=True)
    assert len(bodies) == 3


# Sent ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def lots(desk: Desk) -> Desk:
    """Seven customers, three a request: two lots and one that is left."""
    (desk.root / "tieout.toml").write_text(PROJECT)
    desk.project = load(desk.root)
    write(desk, [f"C-{number},Customer {number},{number}.50," for number in range(1, 8)])
    return desk


def write(desk: Desk, rows: Sequence[str]) -> None:
    (desk.root / "customers.csv").write_text("Customer,Name,Limit,Terms\n" + "".join(f"{row}\n" for row in rows))


def ids(desk: Desk) -> dict[str, int]:
    return dict(desk.held_by_company("customers", "id"))


ALL = {f"C-{number}": 1 for number in range(1, 8)}


def test_lots_go_out_as_they_stand_and_tie(lots: Desk, line: Line) -> None:
    looked = lots.push(dry_run=True)
    assert (looked.ready, looked.planned_requests) == (7, 3)
    report = lots.push()
    assert (report.posted, report.exit_code) == (7, 0)
    assert sorted(len(msgspec.json.decode(body)) for _, body in line.posts) == [1, 3, 3]
    assert len({key for key, _ in line.posts}) == 3
    assert all(entry.ties for entry in report.tie_out)
    assert ids(lots) == ALL
    again = lots.push()
    assert (again.skipped, again.ready) == (7, 0)


def test_an_id_that_comes_twice_breaks_its_lot_up(lots: Desk, line: Line) -> None:
    write(lots, ["A,Ann,1.00,", "B,Bob,1.00,", "A,Eve,1.00,", "C,Cat,1.00,", "D,Dan,1.00,", "E,Eva,1.00,"])
    report = lots.push()
    assert (report.posted, report.held) == (4, 1)
    assert ids(lots) == {"B": 1, "C": 1, "D": 1, "E": 1}
    assert len(line.posts) == 2, "and what is left of it waits for the others"


def test_of_a_lot_that_is_refused_whole_the_guilty_one_is_found(lots: Desk, line: Line) -> None:
    def picky(request: Request, deliver: Callable[[], Reply]) -> Reply:
        if b'"C-2"' not in (request.body or b""):
            return deliver()
        error = b'{"ia::result":{"ia::error":{"code":"invalidRequest","message":"Payload contains errors"}}}'
        return Reply(400, {}, error)

    line.fault = picky
    report = lots.push()
    assert (report.posted, report.failed) == (6, 1)
    assert [record.source_id for record in push.failed(lots.project)] == ["C-2"]
    assert ids(lots) == {id: 1 for id in ALL if id != "C-2"}


def test_single_records_of_a_lot_are_refused_by_their_places(lots: Desk) -> None:
    write(lots, ["A,Ann,1.00,", "B,Bob,1.00,NONE", "C,Cat,1.00,", "D,Dan,1.00,", "E,Eva,1.00,", "F,Fay,1.00,NONE"])
    report = lots.push()
    assert (report.posted, report.failed) == (4, 2)
    assert [record.source_id for record in push.failed(lots.project)] == ["B", "F"]
    assert ids(lots) == {"A": 1, "C": 1, "D": 1, "E": 1}


def test_a_lot_without_an_answer_goes_out_again_with_the_same_bytes(lots: Desk, line: Line) -> None:
    line.fault = lost_answer
    assert lots.push().unknown >= 3
    line.fault = None
    report = lots.push()
    assert (report.unknown, report.posted) == (0, 7)
    assert ids(lots) == ALL
    first = dict(reversed(line.posts))
    assert all(first[key] == body for key, body in line.posts)


@pytest.mark.parametrize("place", ["push.after_ledger_write", "push.after_send", "push.before_result_commit"])
def test_a_kill_among_lots_posts_each_record_exactly_once(lots: Desk, forked: Forks, place: str) -> None:
    code, said = lots.child(forked, "customers", place)
    assert code == -signal.SIGKILL, said
    left = {record.source_id: record.state for record in push.failed(lots.project)}
    assert left.keys() == ALL.keys(), "nor is what it never came to forgotten"
    assert set(left.values()) <= {"pending", "sending"}
    rerun = lots.push()
    assert rerun.posted == 7
    assert ids(lots) == ALL


def test_a_plan_has_its_lots_and_sends_them(lots: Desk, line: Line, tmp_path: Path) -> None:
    lots.push(plan=tmp_path / "plan")
    assert line.posts == []
    report = push.apply(lots.project, "customers", tmp_path / "plan")
    assert report.posted == 7
    assert len(line.posts) == 3
    assert ids(lots) == ALL


def test_a_lot_whose_documents_get_other_ids_is_broken_up(lots: Desk, tmp_path: Path) -> None:
    """Planned as new; what was posted meanwhile under the same ids says something else, and these go beside it."""
    text = PROJECT.replace("batch_size = 3", 'batch_size = 3\non_change = "new"').replace(
        'id = "Customer"', 'id = "Terms"', 1
    )
    (lots.root / "tieout.toml").write_text(text.replace('"term.id" = "Terms"\n', ""))
    lots.project = load(lots.root)
    planned = [f"B-{number},Bea,1.00,R{number}" for number in range(3)]
    write(lots, planned)
    lots.push(plan=tmp_path / "plan")
    write(lots, [f"A-{number},Ann,1.00,R{number}" for number in range(3)])
    assert lots.push().posted == 3
    write(lots, planned)
    assert push.apply(lots.project, "customers", tmp_path / "plan").posted == 3
    assert len(ids(lots)) == 6
    assert lots.push().skipped == 3


def test_what_came_is_written_though_what_follows_cannot_be(lots: Desk, line: Line) -> None:
    taken = (
        "insert into push_records (company, environment, entity, push, operation, step, source_id, payload_hash, state,"
        " rows, totals, attempt, updated_at, run_id) values"
        " ('demo', 'simulator', '', 'customers', 'create', 0, 'C-5', '', 'posted', '[]', '{}', 0, '', '')"
    )

    def meanwhile(_: Request, deliver: Callable[[], Reply]) -> Reply:
        line.fault = None
        with open_store(lots.project.state_url) as store, store.begin() as connection:
            connection.execute(text(taken))
        return deliver()

    line.fault = meanwhile
    with pytest.raises(StoreError, match="holds other states"):
        lots.push(concurrency=1)
    with open_store(lots.project.state_url) as store, store.begin() as connection:
        connection.execute(text("delete from push_records where source_id = 'C-5'"))
    assert all(record.state == "pending" for record in push.failed(lots.project))
    report = lots.push()
    assert (report.skipped, report.posted, report.replayed) == (3, 4, 0)
    assert ids(lots) == ALL


def again_as(desk: Desk, name: str, **changes: str) -> None:
    """A second section of the same, under another name."""
    text = PROJECT.replace("push.customers", f"push.{name}")
    for old, new in changes.items():
        text = text.replace(old, new)
    (desk.root / "tieout.toml").write_text(PROJECT + text)
    desk.project = load(desk.root)


def test_what_another_push_posted_is_held_and_breaks_its_lot_up(lots: Desk, line: Line) -> None:
    again_as(lots, "before")
    write(lots, ["C-2,Customer 2,1.00,"])
    assert lots.push("before").posted == 1
    write(lots, [f"C-{number},Customer {number},1.00," for number in range(1, 8)])
    report = lots.push()
    assert (report.posted, report.held) == (6, 1)
    assert ids(lots) == ALL, "and not twice"


def test_a_reference_that_leads_nowhere_is_held_out_of_its_lot(lots: Desk) -> None:
    again_as(lots, "sons", **{"check_references = false": "", '"term.id"': '"parent.id"'})
    write(lots, ["P-1,Pa,1.00,", "P-2,Ma,1.00,"])
    assert lots.push().posted == 2
    write(
        lots, ["A,Ann,1.00,P-1", "B,Bob,1.00,P-9", "C,Cat,1.00,P-2", "D,Dan,1.00,", "E,Eva,1.00,P-8", "F,Fay,1.00,P-1"]
    )
    report = lots.push("sons")
    assert (report.posted, report.held) == (4, 2)
    assert [(p.row, p.value) for p in report.problems] == [(3, "P-9"), (6, "P-8")]
    assert ids(lots) == dict.fromkeys(("P-1", "P-2", "A", "C", "D", "F"), 1)


def test_what_is_too_much_for_one_request_makes_no_lot(lots: Desk, line: Line) -> None:
    text = PROJECT.replace("batch_size = 3", "batch_size = 500").replace('"term.id" = "Terms"', 'notes = "Terms"')
    (lots.root / "tieout.toml").write_text(text)
    lots.project = load(lots.root)
    write(lots, [f"C-{number},Ann,1.00,{'x' * 3_900}" for number in range(500)])
    assert lots.push().posted == 500
    assert len(line.posts) > 1
    assert all(len(body) <= 1_000_000 for _, body in line.posts)
