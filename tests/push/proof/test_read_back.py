"""What the tie-out says of Intacct is read from Intacct: lines are counted there, and a key must lead to its record."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.push.desk import Desk
from tests.push.proof.test_proof import proven
from tests.push.test_push import customer
from tests.push.wire import Line
from tieout import push
from tieout.connections import connect
from tieout.errors import UnreachableError
from tieout.push.opening import opened
from tieout.push.settings import settings_of
from tieout.rest import Reply, Request
from tieout.rest.effects import NoAnswer

ROWS = ["1,A,2026-11-16,8,", "2,B,2026-11-16,5,", "3,B,2026-11-17,0,"]


def drop_the_last_line(desk: Desk, sheet: str) -> str:
    """Take a line away in Intacct -> the key of the timesheet."""
    with connect(desk.project) as client:
        (key,) = [r["key"] for r in client.query("timesheets", ["key", "description"]) if r["description"] == sheet]
        line = client.get("timesheets", key)["lines"][-1]
        client.delete("time/timesheet-line", line["key"])
        return str(key)


def test_lines_are_counted_in_intacct(desk: Desk) -> None:
    desk.sheets(ROWS)
    assert desk.push("times").exit_code == 0
    key = drop_the_last_line(desk, "B")
    lines = proven(desk, "times")
    assert lines["sum lines.quantity"].ties is True, "a line of nothing: the sums do not tell"
    rows = lines["rows"]
    assert (rows.source, rows.intacct, rows.ties) == (3, 2, False)
    agree = lines["documents agree"]
    assert (agree.source, agree.intacct, agree.ties) == (2, 1, False)
    assert agree.note == f"B (key {key}): 2 lines here, 1 in Intacct"


def test_lines_of_earlier_sources_are_counted_too(desk: Desk) -> None:
    desk.sheets(ROWS)
    desk.push("times")
    drop_the_last_line(desk, "B")
    desk.sheets(["4,C,2026-11-18,8,"])
    lines = {(line.subject, line.what): line for line in push.verify(desk.project, "times")}
    rows = lines["push times, earlier sources", "rows"]
    assert (rows.source, rows.intacct, rows.ties) == (3, 2, False)
    assert "2 lines here, 1 in Intacct" in lines["push times, earlier sources", "documents agree"].note


def test_a_key_that_leads_to_another_record_does_not_tie(desk: Desk) -> None:
    desk.customers([customer(1, creditLimit=5)])
    desk.push()
    with connect(desk.project) as client:
        other = client.create("customers", {"id": "X9", "name": "Somebody else", "creditLimit": 5})
    swap_key(desk, other.key)
    lines = proven(desk)
    assert lines["sum creditLimit"].ties is True
    assert lines["documents agree"].ties is False
    assert lines["documents agree"].note == f"C0001 (key {other.key}): posted as C0001, in Intacct X9"


def swap_key(desk: Desk, key: str) -> None:
    from sqlalchemy import update

    from tieout.store.ledger_tables import push_records

    given = settings_of(desk.project, "customers")
    with opened(desk.project, "customers", given) as own, own.main.store.begin() as connection:
        connection.execute(update(push_records).values(sage_key=key))


def test_records_are_read_back_beside_each_other_and_come_into_the_audit_file_in_their_order(
    desk: Desk, line: Line, tmp_path: Path
) -> None:
    together, last = threading.Barrier(3, timeout=30), threading.Event()
    order: list[int] = []
    lock = threading.Lock()

    def last_first(request: Request, deliver: Callable[[], Reply]) -> Reply:
        with lock:
            order.append(len(order))
            mine = len(order)
        together.wait()  # broken where fewer than three ever meet
        if mine == 1:
            assert last.wait(30)
        reply = deliver()
        if mine == 3:
            last.set()
        return reply

    desk.customers([customer(number, creditLimit=number) for number in range(1_200)])
    line.read = last_first
    audit = tmp_path / "audit.jsonl"
    report = desk.push(audit=audit)
    assert (report.posted, report.exit_code, len(order)) == (1_200, 0, 3)
    lines = [msgspec.json.decode(text) for text in audit.read_bytes().splitlines()][1:-1]
    assert [entry["id"] for entry in lines] == [f"C{number:04}" for number in range(1_200)]
    assert all(entry["sent"] == entry["read_back"] for entry in lines)
    assert push.check_audit(audit).ties


def test_what_cannot_be_read_back_leaves_the_push_unproven_and_the_proof_raises(
    desk: Desk, line: Line, tmp_path: Path
) -> None:
    def cut(request: Request, deliver: Callable[[], Reply]) -> Reply:
        raise NoAnswer("the connection was cut", sent=False)

    desk.customers([customer(number) for number in range(1_200)])
    line.read = cut
    report = desk.push(audit=tmp_path / "audit.jsonl")
    assert (report.posted, report.exit_code) == (1_200, 1)
    assert all(entry.ties is None and "could not be read" in entry.note for entry in report.tie_out)
    lines = [msgspec.json.decode(text) for text in (tmp_path / "audit.jsonl").read_bytes().splitlines()][1:-1]
    assert len(lines) == 1_200, "every record is accounted for, read back or not"
    with pytest.raises(UnreachableError):
        push.verify(desk.project, "customers")
