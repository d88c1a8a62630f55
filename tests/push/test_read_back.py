"""What the tie-out says of Intacct is read from Intacct: lines are counted there, and a key must lead to its record."""

from __future__ import annotations

from tests.push.desk import Desk
from tests.push.test_proof import proven
from tests.push.test_push import customer
from tieout import push
from tieout.connections import connect
from tieout.push.opening import opened
from tieout.push.settings import settings_of

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
