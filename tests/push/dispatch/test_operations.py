"""What a push does beside creating records: update, upsert, delete and workflow actions, found by key or by id."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from tests.push.desk import Desk
from tests.push.wire import Line, lost_answer, lost_request
from tieout import push
from tieout.connections import connect
from tieout.errors import CheckError, ConfigurationError, UnknownNameError
from tieout.project import load
from tieout.rest import Reply, Request
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread
from tieout.store import open_store

NAMES = """
[push.names]
object = "customers"
source = "names.csv"
id = "Number"
operation = "{operation}"
{more}
[push.names.fields]
{fields}
"""
BY_ID = 'id = "Number"\nname = "Name"'


class Names:
    """A push of names.csv to the customers of an empty company."""

    def __init__(self, desk: Desk, operation: str, *, fields: str = BY_ID, more: str = "") -> None:
        self.desk = desk
        section = NAMES.format(operation=operation, fields=fields, more=more)
        (desk.root / "tieout.toml").write_text(section)
        desk.project = load(desk.root)

    def push(self, *rows: str, head: str = "Number,Name", **options: Any) -> push.PushReport:
        (self.desk.root / "names.csv").write_text("\n".join((head, *rows)) + "\n")
        return self.desk.push("names", **options)

    def held(self) -> dict[str, str]:
        with connect(self.desk.project) as client:
            return {row.id: row["name"] for row in client.query("customers", ["id", "name"], private=True)}


def create(desk: Desk, *ids: str) -> list[str]:
    with connect(desk.project) as client:
        return [client.create("customers", {"id": id, "name": f"old {id}"}).key for id in ids]


def test_an_update_finds_its_records_by_id_and_leaves_the_others_alone(desk: Desk) -> None:
    create(desk, "A", "B", "C")
    names = Names(desk, "update")
    report = names.push("A,new A", "C,new C", "D,new D")
    assert (report.posted, report.held, report.exit_code) == (2, 1, 1)
    assert names.held() == {"A": "new A", "B": "old B", "C": "new C"}
    assert [str(p) for p in report.problems] == ["row 4, id: 'D' is that of no accounts-receivable/customer in Intacct"]


def test_an_update_by_key_asks_for_nothing_and_a_later_file_changes_again(desk: Desk) -> None:
    first, second = create(desk, "A", "B")
    names = Names(desk, "update", fields='key = "Key"\nname = "Name"')
    head = "Number,Key,Name"
    assert names.push(f"1,{first},one", f"2,{second},two", head=head).exit_code == 0
    assert names.push(f"1,{first},one", f"2,{second},two", head=head).skipped == 2
    for name in ("three", "one", "three"):  # back and forth: never taken for what was sent before
        report = names.push(f"1,{first},{name}", f"2,{second},two", head=head)
        assert (report.posted, report.skipped, report.exit_code) == (1, 1, 0)
        assert names.held() == {"A": name, "B": "two"}


def test_an_upsert_changes_what_is_there_and_creates_what_is_not(desk: Desk) -> None:
    create(desk, "A")
    names = Names(desk, "upsert")
    report = names.push("A,new A", "B,new B")
    assert (report.posted, report.exit_code) == (2, 0)
    assert names.held() == {"A": "new A", "B": "new B"}
    again = names.push("A,new A", "B,newer B")
    assert (again.skipped, again.posted, again.exit_code) == (1, 1, 0)
    assert names.held() == {"A": "new A", "B": "newer B"}


def test_an_upsert_holds_a_new_record_that_lacks_what_a_create_needs(desk: Desk) -> None:
    create(desk, "A")
    names = Names(desk, "upsert", fields='id = "Number"\nnotes = "Name"')
    report = names.push("A,note", "B,note")
    assert (report.posted, report.held) == (1, 1)
    assert "row 3, name: is missing" in str(report.problems[0])
    assert names.held() == {"A": "old A"}


def test_two_rows_that_mean_one_record_are_not_both_sent(desk: Desk) -> None:
    create(desk, "A")
    names = Names(desk, "update", fields='id = "Id"\nname = "Name"')
    report = names.push("1,A,first", "2,A,second", head="Number,Id,Name")
    assert (report.posted, report.held) == (1, 1)
    assert "is meant by row 2 too" in report.problems[0].reason
    assert names.held() == {"A": "first"}


def test_an_id_that_several_records_have_is_held(desk: Desk) -> None:
    create(desk, "A", "B")
    with connect(desk.project) as client:
        for row in list(client.query("customers", ["key"])):
            client.update("customers", row.key, {"name": "same"})
    names = Names(desk, "update", more='identify_by = "name"', fields='name = "Name"\nnotes = "Number"')
    report = names.push("1,same")
    assert (report.held, report.posted) == (1, 0)
    assert "'same' is that of 2 records" in report.problems[0].reason


def test_a_delete_takes_away_once_and_proves_that_nothing_is_there(desk: Desk) -> None:
    create(desk, "A", "B", "C")
    names = Names(desk, "delete", fields='id = "Number"')
    report = names.push("A,", "B,", "X,")
    assert (report.posted, report.held) == (2, 1)
    assert names.held().keys() == {"C"}
    again = names.push("A,", "B,")
    assert (again.skipped, again.exit_code) == (2, 0)
    assert all(line.ties for line in again.tie_out)


@pytest.mark.parametrize("fault", [lost_answer, lost_request])
def test_a_delete_without_an_answer_is_settled_by_what_is_there(
    desk: Desk, line: Line, fault: Callable[[Request, Callable[[], Reply]], Reply]
) -> None:
    create(desk, "A", "B")
    names = Names(desk, "delete", fields='id = "Number"')
    line.only = ("DELETE", "/objects/")
    line.fault = fault
    report = names.push("A,", "B,")
    # That they are gone can be seen at once; that they are still there may be a matter of time.
    assert (report.posted, report.unknown) == ((2, 0) if fault is lost_answer else (0, 2))
    line.fault = None
    report = names.push("A,", "B,")
    assert report.posted + report.skipped == 2
    assert report.exit_code == 0
    assert names.held() == {}


@pytest.mark.parametrize("fault", [lost_answer, lost_request])
def test_an_update_without_an_answer_is_sent_again_byte_for_byte(
    desk: Desk, line: Line, fault: Callable[[Request, Callable[[], Reply]], Reply]
) -> None:
    create(desk, "A", "B")
    names = Names(desk, "update")
    line.only = ("PATCH", "/objects/")
    line.fault = fault
    assert names.push("A,a", "B,b").unknown == 2
    line.fault = None
    assert names.push("A,a", "B,b").posted == 2
    assert len(set(line.posts)) == 1
    assert names.held() == {"A": "a", "B": "b"}


def test_an_action_is_carried_out_on_many(demo: Desk) -> None:
    with connect(demo.project) as client:
        keys = [client.create("bills", bill(f"B{n}")).key for n in range(3)]
    (demo.root / "tieout.toml").write_text(
        """
