"""Several requests under way at once: beside each other, each outcome its own record's, and nothing lost by a kill."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from tests.forks import Forks
from tests.push.desk import CUSTOMERS, Desk
from tests.push.test_push import customer
from tests.push.wire import Line, lost_answer
from tieout import push
from tieout.connections import connect
from tieout.errors import TokenRefusedError
from tieout.project import load
from tieout.push.dispatch import sending
from tieout.rest import Reply, Request
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread
from tieout.store import open_store
from tieout.store.ledger_tables import push_batches, push_records

COUNT = 1_500
ONCE = {f"C{n:04}": 1 for n in range(COUNT)}


def many(desk: Desk) -> None:
    desk.customers([customer(n) for n in range(COUNT)])


def test_requests_are_under_way_beside_each_other(desk: Desk, line: Line) -> None:
    together = threading.Barrier(3, timeout=30)

    def wait_for_the_others(_: Request, deliver: Callable[[], Reply]) -> Reply:
        together.wait()  # broken where fewer than three ever meet
        return deliver()

    many(desk)
    line.fault = wait_for_the_others
    report = desk.push()
    assert (report.posted, report.exit_code, len(line.posts)) == (COUNT, 0, 3)
    assert desk.held_by_company("customers", "id") == ONCE


def test_a_record_has_the_outcome_of_its_own_place_whichever_answer_comes_first(desk: Desk, line: Line) -> None:
    last_is_there = threading.Event()

    def last_first(request: Request, deliver: Callable[[], Reply]) -> Reply:
        if b'"C1499"' in (request.body or b""):
            last_is_there.set()
        else:
            assert last_is_there.wait(30)
        return deliver()

    desk.customers([customer(n, **({"term": {"id": "NONE"}} if n % 100 == 7 else {})) for n in range(COUNT)])
    line.fault = last_first
    report = desk.push()
    bad = {f"C{n:04}" for n in range(7, COUNT, 100)}
    assert (report.posted, report.failed) == (COUNT - len(bad), len(bad))
    assert {record.source_id for record in push.failed(desk.project, "customers")} == bad
    assert set(desk.held_by_company("customers", "id")) == ONCE.keys() - bad


def test_every_request_is_in_the_ledger_before_a_byte_of_it_is_sent(desk: Desk, line: Line) -> None:
    """Also where it is written together with the answers to others."""
    desk = small_batches(desk)
    unwritten: list[str] = []

    def look(request: Request, deliver: Callable[[], Reply]) -> Reply:
        key = request.headers["Idempotency-Key"]
        query = select(push_batches.c.body_sealed).where(push_batches.c.idempotency_key == key)
        with open_store(desk.project.state_url) as store, store.read() as connection:
            if connection.scalar(query.where(push_batches.c.state == "open")) is None:
                unwritten.append(key)
        return deliver()

    line.fault = look
    assert desk.push().posted == COUNT
    assert len(line.posts) == COUNT // 100
    assert unwritten == []
    assert desk.held_by_company("customers", "id") == ONCE


def test_posted_records_have_rows_before_too_many_stand_with_their_requests(
    desk: Desk, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = small_batches(desk)
    monkeypatch.setattr(sending, "MOST_STANDING", 300)
    rows: list[int] = []

    def count(_: Request, deliver: Callable[[], Reply]) -> Reply:
        with open_store(desk.project.state_url) as store, store.read() as connection:
            rows.append(connection.scalar(select(func.count()).select_from(push_records)) or 0)
        return deliver()

    line.fault = count
    assert desk.push(concurrency=1).posted == COUNT
    assert all(sent - written <= 300 for sent, written in zip(range(0, COUNT, 100), rows, strict=True)), rows
    assert len(set(rows)) < len(rows), "many at once"
    again = desk.push()
    assert (again.skipped, again.ready) == (COUNT, 0)


def small_batches(desk: Desk) -> Desk:
    many(desk)
    (desk.root / "tieout.toml").write_text(CUSTOMERS + "batch_size = 100\n")
    return Desk(load(desk.root), desk.url)


def test_in_order_one_request_follows_the_other(simulator: Simulator, tmp_path: Path) -> None:
    with SimulatorThread(simulator) as running:
        desk = Desk.connect(tmp_path / "project", running.url, CUSTOMERS + "keep_order = true\n")
        many(desk)
        assert desk.push().posted == COUNT
        with connect(desk.project) as client:
            keys = [(int(row.key), row.id) for row in client.query("customers", ["key", "id"], private=True)]
    assert [name for _, name in sorted(keys)] == list(ONCE), "Intacct numbers records as they come"


def test_what_is_under_way_when_one_answer_is_lost_is_recorded_and_the_rest_settled(desk: Desk, line: Line) -> None:
    def lose_the_second(request: Request, deliver: Callable[[], Reply]) -> Reply:
        return lost_answer(request, deliver) if b'"C0777"' in (request.body or b"") else deliver()

    many(desk)
    line.fault = lose_the_second
    report = desk.push()
    assert report.unknown == 500
    assert report.posted + report.pending == 1_000
    line.fault = None
    again = desk.push()
    assert (again.unknown, again.failed, again.exit_code) == (0, 0, 0)
    assert again.posted + again.skipped == COUNT
    assert desk.held_by_company("customers", "id") == ONCE
    bodies = [body for _, body in line.posts if b'"C0777"' in body]
    assert len(set(bodies)) == 1, "the same bytes, however often"


def test_a_door_that_shuts_ends_the_run_after_what_was_under_way(desk: Desk, line: Line) -> None:
    first_is_in = threading.Event()

    def shut_for_others(request: Request, deliver: Callable[[], Reply]) -> Reply:
        if b'"C0000"' in (request.body or b""):
            reply = deliver()
            first_is_in.set()
            return reply
        assert first_is_in.wait(30)
        return Reply(403, {}, b'{"ia::result":{"ia::error":{"code":"forbidden","message":"Not allowed"}}}')

    many(desk)
    line.fault = shut_for_others
    with pytest.raises(Exception, match="allow") as caught:
        desk.push()
    assert not isinstance(caught.value, TokenRefusedError)
    assert sum(desk.held_by_company("customers", "id").values()) == 500
    line.fault = None
    again = desk.push()
    assert (again.posted, again.skipped) == (1_000, 500)
    assert desk.held_by_company("customers", "id") == ONCE


@pytest.mark.parametrize("place", ["push.after_ledger_write", "push.after_send", "push.before_result_commit"])
def test_a_kill_with_several_under_way_posts_each_record_exactly_once(desk: Desk, forked: Forks, place: str) -> None:
    many(desk)
    code, said = desk.child(forked, "customers", f"{place}:2")
    assert code == -signal.SIGKILL, said
    again = desk.push()
    assert (again.unknown, again.failed, again.exit_code) == (0, 0, 0)
    assert again.posted + again.skipped == COUNT
    assert desk.held_by_company("customers", "id") == ONCE


def test_what_a_killed_run_never_came_to_is_listed_may_be_dismissed_and_is_sent_by_the_next(
    desk: Desk, forked: Forks
) -> None:
    many(desk)
    code, said = desk.child(forked, "customers", "push.after_ledger_write:2")
    assert code == -signal.SIGKILL, said
    left = {record.source_id: record.state for record in push.failed(desk.project, "customers")}
    sent = desk.held_by_company("customers", "id").keys() & ONCE.keys()
    assert left.keys() | sent == ONCE.keys(), "nothing that was announced is forgotten"
    assert left["C1499"] == "pending"
    (standing,) = push.standings(desk.project, "customers")
    assert (standing.finished, len(standing.records)) == (False, len(left))
    assert push.dismiss(desk.project, "customers", ["C1499"]) == ["C1499"]
    assert "C1499" not in {record.source_id for record in push.failed(desk.project, "customers")}
    again = desk.push()
    assert (again.unknown, again.failed) == (0, 0)
    assert desk.held_by_company("customers", "id") == ONCE
    assert push.failed(desk.project, "customers") == []


def test_what_a_killed_run_never_came_to_outlives_its_source(desk: Desk, forked: Forks) -> None:
    many(desk)
    code, said = desk.child(forked, "customers", "push.after_ledger_write:1")
    assert code == -signal.SIGKILL, said
    desk.customers([customer(1_600)])
    desk.push()
    left = push.failed(desk.project, "customers")
    assert {record.state for record in left} == {"pending"}
    assert len(left) + desk.held_by_company("customers", "id").total() >= COUNT
    assert left[-1].source_id == "C1499"
