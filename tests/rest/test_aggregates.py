"""Totals: under whatever name Intacct gives them, and never a guess."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.rest.conftest import World, json_reply, session
from tieout import F, Intacct, simulated
from tieout.catalogue import load
from tieout.errors import CheckError, ConfigurationError, ReplyError
from tieout.rest import Query
from tieout.rest.aggregates import place
from tieout.rest.desk import Desk
from tieout.rest.memory import ProcessMemory
from tieout.rest.reading import reading_of, stream, totals
from tieout.simulator import Simulator

BILL = "accounts-payable/bill"
FIELDS = ("vendor.id", "sum:totalTxnAmount", "count:key")


@pytest.mark.parametrize(
    "names",
    [
        ("vendor.id", "sum:totalTxnAmount", "count:key"),
        ("vendor.id", "count:key", "sum:totalTxnAmount"),
        ("vendor.id", "sum_totalTxnAmount", "count_key"),
        ("count_key", "sum_totalTxnAmount", "vendor.id"),
        ("vendor.id", "totalTxnAmount", "key"),
        ("key", "vendor.id", "totalTxnAmount"),
        ("vendor.id", "expr1", "expr2"),
        ("sum", "vendor.id", "count"),
        ("vendor.id", "API_QUERY_ALIAS__1", "API_QUERY_ALIAS__2"),
        ("vendor.id", "sum:totalTxnAmount", "API_QUERY_ALIAS__7", "count:key"),
        ("API_QUERY_ALIAS__7", "vendor.id", "one", "two"),
    ],
)
def test_a_total_is_found_under_any_spelling(names: tuple[str, ...]) -> None:
    found = place(names, FIELDS)
    assert found["vendor.id"] == "vendor.id"
    assert "total" in found["sum:totalTxnAmount"] or "count" not in found["sum:totalTxnAmount"]
    assert found["sum:totalTxnAmount"] != found["count:key"]
    if not any("key" in name or "count" in name for name in names):
        assert names.index(found["sum:totalTxnAmount"]) < names.index(found["count:key"])
    else:
        assert found["count:key"] in ("count:key", "count_key", "key", "count")


@pytest.mark.parametrize(
    "names",
    [
        ("sum:totalTxnAmount", "count:key"),
        ("vendor.id", "one"),
        ("vendor.id", "one", "two", "three"),
        ("vendor.id", "sum:totalTxnAmount", "two", "three"),
        ("vendor.id",),
        (),
    ],
)
def test_what_cannot_be_told_apart_is_an_error(names: tuple[str, ...]) -> None:
    with pytest.raises(ReplyError):
        place(names, FIELDS)


def test_a_total_left_out_beside_others_is_null() -> None:
    assert place(("vendor.id", "count:key"), FIELDS) == {"vendor.id": "vendor.id", "count:key": "count:key"}


def test_two_totals_of_one_field_are_never_taken_for_each_other() -> None:
    fields = ("sum:totalDue", "max:totalDue")
    assert place(("totalDue", "other"), fields) == {"sum:totalDue": "totalDue", "max:totalDue": "other"}
    with pytest.raises(ReplyError):
        place(("totalDue",), fields)


def desk(world: World) -> Desk:
    memory = ProcessMemory()
    memory.keep_model(BILL, load(BILL))
    return Desk(session=session(world), memory=memory)


def rows(world: World, **options: Any) -> list[dict[str, Any]]:
    made = desk(world)
    query = Query(object=BILL, fields=FIELDS, **{n: options.pop(n) for n in ("order_by",) if n in options})
    found: list[dict[str, Any]] = []
    world.streamed = lambda page: found.extend(row.as_dict() for row in page.rows)
    world.run(stream(reading_of(made, query, load(BILL), options)))  # type: ignore[arg-type]
    return found


def reply(rows: list[dict[str, Any]], total: int, after: int | None, start: int = 1) -> Any:
    body = {"ia::result": rows, "ia::meta": {"totalCount": total, "start": start, "next": after}}
    return json_reply(200, json.dumps(body))


def group(number: int) -> dict[str, Any]:
    return {"vendor.id": f"V{number}", "sum:totalTxnAmount": f"{number}.10", "count:key": str(number)}


def test_counts_and_sums_may_be_text_or_numbers() -> None:
    numbers = {"vendor.id": None, "sum:totalTxnAmount": 12.50, "count:key": 3}
    world = World(reply([group(1), numbers], 2, None))
    assert rows(world) == [
        {"vendor.id": "V1", "sum:totalTxnAmount": Decimal("1.10"), "count:key": 1},
        {"vendor.id": None, "sum:totalTxnAmount": Decimal("12.5"), "count:key": 3},
    ]
    body = json.loads(world.sent[0].body or b"")
    assert body["orderBy"] == [{"vendor.id": "asc"}], "groups are ordered, in case they are paged"


@pytest.mark.parametrize("total", [3, 900])
def test_groups_are_read_page_after_page_whatever_the_total_counts(total: int) -> None:
    pages = [reply([group(1), group(2)], total, 3), reply([group(2), group(3)], total, None, 2)]
    if total > 3:
        pages.append(reply([group(3)], total, None, 3))
    found = rows(World(*pages), page_size=2)
    assert [row["vendor.id"] for row in found] == ["V1", "V2", "V3"]


def test_a_service_that_does_not_page_totals_is_read_once() -> None:
    everything = [group(number) for number in range(1, 6)]
    world = World(reply(everything, 500, None), always=reply(everything, 500, None))
    assert len(rows(world, page_size=2)) == 5
    assert len(world.sent) == 2


def test_in_an_order_by_total_no_group_comes_twice() -> None:
    world = World(
        reply([group(9), group(8)], 3, 3),
        reply([group(8)], 3, None, 3),
        reply([group(7), group(8), group(9)], 3, None),
    )
    found = rows(world, page_size=2, order_by=(("sum:totalTxnAmount", "desc"),))
    assert [row["vendor.id"] for row in found] == ["V9", "V8", "V7"]


@pytest.mark.parametrize(
    "row", [{"sum:totalTxnAmount": "12,5"}, {"sum:totalTxnAmount": [1]}, {"a": 1, "b": 2}, {"sum:totalTxnAmount": {}}]
)
def test_a_sum_that_is_no_number_is_an_error(row: dict[str, Any]) -> None:
    world = World(always=reply([row], 1, None))
    with pytest.raises(ReplyError):
        world.run(totals(desk(world), BILL, ["totalTxnAmount"], None, {}))


def test_nothing_matched_sums_to_nothing() -> None:
    for body in ([], [{"sum:totalTxnAmount": None}]):
        world = World(reply(body, 0, None))
        assert world.run(totals(desk(world), BILL, ["totalTxnAmount"], None, {})) == {"totalTxnAmount": None}


@pytest.fixture(scope="module")
def intacct() -> Iterator[Intacct]:
    with Simulator("demo") as simulator, simulated(simulator=simulator) as client:
        yield client


def test_groups_add_up_to_the_rows(intacct: Intacct) -> None:
    where = F("state") == "posted"
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    latest: dict[str, date] = {}
    for row in intacct.query("bills", ["vendor.id", "totalTxnAmount", "dueDate"], where):
        sums[row["vendor.id"]] += row["totalTxnAmount"]
        latest[row["vendor.id"]] = max(row["dueDate"], latest.get(row["vendor.id"], date.min))
    found = list(
        intacct.aggregate("bills", ["sum:totalTxnAmount", "max:dueDate"], where, by=["vendor.id"], page_size=7)
    )
    assert {row["vendor.id"]: row["sum:totalTxnAmount"] for row in found} == sums
    assert {row["vendor.id"]: row["max:dueDate"] for row in found} == latest
    assert [row["vendor.id"] for row in found] == sorted(sums)
    best = list(
        intacct.aggregate("bills", ["sum:totalTxnAmount"], where, by=["vendor.id"], order_by=["-sum:totalTxnAmount"])
    )
    assert [row["sum:totalTxnAmount"] for row in best] == sorted(sums.values(), reverse=True)
    (one,) = intacct.aggregate("bills", ["count:key", "sum:totalTxnAmount"], where)
    assert one["sum:totalTxnAmount"] == sum(sums.values())
    assert one["count:key"] == intacct.count("bills", where)


def test_what_is_no_aggregate_is_said(intacct: Intacct) -> None:
    for what, by in (
        (["totalTxnAmount"], []),
        ([], ["vendor.id"]),
        ("sum:totalTxnAmount", []),
        (["sum:totalTxnAmount"], ["max:dueDate"]),
        (["sum:totalTxnAmount"], "vendor.id"),
    ):
        with pytest.raises(ConfigurationError):
            intacct.aggregate("bills", what, by=by)
    with pytest.raises(CheckError, match="totalTxnAmout"):
        list(intacct.aggregate("bills", ["sum:totalTxnAmout"]))


@pytest.mark.parametrize("word", ["asked", "field", "underscore"])
@pytest.mark.parametrize("end", ["null", "zero", "absent"])
def test_totals_are_the_same_whatever_intacct_calls_them(word: str, end: str, intacct: Intacct) -> None:
    what, by = ["sum:totalTxnAmount", "max:dueDate", "count:key"], ["vendor.id"]
    wanted = [row.as_dict() for row in intacct.aggregate("bills", what, by=by)]
    with (
        Simulator("demo", switches={"aggregate_key": word, "page_end": end}) as made,
        simulated(simulator=made) as client,
    ):
        assert [row.as_dict() for row in client.aggregate("bills", what, by=by, page_size=9)] == wanted
        assert client.totals("bills", ["totalTxnAmount"]) == intacct.totals("bills", ["totalTxnAmount"])
        keys = [row["key"] for row in client.query("bills", ["key"], page_size=50, in_flight=2)]
        assert len(keys) == len(set(keys)) == client.count("bills")