[push.reversals]
object = "bills"
source = "reversals.csv"
id = "Key"
operation = "submit"
[push.reversals.fields]
key = "Key"
"""
    )
    demo.project = load(demo.root)
    (demo.root / "reversals.csv").write_text("Key\n" + "".join(f"{key}\n" for key in keys))
    report = demo.push("reversals")
    assert (report.posted, report.exit_code) == (3, 0)
    assert report.by_sage_state == {"posted": 3}
    assert demo.push("reversals").skipped == 3


@pytest.mark.parametrize(
    ("operation", "fields", "words"),
    [
        ("update", 'name = "Name"', "nothing maps to id or key"),
        ("delete", 'id = "Number"\nname = "Name"', "is not for a delete"),
        ("update", 'id = "Number"\n"entity.id" = "Name"', "can be set on create only|read-only"),
    ],
)
def test_a_mapping_that_does_not_fit_the_operation_is_refused(
    desk: Desk, operation: str, fields: str, words: str
) -> None:
    with pytest.raises(CheckError, match=words):
        Names(desk, operation, fields=fields).push("A,a")


def test_an_operation_that_nobody_documents_is_named_with_the_nearest(demo: Desk) -> None:
    section = (
        '[push.x]\nobject = "bills"\nsource = "x.csv"\nid = "K"\noperation = "submitt"\n[push.x.fields]\nkey = "K"\n'
    )
    (demo.root / "tieout.toml").write_text(section)
    demo.project = load(demo.root)
    with pytest.raises(UnknownNameError, match="submit"):
        demo.push("x")


# All or nothing ----------------------------------------------------------------------------------------------------


def test_atomic_sends_all_records_or_none(desk: Desk, line: Line) -> None:
    names = Names(desk, "create", more="atomic = true", fields=BY_ID + '\n"term.id" = "Term"')
    head = "Number,Name,Term"
    report = names.push("A,a,", "B,b,NONE", "C,c,", head=head)
    assert (report.posted, report.failed, report.unprocessed) == (0, 1, 2)
    assert names.held() == {}
    (standing,) = push.standings(desk.project, "names")
    assert len(standing.records) == 3
    looked = names.push("A,a,", "B,b,NONE", "C,c,", head=head, dry_run=True)
    assert (looked.ready, looked.pending, looked.planned_requests) == (0, 2, 0)
    assert "no record was sent, because 1 is failed" in looked.notes[0]
    assert names.push("A,a,", "B,b,NONE", "C,c,", head=head).pending == 2, "the rest of the set is not sent without it"
    assert names.held() == {}
    assert names.push("A,a,", "B,b,", "C,c,", head=head).posted == 3
    assert len({body for _, body in line.posts}) == len(line.posts) == 2


def test_an_atomic_request_stays_atomic_when_it_is_sent_again(desk: Desk, line: Line) -> None:
    names = Names(desk, "create", more="atomic = true", fields=BY_ID + '\n"term.id" = "Term"')
    line.fault = lost_request
    rows = ("A,a,", "B,b,NONE")
    assert names.push(*rows, head="Number,Name,Term").unknown == 2
    line.fault = None
    report = names.push(*rows, head="Number,Name,Term")
    assert (report.failed, report.posted) == (1, 0)
    assert names.held() == {}


def test_an_atomic_set_that_does_not_fit_one_request_is_refused(desk: Desk) -> None:
    names = Names(desk, "create", more="atomic = true")
    with pytest.raises(ConfigurationError, match="501 records"):
        names.push(*(f"C{n},x" for n in range(501)))
    assert names.held() == {}


# What never got an answer ------------------------------------------------------------------------------------------


def age(desk: Desk, days: float) -> None:
    moment = f"datetime(created_at, '-{int(days * 24 * 60)} minutes')"
    with open_store(desk.project.state_url) as store, store.begin() as connection:
        connection.execute(
            text(f"update push_batches set created_at = strftime('%Y-%m-%dT%H:%M:%S.000000Z', {moment})")
        )


def lost(names: Names, line: Line, arrived: bool) -> None:
    line.fault = lost_answer if arrived else lost_request
    assert names.push("A,a", "B,b").unknown == 2
    line.fault = None


def test_after_59_days_a_record_is_looked_for_by_its_id(desk: Desk, line: Line) -> None:
    names = Names(desk, "create")
    lost(names, line, arrived=True)
    age(desk, 60)
    sent = len(line.posts)
    report = names.push("A,a", "B,b")
    # They were made after the request was sent, as far as anybody can tell.
    assert (report.posted, report.unknown, report.exit_code) == (2, 0, 0)
    assert len(line.posts) == sent, "nothing is sent again"
    assert report.notes == []


def test_what_never_arrived_is_held_for_somebody_to_decide(desk: Desk, line: Line) -> None:
    names = Names(desk, "create")
    lost(names, line, arrived=False)
    age(desk, 60)
    report = names.push("A,a", "B,b")
    assert (report.posted, report.failed, report.exit_code) == (0, 2, 1)
    (record, _) = push.failed(desk.project, "names")
    assert "there is none with it" in record.reason
    assert names.push("A,a", "B,b").failed == 2, "never by itself"
    assert desk.retry("names").posted == 2


def test_a_record_that_was_there_before_is_not_taken_for_the_one_that_was_sent(
    desk: Desk, line: Line, simulator: Simulator
) -> None:
    simulator.company().clock.advance(-90 * 86_400)
    create(desk, "A")
    simulator.company().clock.advance(90 * 86_400)
    names = Names(desk, "create", more="check_duplicates = false")
    line.fault = lost_request
    assert names.push("A,a").unknown == 1
    line.fault = None
    age(desk, 60)
    report = names.push("A,a")
    assert (report.posted, report.failed) == (0, 1)
    assert "the one that has it is older" in push.failed(desk.project, "names")[0].reason
    assert names.held() == {"A": "old A"}


def test_where_intacct_keeps_no_keys_a_lost_request_is_never_sent_again(
    desk: Desk, line: Line, simulator: Simulator
) -> None:
    names = Names(desk, "create")
    simulator.settings.set({"idempotency_unsupported": "accounts-receivable/customer"})
    lost(names, line, arrived=False)
    sent = len(line.posts)
    report = names.push("A,a", "B,b")
    assert (report.unknown, len(line.posts)) == (2, sent), "too early to say that it is not there"
    assert "no idempotency keys" in report.notes[0]
    age(desk, 0.1)
    assert names.push("A,a", "B,b").failed == 2
    assert names.held() == {}


def bill(number: str, **more: Any) -> dict[str, Any]:
    where = {"location": {"id": "E110"}, "department": {"id": "100"}}
    lines = [{"glAccount": {"id": "6120"}, "txnAmount": "100.10", "dimensions": where}]
    head = {"billNumber": number, "vendor": {"id": "V-2001"}, "createdDate": "2026-11-16", "dueDate": "2026-12-16"}
    return {**head, "lines": lines, **more}


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Desk]:
    """The demo company, and a project of its own."""
    with Simulator("demo") as simulator, SimulatorThread(simulator) as running:
        yield Desk.connect(tmp_path / "demo", running.url)
