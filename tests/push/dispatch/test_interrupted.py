"""Killed, cut off or left without an answer: a rerun settles it, and each record is in Intacct exactly once."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from tests.forks import Forks
from tests.push.desk import SHEETS, Desk
from tests.push.test_push import customer
from tests.push.wire import Line, lost_answer, lost_request
from tieout import push
from tieout.errors import ForbiddenError, UnreachableError
from tieout.project import load
from tieout.rest import Reply, Request, attempt
from tieout.rest.effects import NoAnswer
from tieout.store import open_store

ROWS = [
    "1,A,2026-11-16,8,",
    "2,B,2026-11-16,7.5,",
    "3,B,2026-11-17,8,",
    "4,C,2026-11-17,7.25,",
    "5,D,2026-11-17,8,NONE",
]
ONCE = {"A": 1, "B": 1, "C": 1}


@pytest.mark.parametrize("place", ["push.after_ledger_write", "push.after_send", "push.before_result_commit"])
def test_a_kill_at_any_moment_posts_each_record_exactly_once(desk: Desk, forked: Forks, place: str) -> None:
    desk.sheets(ROWS)
    code, said = desk.child(forked, "times", place)
    assert code == -signal.SIGKILL, said
    arrived = {} if place == "push.after_ledger_write" else ONCE
    assert desk.held_by_company("timesheets", "description") == arrived
    rerun = desk.push("times")
    assert (rerun.posted, rerun.failed, rerun.unknown, rerun.replayed, rerun.ready) == (3, 1, 0, 4, 0)
    assert desk.held_by_company("timesheets", "description") == ONCE
    again = desk.push("times")
    assert (again.skipped, again.failed, again.replayed) == (3, 1, 0)


def test_what_a_killed_run_posted_is_posted_for_all_who_look_before_it_has_rows(desk: Desk, forked: Forks) -> None:
    desk.sheets(ROWS[:4])
    code, said = desk.child(forked, "times", "push.before_spread_commit")
    assert code == -signal.SIGKILL, said
    assert desk.held_by_company("timesheets", "description") == ONCE
    assert list(push.failed(desk.project)) == []
    lines = push.verify(desk.project, "times")
    assert lines
    assert all(line.ties for line in lines)
    look = desk.push("times", dry_run=True)
    assert (look.skipped, look.ready) == (3, 0)
    code, said = desk.child(forked, "times", "push.before_spread_commit")
    assert code == -signal.SIGKILL, "the next run was at it under its lease, and is killed too"
    again = desk.push("times")
    assert (again.skipped, again.posted, again.replayed, again.exit_code) == (3, 0, 0, 0)
    assert desk.held_by_company("timesheets", "description") == ONCE


@pytest.mark.parametrize("fault", [lost_answer, lost_request])
def test_an_unknown_outcome_is_settled_with_the_same_bytes_under_the_same_key(
    desk: Desk, line: Line, fault: Callable[[Request, Callable[[], Reply]], Reply]
) -> None:
    desk.sheets(ROWS)
    line.fault = fault
    report = desk.push("times")
    assert (report.unknown, report.posted, report.exit_code) == (4, 0, 1)
    assert "cannot post twice" in report.notes[0]
    left = push.failed(desk.project)
    assert {(record.state, record.whose_move) for record in left} == {("unknown", "tieout's")}
    assert all(record.advice.startswith("For 59 days the next push asks again") for record in left)
    still = desk.push("times")
    assert (still.unknown, still.ready) == (4, 0)
    line.fault = None
    settled = desk.push("times")
    assert (settled.posted, settled.failed, settled.unknown) == (3, 1, 0)
    assert len(set(line.posts)) == 1, "one body, one key, however often"
    assert desk.held_by_company("timesheets", "description") == ONCE


def test_what_was_not_yet_sent_is_not_forgotten_when_the_file_changes(desk: Desk, line: Line) -> None:
    desk.customers([customer(n) for n in range(1, 601)])
    line.fault = lost_answer
    first = desk.push(concurrency=1)
    assert (first.unknown, first.posted) == (500, 0), "a second request does not follow one in doubt"
    line.fault = None
    desk.customers([customer(900)])
    second = desk.push()
    assert second.posted == 1
    left = push.failed(desk.project, "customers")
    assert len(left) == 100
    assert {record.state for record in left} == {"pending"}
    assert any(line.ties is False for line in push.verify(desk.project, "customers"))


def test_a_changed_source_is_not_sent_while_the_old_bytes_are_in_doubt(desk: Desk, line: Line) -> None:
    desk.sheets(ROWS)
    line.fault = lost_answer
    desk.push("times")
    desk.sheets([row.replace(",7.5,", ",9,") for row in ROWS])
    line.fault = None
    report = desk.push("times")
    assert (report.changed, report.posted, report.failed) == (1, 2, 1)
    assert desk.held_by_company("timesheets", "description") == ONCE


def test_an_old_unknown_is_never_sent_again(desk: Desk, line: Line) -> None:
    desk.sheets(ROWS)
    line.fault = lost_answer
    desk.push("times")
    with open_store(desk.project.state_url) as store, store.begin() as connection:
        connection.execute(text("update push_batches set created_at = '2026-01-01T00:00:00.000000Z'"))
    line.fault = None
    sent = len(line.posts)
    report = desk.retry("times")
    assert (report.unknown, len(line.posts) - sent) == (4, 0)
    assert "Look for them in Intacct" in report.notes[0]


def test_a_reply_of_another_length_is_believed_by_nobody(desk: Desk, line: Line) -> None:
    def cut_short(_: Request, deliver: Callable[[], Reply]) -> Reply:
        reply = deliver()
        body = b'{"ia::result":[{"key":"1","id":"1"}],"ia::meta":{"totalCount":1}}'
        return Reply(200, reply.headers, body)

    desk.sheets(ROWS)
    line.fault = cut_short
    report = desk.push("times")
    assert (report.unknown, report.posted) == (4, 0)
    line.fault = None
    assert desk.push("times").posted == 3
    assert desk.held_by_company("timesheets", "description") == ONCE


def test_names_that_no_ledger_has_room_for_are_left_out_and_the_key_is_kept(desk: Desk, line: Line) -> None:
    def odd(_: Request, deliver: Callable[[], Reply]) -> Reply:
        reply = deliver()
        body = msgspec.json.decode(reply.body)
        for at, result in enumerate(body["ia::result"]):
            names = result.get("ia::result", result)
            if "key" in names:
                names |= {"id": "I" * 3_000, "href": f"/objects/\0{at}"}
        return Reply(reply.status, reply.headers, msgspec.json.encode(body))

    desk.sheets(ROWS[:4])
    line.fault = odd
    assert desk.push("times").posted == 3
    line.fault = None
    with open_store(desk.project.state_url) as store, store.begin() as connection:
        names = "select sage_id, href, sage_key is not null from push_records where state = 'posted'"
        assert [tuple(row) for row in connection.execute(text(names))] == [(None, None, True)] * 3
    assert all(line.ties for line in push.verify(desk.project, "times"))


def test_a_key_that_is_none_is_believed_by_nobody(desk: Desk, line: Line) -> None:
    def odd(_: Request, deliver: Callable[[], Reply]) -> Reply:
        reply = deliver()
        return Reply(reply.status, reply.headers, reply.body.replace(b'"key":"', b'"key":"' + b"9" * 400))

    desk.sheets(ROWS[:4])
    line.fault = odd
    report = desk.push("times")
    assert (report.unknown, report.posted) == (3, 0)
    line.fault = None
    assert desk.push("times").posted == 3
    assert desk.held_by_company("timesheets", "description") == ONCE


def test_a_request_refused_at_the_door_is_not_processed_and_a_rerun_goes_on(desk: Desk, line: Line) -> None:
    def forbidden(*_: Any) -> Reply:
        error = b'{"ia::result":{"ia::error":{"code":"forbidden","message":"You may not"}}}'
        return Reply(403, {}, error)

    desk.sheets(ROWS[:4])
    line.fault = forbidden
    with pytest.raises(ForbiddenError):
        desk.push("times")
    assert {(r.state, r.reason) for r in push.failed(desk.project)} == {("unprocessed", "You may not")}
    line.fault = None
    assert desk.push("times").posted == 3
    assert len({key for key, _ in line.posts}) == 2, "Intacct also remembers failures: a new epoch has a new key"


def test_a_door_shut_after_a_lost_answer_leaves_the_outcome_unknown(
    desk: Desk, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    def then_forbidden(request: Request, deliver: Callable[[], Reply]) -> Reply:
        if len(line.posts) == 1:
            return lost_answer(request, deliver)
        return Reply(403, {}, b'{"ia::result":{"ia::error":{"code":"forbidden","message":"You may not"}}}')

    monkeypatch.setattr(attempt, "ATTEMPTS", 2)
    monkeypatch.setattr(attempt, "FIRST_WAIT", 0.001)
    desk.sheets(ROWS)
    line.fault = then_forbidden
    with contextlib.suppress(ForbiddenError):
        assert desk.push("times").unknown == 4
    assert {record.state for record in push.failed(desk.project)} == {"unknown"}
    line.fault = None
    assert desk.push("times").posted == 3
    assert len(set(line.posts)) == 1
    assert desk.held_by_company("timesheets", "description") == ONCE


def test_an_unreachable_company_loses_nothing(desk: Desk, line: Line) -> None:
    def unreachable(*_: Any) -> Reply:
        raise NoAnswer("connection refused", sent=False)

    desk.sheets(ROWS[:4])
    line.fault = unreachable
    with pytest.raises(UnreachableError) as caught:
        desk.push("times")
    assert caught.value.exit_code == 4
    line.fault = None
    assert desk.push("times").posted == 3
    assert desk.held_by_company("timesheets", "description") == ONCE


def test_ctrl_c_between_sending_and_answer_loses_and_doubles_nothing(desk: Desk, line: Line) -> None:
    def interrupted(_: Request, deliver: Callable[[], Reply]) -> Reply:
        deliver()
        raise KeyboardInterrupt

    desk.sheets(ROWS)
    line.fault = interrupted
    with pytest.raises(KeyboardInterrupt):
        desk.push("times")
    line.fault = None
    report = desk.push("times")
    assert (report.posted, report.failed, report.replayed) == (3, 1, 4)
    assert desk.held_by_company("timesheets", "description") == ONCE


def test_a_request_refused_whole_for_one_record_is_cut_until_the_guilty_one_is_alone(desk: Desk, line: Line) -> None:
    def picky(request: Request, deliver: Callable[[], Reply]) -> Reply:
        if b"NONE" not in (request.body or b""):
            return deliver()
        error = b'{"ia::result":{"ia::error":{"code":"invalidRequest","message":"Payload contains errors"}}}'
        return Reply(400, {}, error)

    desk.sheets(ROWS)
    line.fault = picky
    report = desk.push("times")
    assert (report.posted, report.failed, report.unprocessed) == (3, 1, 0)
    (failed,) = push.failed(desk.project)
    assert (failed.source_id, failed.reason) == ("D", "Payload contains errors")


@pytest.mark.parametrize("later", [False, True])
def test_a_request_refused_whole_on_asking_again_is_cut_like_any_other(desk: Desk, line: Line, later: bool) -> None:
    unheard = [True]

    def picky(request: Request, deliver: Callable[[], Reply]) -> Reply:
        if unheard:
            unheard.clear()
            raise NoAnswer("the connection was cut", sent=True)
        return refused_as(400, "invalidRequest")(request, deliver) if b"C0003" in (request.body or b"") else deliver()

    desk.customers([customer(n) for n in range(1, 7)])
    if later:
        line.fault = lost_request
        assert desk.push().unknown == 6
        unheard.clear()
    line.fault = picky
    report = desk.push()
    assert (report.posted, report.failed, report.unprocessed, report.unknown) == (5, 1, 0, 0)
    assert [record.source_id for record in push.failed(desk.project, "customers")] == ["C0003"]
    assert len(desk.held_by_company("customers", "id")) == 5


def test_of_two_records_that_say_the_same_neither_is_taken_for_the_one_that_arrived(desk: Desk, line: Line) -> None:
    """Looked up by what they say, both would be found in the one that Intacct has."""
    described = SHEETS.replace('description = "Sheet"', 'description = "Project"').replace(
        '"lines.dimensions.project.id" = "Project"\n', ""
    )
    (desk.root / "tieout.toml").write_text(described.replace("id = ", 'identify_by = "description"\nid = ', 1))
    desk.project = load(desk.root)

    def broken_off(request: Request, _: Callable[[], Reply]) -> Reply:
        line.fault = None
        only_first = msgspec.json.encode(msgspec.json.decode(request.body or b"")[:1])
        line.send(msgspec.structs.replace(request, body=only_first), 60)
        line.fault = refused_as(409, "idempotencyKeyReserved")
        raise NoAnswer("the connection was cut", sent=True)

    desk.sheets(["1,A,2026-11-16,8,week 47", "2,B,2026-11-16,8,week 47"])
    line.fault = broken_off
    report = desk.push("times")
    assert desk.held_by_company("timesheets", "description") == {"week 47": 1}
    assert (report.posted, report.unknown, report.exit_code) == (0, 2, 1)


def test_two_records_under_one_key_of_intacct_do_not_tie(desk: Desk) -> None:
    desk.customers([customer(n) for n in range(1, 4)])
    assert all(line.ties for line in desk.push().tie_out)
    with open_store(desk.project.state_url) as store, store.begin() as connection:
        one = "select sage_key from push_records where source_id = 'C0001'"
        connection.execute(text(f"update push_records set sage_key = ({one}) where source_id = 'C0003'"))
    (wrong,) = [line for line in push.verify(desk.project, "customers") if line.ties is False and "agree" in line.what]
    assert "C0003 has the same key in Intacct as C0001" in wrong.note


def test_two_records_with_the_same_content_are_two_records(desk: Desk, line: Line) -> None:
    (desk.root / "tieout.toml").write_text(
        '[push.notes]\nobject = "timesheets"\nsource = "n.csv"\nid = "n"\n'
        '[push.notes.fields]\nbeginDate = "day"\ndescription = { constant = "same" }\n'
    )
    from tieout.project import load

    project = load(desk.root)
    for content in ("n,day\n1,2026-11-16\n", "n,day\n2,2026-11-16\n"):
        (desk.root / "n.csv").write_text(content)
        assert push.push(project, "notes").posted == 1
    assert desk.held_by_company("timesheets", "description") == {"same": 2}


def test_items_that_intacct_broke_off_at_are_settled_by_the_same_bytes(desk: Desk, line: Line) -> None:
    """The company processed everything, and its answer says 503 for some items."""

    def broken_off(_: Request, deliver: Callable[[], Reply]) -> Reply:
        items = msgspec.json.decode(deliver().body)["ia::result"]
        error = {"ia::error": {"code": "serviceUnavailable", "message": "Try again"}, "ia::status": 503}
        body = {"ia::result": [items[0], error, error, items[3]], "ia::meta": {"totalCount": 4, "totalError": 3}}
        return Reply(207, {}, msgspec.json.encode(body))

    desk.sheets(ROWS)
    line.fault = broken_off
    report = desk.push("times")
    assert (report.posted, report.unknown, report.failed, report.exit_code) == (1, 3, 0, 1)
    assert {(r.source_id, r.state) for r in push.failed(desk.project)} == {(s, "unknown") for s in "BCD"}
    retried = desk.retry("times")
    assert (retried.unknown, retried.ready) == (3, 0), "nothing goes out under another key meanwhile"
    line.fault = None
    settled = desk.retry("times")
    assert (settled.posted + settled.skipped, settled.failed, settled.unknown) == (3, 1, 0)
    desk.retry("times")
    assert len(set(line.posts[:3])) == 1
    assert desk.held_by_company("timesheets", "description") == ONCE


def test_after_a_doubtful_item_nothing_more_is_sent_until_it_is_settled(desk: Desk, line: Line) -> None:
    def broken_off(_: Request, deliver: Callable[[], Reply]) -> Reply:
        body = msgspec.json.decode(deliver().body)
        body["ia::result"][0] = {"ia::error": {"code": "serviceUnavailable", "message": "Try again"}, "ia::status": 503}
        return Reply(207, {}, msgspec.json.encode(body))

    desk.customers([{"id": f"C{n:04}", "name": f"Customer {n}"} for n in range(501)])
    line.fault = broken_off
    report = desk.push(concurrency=1)
    assert (report.posted, report.unknown, report.pending) == (499, 1, 1)
    assert len(line.posts) == 2
    assert line.posts[0] == line.posts[1], "asked once more, with the same bytes under the same key"
    (standing,) = push.standings(desk.project, "customers")
    assert standing.left == 1
    line.fault = None
    assert desk.push().exit_code == 0
    assert desk.held_by_company("customers", "id").total() == 501


def test_an_answer_lost_once_is_asked_for_at_once_and_the_push_goes_on(desk: Desk, line: Line) -> None:
    def lose_the_first(request: Request, deliver: Callable[[], Reply]) -> Reply:
        return lost_answer(request, deliver) if len(line.posts) == 1 else deliver()

    desk.customers([{"id": f"C{n:04}", "name": f"Customer {n}"} for n in range(501)])
    line.fault = lose_the_first
    report = desk.push(concurrency=1)
    assert (report.posted, report.exit_code, report.notes) == (501, 0, [])
    assert line.posts[0] == line.posts[1]
    assert len(line.posts) == 3
    assert desk.held_by_company("customers", "id").total() == 501


def refused_as(status: int, code: str, **headers: str) -> Callable[[Request, Callable[[], Reply]], Reply]:
    def fault(*_: object) -> Reply:
        body = {"ia::result": {"ia::error": {"code": code, "message": "It is there already"}}}
        return Reply(
            status, {name.replace("_", "-"): value for name, value in headers.items()}, msgspec.json.encode(body)
        )

    return fault


def test_a_definite_refusal_of_a_fresh_key_does_not_lock_the_records(desk: Desk, line: Line) -> None:
    desk.sheets(ROWS[:4])
    line.fault = refused_as(409, "conflict")
    report = desk.push("times")
    assert (report.failed, report.unknown) == (3, 0)
    assert {r.reason for r in push.failed(desk.project)} == {"It is there already"}
    line.fault = None
    assert desk.retry("times").posted == 3
    assert len({key for key, _ in line.posts}) == 2


def remembered_breakdown(_: Request, deliver: Callable[[], Reply]) -> Reply:
    deliver()
    fault = refused_as(500, "internalServerError", x_ia_idempotency_cached_date="2026-11-20T10:00:00Z")
    return fault(_, deliver)


def door_shut(*_: object) -> Reply:
    return Reply(404, {}, b'{"message":"no Route matched with those values"}')


def test_a_server_error_that_intacct_remembers_is_no_refusal(desk: Desk, line: Line) -> None:
    desk.sheets(ROWS)
    line.fault = remembered_breakdown
    report = desk.push("times")
    assert (report.failed, report.unknown) == (0, 4)
    line.fault = None
    desk.retry("times")
    desk.push("times")
    assert desk.held_by_company("timesheets", "description") == ONCE


def test_a_gateway_that_refuses_the_second_asking_says_nothing_of_the_first(desk: Desk, line: Line) -> None:
    desk.sheets(ROWS)
    line.fault = lost_answer
    desk.push("times")
    line.fault = door_shut
    assert desk.push("times").unknown == 4
    line.fault = None
    desk.retry("times")
    desk.push("times")
    assert desk.held_by_company("timesheets", "description") == ONCE


def test_a_conflict_on_asking_again_leaves_the_outcome_unknown(desk: Desk, line: Line) -> None:
    desk.sheets(ROWS)
    line.fault = lost_answer
    desk.push("times")
    line.fault = refused_as(409, "conflict")
    assert desk.push("times").unknown == 4
    line.fault = None
    assert desk.push("times").posted == 3
    assert desk.held_by_company("timesheets", "description") == ONCE


@pytest.mark.parametrize("words", ["A request with this key is in progress", "The idempotency key is reserved"])
def test_a_key_that_intacct_has_seen_before_us_leaves_the_outcome_unknown(desk: Desk, line: Line, words: str) -> None:
    """Another ledger, or one restored from a copy, sent the same request: this one settles with it, not as failed."""
    body = msgspec.json.encode({"ia::result": {"ia::error": {"code": "conflict", "message": words}}})
    desk.sheets(ROWS)
    line.fault = lambda *_: Reply(409, {}, body)
    assert desk.push("times").unknown == 4
    line.fault = None
    assert desk.push("times").posted == 3
    assert len(set(line.posts)) == 1


def test_bytes_that_cannot_be_opened_any_more_do_not_stop_the_others(desk: Desk, line: Line) -> None:
    desk.sheets(ROWS[:1])
    line.fault = lost_answer
    desk.push("times")
    with open_store(desk.project.state_url) as store, store.begin() as connection:
        connection.execute(text("update push_batches set body_sealed = x'00'"))
    line.fault = None
    desk.sheets(ROWS[:2])
    report = desk.push("times")
    assert (report.posted, report.unknown) == (1, 1)
    assert "cannot be read" in report.notes[0]
    old, asked_again, new = line.posts
    assert old == asked_again
    assert new[0] != old[0], "the old bytes were not sent again, and nothing in their place"
