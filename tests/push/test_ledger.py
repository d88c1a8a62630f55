"""The ledger on both state databases: what is in flight or posted cannot be sent under another key."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec
import pytest
from sqlalchemy import event, select, update

from tests.store.test_processes import ended_process
from tieout.errors import BusyError, StoreError
from tieout.store import Store, open_store
from tieout.store.leases import Lease, leases
from tieout.store.ledger import Batch, Entry, Ledger, Result, Scope
from tieout.store.ledger_facts import Posted
from tieout.store.ledger_packed import pack
from tieout.store.ledger_tables import push_batches, push_records, push_runs

SCOPE = Scope(company="demo", environment="simulator", entity="", push="times")
BODY = b'[{"secret": "body"}]'


class Reverse:
    """A seal whose work can be seen: it turns bytes round and binds them to the context."""

    def encrypt(self, plain: bytes, context: str, owner: str) -> bytes:
        return context.encode() + b"|" + plain[::-1]

    def decrypt(self, sealed: bytes, context: str) -> bytes:
        head, _, body = sealed.partition(b"|")
        assert head == context.encode()
        return body[::-1]


@pytest.fixture
def store(state_url: str) -> Iterator[Store]:
    with open_store(state_url) as opened:
        yield opened


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store, SCOPE, Reverse())


@pytest.fixture
def lease(store: Store) -> Iterator[Lease]:
    with Lease(store, "push/test", "push test") as held:
        yield held


def batch(number: int, count: int) -> Batch:
    return Batch(
        id=f"b{number}",
        object="time/timesheet",
        method="POST",
        path="/objects/time/timesheet",
        body=BODY,
        idempotency_key=f"k{number}",
        epoch=0,
        count=count,
    )


def record(source_id: str, **more: object) -> Entry:
    given: dict[str, object] = {"payload_hash": "h", "rows": "[2,3]", "totals": "{}"} | more
    return Entry(source_id=source_id, **given)  # type: ignore[arg-type]  # a test's shorthand


def test_what_was_sent_can_be_sent_again_byte_for_byte_and_is_dropped_when_resolved(
    ledger: Ledger, lease: Lease, store: Store
) -> None:
    ledger.begin_batch(lease, "run", batch(1, 2), [record("B"), record("A")])
    (found,) = ledger.open_batches()
    assert (ledger.body("b1"), found.idempotency_key, found.count) == (BODY, "k1", 2)
    assert ledger.source_ids("b1") == ["B", "A"], "positions are those of sending, not of the alphabet"
    with store.read() as connection:
        sealed = connection.scalar(select(push_batches.c.body_sealed))
    assert b"secret" not in sealed
    assert BODY not in sealed
    ledger.resolve(lease, "b1", [Result(position=0, state="posted", sage_key="7"), Result(position=1, state="failed")])
    assert ledger.open_batches() == []
    with store.read() as connection:
        assert connection.scalar(select(push_batches.c.body_sealed)) is None


def test_what_a_killed_run_sent_is_in_flight_for_all_who_look_and_for_the_next_run(
    ledger: Ledger, lease: Lease, store: Store
) -> None:
    sums = '{"amount":1.5}'
    ledger.begin_batch(lease, "run", batch(1, 2), [record("B", totals=sums), record("A", entries=("1",), attempt=3)])
    other = Ledger(store, msgspec.structs.replace(SCOPE, push="hours"), Reverse())
    for _ in range(2):  # as the killed run left it, and as the next one takes it over
        assert not ledger.is_empty()
        assert ledger.entities() == {""}
        assert {r.source_id: (r.state, r.attempt, r.position) for r in ledger.records()} == {
            "A": ("sending", 3, 1),
            "B": ("sending", 0, 0),
        }
        assert [r.source_id for r in ledger.records(["posted", "failed"])] == []
        assert ledger.known(["B"])["B"].totals == {"amount": Decimal("1.5")}
        assert [r.source_id for r in ledger.of_batch("b1")] == ledger.source_ids("b1") == ["B", "A"]
        assert ledger.owners(["1"]) == {"1": "A"}
        assert other.elsewhere("time/timesheet", ["A", "C"]) == {"A": ("push times", None)}
        ledger.settle_left(lease)
    ledger.resolve(lease, "b1", [Result(position=0, state="posted", sage_key="7"), Result(position=1, state="failed")])
    assert {r.source_id: (r.state, r.attempt) for r in ledger.records()} == {"A": ("failed", 4), "B": ("posted", 0)}


def test_posted_records_are_the_same_to_every_reader_before_and_after_they_have_rows(
    ledger: Ledger, lease: Lease, store: Store
) -> None:
    ledger.hold(lease, "run", [record("A")])
    ledger.dismiss(lease, ["A"])
    ledger.begin_batch(lease, "run", batch(1, 3), [record("B", totals='{"amount":1.5}'), record("A"), record("D")])
    ledger.resolve(lease, "b1", posted("7", "8", "9"))
    ledger.begin_batch(lease, "run", batch(2, 2), [record("C", facts='{"x":1}'), record("E", entries=("1",))])
    ledger.resolve(lease, "b2", posted("8", "5")[::-1])
    assert rows(store) == ["A"], "written once there are many"
    other = Ledger(store, msgspec.structs.replace(SCOPE, push="hours"), Reverse())
    seen = []
    for settle in (lambda: ledger.spread(lease), lambda: None):
        fresh = Ledger(store, SCOPE, Reverse())
        assert fresh.source_ids("b1") == ["B", "A", "D"]
        seen.append(
            (
                fresh.known(["A", "B", "X"]),
                sorted(fresh.records(), key=lambda each: each.source_id),
                [each.source_id for each in fresh.records(["failed", "held", "sending", "pending"])],
                fresh.of_batch("b2"),
                (fresh.is_empty(), fresh.entities(), fresh.dismissed(), fresh.open_batches()),
                (fresh.taken(["5", "6", "8"]), list(fresh.shared_keys())),
                other.elsewhere("time/timesheet", ["A", "X"]),
            )
        )
        settle()
    assert seen[0] == seen[1]
    known, everything, not_posted, _, (_, _, dismissed, _), (taken, shared), elsewhere = seen[0]
    assert {r.source_id: (r.state, r.sage_key, r.href, r.sage_state) for r in everything} == {
        name: ("posted", key, f"/{key}", "draft") for name, key in zip("BADCE", "78985", strict=True)
    }
    assert (known["A"].position, known["B"].totals, not_posted, dismissed) == (1, {"amount": Decimal("1.5")}, [], 0)
    assert (taken, shared, elsewhere) == ({"5", "8"}, [["A", "C"]], {"A": ("push times", "8")})
    assert (rows(store), ledger.standing) == (list("ABCDE"), 0)


def test_what_was_posted_under_one_key_as_a_record_with_a_row_is_found_before_it_has_one(
    ledger: Ledger, lease: Lease
) -> None:
    ledger.begin_batch(lease, "run", batch(1, 2), [record("A"), record("B")])
    ledger.resolve(lease, "b1", posted("7", "8"))
    ledger.spread(lease)
    ledger.begin_batch(lease, "run", batch(2, 1), [record("C")])
    ledger.resolve(lease, "b2", posted("8"))
    assert list(ledger.shared_keys()) == [["B", "C"]]


def test_what_another_killed_push_to_the_object_posted_has_rows_once_somebody_has_the_lease(
    ledger: Ledger, lease: Lease, store: Store
) -> None:
    ledger.begin_batch(lease, "run", batch(1, 1), [record("A")])
    ledger.resolve(lease, "b1", posted("7"))
    other = Ledger(store, msgspec.structs.replace(SCOPE, push="hours", entity="E110"), Reverse(), operation="delete")
    other.settle_posted(lease, "accounts-payable/bill")
    assert rows(store) == []
    other.settle_posted(lease, "time/timesheet")
    assert rows(store) == ["A"]
    assert ledger.known(["A"])["A"].sage_key == "7"


def posted(*keys: str) -> list[Result]:
    return [
        Result(position=place, state="posted", sage_key=key, sage_id=f"id{key}", href=f"/{key}", sage_state="draft")
        for place, key in enumerate(keys)
    ]


def rows(store: Store) -> list[str]:
    with store.read() as connection:
        return sorted(connection.scalars(select(push_records.c.source_id)))


def test_outcomes_land_on_their_positions(ledger: Ledger, lease: Lease) -> None:
    names = [f"S{n:03}" for n in range(250)][::-1]
    ledger.begin_batch(lease, "run", batch(1, 250), [record(name) for name in names])
    results = [Result(position=p, state="posted" if p % 3 else "failed", sage_key=str(p)) for p in range(250)]
    ledger.resolve(lease, "b1", results[::-1])
    known = ledger.known(names)
    assert [(known[name].sage_key, known[name].state) for name in names] == [
        (str(p), "posted" if p % 3 else "failed") for p in range(250)
    ]


def test_facts_survive_the_round_trip(ledger: Ledger, lease: Lease) -> None:
    sums = {"lines.quantity": Decimal("15.250"), "creditLimit": Decimal(10**20)}
    ledger.begin_batch(
        lease, "run", batch(1, 1), [record("ü'\"%", totals=msgspec.json.encode(sums).decode(), entries=("1", "2"))]
    )
    error = {"message": "no", "details": [{"message": "why"}]}
    ledger.resolve(lease, "b1", [Result(position=0, state="failed", error=error)])
    known = ledger.known(["ü'\"%"])["ü'\"%"]
    assert known.totals == sums
    assert str(known.totals["lines.quantity"]) == "15.250"
    assert (known.rows, known.error, known.attempt) == ((2, 3), error, 1)
    assert ledger.owners(["1", "2", "3"]) == {"1": "ü'\"%", "2": "ü'\"%"}


@pytest.mark.parametrize("state", ["posted", "unknown"])
def test_posted_and_unknown_records_cannot_be_sent_under_another_key(ledger: Ledger, lease: Lease, state: str) -> None:
    ledger.begin_batch(lease, "run", batch(1, 1), [record("A")])
    if state == "posted":
        ledger.resolve(lease, "b1", [Result(position=0, state="posted", sage_key="7")])
    else:
        ledger.leave_open(lease, "b1", "no answer", [Result(position=0, state="unknown")])
    with pytest.raises(StoreError, match="other states"):
        ledger.begin_batch(lease, "run", batch(2, 2), [record("B"), record("A")])
    assert ledger.known(["A", "B"]).keys() == {"A"}, "nothing of the second batch was written"
    assert ledger.known(["A"])["A"].state == state
    assert [b.id for b in ledger.open_batches()] == (["b1"] if state == "unknown" else [])


def test_the_epoch_rises_with_definite_failures_only(ledger: Ledger, lease: Lease) -> None:
    ledger.begin_batch(lease, "run", batch(1, 4), [record(s) for s in "ABCD"])
    ledger.leave_open(lease, "b1", "no answer", [Result(position=p, state="unknown") for p in range(4)])
    assert {r.attempt for r in ledger.records()} == {0}
    states = ("posted", "failed", "unprocessed", "pending")
    ledger.resolve(lease, "b1", [Result(position=p, state=s) for p, s in enumerate(states)])  # type: ignore[arg-type]
    assert [r.attempt for r in ledger.records()] == [0, 1, 1, 0]
    ledger.begin_batch(lease, "run", batch(2, 1), [record("B")])
    ledger.resolve(lease, "b2", [Result(position=0, state="failed")])
    assert ledger.known(["B"])["B"].attempt == 2


def test_held_rows_without_an_id_are_forgotten_with_their_source(ledger: Ledger, lease: Lease) -> None:
    ours, theirs = "(row 7 of a_b.csv)", "(row 7 of axb.csv)"
    ledger.hold(lease, "r1", [record(name, error='{"problems": []}') for name in (ours, theirs, "H")])
    ledger.forget_rows_without_id(lease, " of a_b.csv)")
    assert [r.source_id for r in ledger.records(["held"])] == [theirs, "H"], "another file's rows stay"


def test_scopes_do_not_see_each_other(store: Store, ledger: Ledger, lease: Lease) -> None:
    ledger.begin_batch(lease, "run", batch(1, 1), [record("A", entries=("1",))])
    for changed in (
        Scope(company="other", environment="simulator", entity="", push="times"),
        Scope(company="demo", environment="production", entity="", push="times"),
        Scope(company="demo", environment="simulator", entity="E110", push="times"),
        Scope(company="demo", environment="simulator", entity="", push="bills"),
    ):
        other = Ledger(store, changed, Reverse())
        assert other.known(["A"]) == {}
        assert other.open_batches() == []
        assert other.owners(["1"]) == {}


def test_a_run_is_recorded_with_its_source_and_counts(ledger: Ledger, store: Store) -> None:
    ledger.start_run("r1", "/data/times.csv")
    ledger.finish_run("r1", "ab" * 32, 400, {"posted": 60})
    with store.read() as connection:
        row = connection.execute(select(push_runs)).one()
    assert (row.source, row.source_rows, row.counts) == ("/data/times.csv", 400, '{"posted":60}')
    assert row.finished_at >= row.started_at


def test_a_second_run_is_told_who_holds_the_first(store: Store) -> None:
    import os

    with (
        Lease(store, "push/x", "push times"),
        pytest.raises(BusyError, match=rf"push times is going on: process {os.getpid()} on "),
        Lease(store, "push/x", "push times"),
    ):
        pass
    with Lease(store, "push/x", "push times"):
        pass  # free again


@pytest.mark.parametrize("sign", ["silent", "dead"])
def test_a_dead_holder_is_replaced_and_can_write_no_more(store: Store, ledger: Ledger, sign: str) -> None:
    with Lease(store, "push/x", "push times") as first:
        with store.begin() as connection:
            gone = {"heard_at": leases.c.heard_at - 61} if sign == "silent" else {"process": ended_process()}
            connection.execute(update(leases).values(gone))
        with Lease(store, "push/x", "push times") as second:
            with pytest.raises(BusyError, match="taken over"):
                ledger.begin_batch(first, "run", batch(1, 1), [record("A")])
            ledger.begin_batch(second, "run", batch(1, 1), [record("A")])
            with pytest.raises(BusyError, match="taken over"):
                ledger.resolve(first, "b1", [Result(position=0, state="posted")])
    assert ledger.known(["A"])["A"].state == "sending"
    with store.read() as connection:
        assert connection.execute(select(leases)).all() == []


def test_a_posted_record_stays_posted_whatever_a_later_answer_says(ledger: Ledger, lease: Lease) -> None:
    ledger.begin_batch(lease, "run", batch(1, 2), [record("A"), record("B")])
    halves = [Result(position=0, state="posted", sage_key="7"), Result(position=1, state="unknown")]
    ledger.leave_open(lease, "b1", "broke off", halves)
    ledger.resolve(lease, "b1", [Result(position=0, state="failed"), Result(position=1, state="failed")])
    known = ledger.known(["A", "B"])
    assert (known["A"].state, known["A"].sage_key, known["B"].state) == ("posted", "7", "failed")


def test_what_another_push_of_the_same_books_sent_is_known(store: Store, ledger: Ledger, lease: Lease) -> None:
    records = [record("A"), record("B"), record("C")]
    ledger.begin_batch(lease, "run", batch(1, 3), records)
    answers = [Result(position=0, state="posted", sage_key="7"), Result(position=1, state="failed")]
    ledger.resolve(lease, "b1", answers)
    other = Ledger(store, Scope(company="demo", environment="simulator", entity="", push="hours"), Reverse())
    found = other.elsewhere("time/timesheet", ["A", "B", "C", "D"])
    assert found == {"A": ("push times", "7"), "C": ("push times", None)}, "posted or in flight, and nothing else"
    assert other.elsewhere("accounts-receivable/customer", ["A"]) == {}
    assert ledger.elsewhere("time/timesheet", ["A"]) == {}, "one's own records are not elsewhere"
    far = Ledger(store, Scope(company="other", environment="simulator", entity="", push="hours"), Reverse())
    assert far.elsewhere("time/timesheet", ["A"]) == {}
    relabelled = Ledger(store, Scope(company="demo", environment="sandbox", entity="", push="times"), Reverse())
    assert relabelled.elsewhere("time/timesheet", ["A"]) == {
        "A": ("this push, when the company was labelled simulator", "7")
    }
    inside = Ledger(store, Scope(company="demo", environment="simulator", entity="E110", push="times"), Reverse())
    assert inside.elsewhere("time/timesheet", ["A"]) == {"A": ("this push at the top level", "7")}
    colleague = Ledger(store, Scope(company="demo", environment="simulator", entity="E110", push="hours"), Reverse())
    assert colleague.elsewhere("time/timesheet", ["A"]) == {}, "two sections for two entities may share ids"


def test_what_a_run_announces_stays_pending_and_changes_nothing_known(ledger: Ledger, lease: Lease) -> None:
    ledger.begin_batch(lease, "run", batch(1, 1), [record("A")])
    ledger.resolve(lease, "b1", [Result(position=0, state="failed", error={"message": "no"})])
    ledger.announce(lease, "run", [record("A"), record("B", entries=("1",))])
    known = ledger.known(["A", "B"])
    assert (known["A"].state, known["A"].error) == ("failed", {"message": "no"})
    assert known["B"].state == "pending"
    assert ledger.entries(["B"]) == {"B": ["1"]}
    ledger.begin_batch(lease, "run", batch(2, 2), [record("A", attempt=1), record("B")])
    assert {r.state for r in ledger.records()} == {"sending"}


def test_what_a_run_plans_is_pending_until_it_is_sent_and_becomes_so_where_it_never_is(
    ledger: Ledger, lease: Lease, store: Store
) -> None:
    ledger.begin_batch(lease, "run 1", batch(1, 1), [record("A")])
    ledger.resolve(lease, "b1", [Result(position=0, state="failed", error={"message": "no"})])
    ledger.plan(lease, "run 2", [pack([record("A"), record("B", entries=("1",), totals='{"x":1.5}'), record("C")])])
    elsewhere = Ledger(store, msgspec.structs.replace(SCOPE, entity="E110"), Reverse())
    elsewhere.plan(lease, "run 2", [pack([record("D")])])
    assert [(r.source_id, r.state) for r in ledger.records()] == [("A", "failed"), ("B", "pending"), ("C", "pending")]
    assert [r.source_id for r in ledger.records(("posted", "failed"))] == ["A"]
    assert next((r.rows, r.totals) for r in ledger.records(("pending",))) == ((2, 3), {"x": Decimal("1.5")})
    assert ledger.entities() == {"", "E110"}
    ledger.begin_batch(lease, "run 2", batch(2, 1), [record("B", entries=("1",))])
    assert [(r.source_id, r.state) for r in ledger.records()] == [("A", "failed"), ("B", "sending"), ("C", "pending")]
    ledger.settle_left(lease)
    assert {s: r.state for s, r in ledger.known(["A", "B", "C"]).items()} == {
        "A": "failed",
        "B": "sending",
        "C": "pending",
    }
    assert elsewhere.known(["D"])["D"].state == "pending"
    assert [r.source_id for r in ledger.records()] == ["A", "B", "C"], "once each"


def test_rows_of_planned_records_belong_to_them_once_they_are_pending(ledger: Ledger, lease: Lease) -> None:
    ledger.begin_batch(lease, "run 1", batch(1, 1), [record("A", entries=("1", "2"))])
    ledger.plan(lease, "run 2", [pack([record("A", entries=("1",)), record("B", entries=("3", "4"))])])
    ledger.settle_left(lease)
    assert ledger.owners(["1", "2", "3", "4"]) == {"1": "A", "2": "A", "3": "B", "4": "B"}


def test_what_was_all_sent_is_dropped_of_its_own_run_only(ledger: Ledger, lease: Lease) -> None:
    ledger.plan(lease, "run 1", [pack([record("A")])])
    ledger.plan(lease, "run 2", [pack([record("B")])])
    ledger.drop_planned(lease, "run 2")
    assert [r.source_id for r in ledger.records()] == ["A"]


def test_dismissed_records_are_not_listed_and_keep_their_epoch(ledger: Ledger, lease: Lease) -> None:
    ledger.begin_batch(lease, "run", batch(1, 2), [record("A", entries=("1", "2")), record("B")])
    ledger.resolve(lease, "b1", [Result(position=0, state="failed"), Result(position=1, state="posted")])
    assert ledger.dismiss(lease, ["A", "B", "C"]) == ["A"], "what is posted cannot be dismissed"
    assert [r.source_id for r in ledger.records()] == ["B"]
    assert ledger.entries(["A"]) == {}
    known = ledger.known(["A"])["A"]
    assert known.attempt == 1, "the next request must have another key: Intacct remembers the refusal"
    assert known.dismissed_at is not None
    ledger.begin_batch(lease, "run", batch(2, 1), [record("A", attempt=1)])
    assert ledger.known(["A"])["A"].dismissed_at is None


def test_what_was_done_to_records_is_looked_up_record_by_record(ledger: Ledger, lease: Lease, store: Store) -> None:
    names = [f"S{number:03}" for number in range(400)]
    updates = ledger.at("update", 1)
    for number, start in enumerate(range(0, 400, 100), 1):
        updates.begin_batch(lease, "run", batch(number, 100), [record(name) for name in names[start : start + 100]])
        updates.resolve(lease, f"b{number}", [Result(position=p, state="posted") for p in range(100)])
    assert [(r.operation, r.step) for r in ledger.changes(["S007", "none"])["S007"]] == [("update", 1)]
    if store.dialect == "postgresql":
        return  # its plan is that of `among`, which tests/store/test_bulk.py holds
    said: list[str] = []

    def listen(_: object, cursor: object, statement: str, *rest: object) -> None:
        said.append(statement)

    event.listen(store._engine, "before_cursor_execute", listen)
    ledger.changes(["S007", "S300"])
    event.remove(store._engine, "before_cursor_execute", listen)
    with store.read() as connection:
        given = ("[]", *[""] * (said[-1].count("?") - 1))
        plan = connection.exec_driver_sql(f"explain query plan {said[-1]}", given).all()
    assert any("ix_push_records_later (source_id=?)" in row[-1] for row in plan), plan


def test_records_that_another_run_gave_rows_are_posted_in_those(ledger: Ledger, lease: Lease, store: Store) -> None:
    """A run of the same push to another object has a lease of its own, and settles what it finds."""
    ledger.begin_batch(lease, "run 1", batch(1, 2), [record("A"), record("B")])
    with Lease(store, "push/demo/other", "another") as theirs:
        Ledger(store, msgspec.structs.replace(SCOPE, entity="E2"), Reverse()).settle_left(theirs)
    ledger.resolve_posted(lease, "b1", Posted(["7", "8"], [None] * 2, [None] * 2, [None] * 2))
    ledger.spread(lease)
    assert {r.source_id: (r.state, r.sage_key) for r in ledger.records()} == {
        "A": ("posted", "7"),
        "B": ("posted", "8"),
    }
