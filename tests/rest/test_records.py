"""Full records: the cheapest way that is correct, what it will cost, and what happens to those deleted between."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rest.conftest import World, json_reply, refused, session
from tieout import F, Intacct, simulated, simulated_async
from tieout.catalogue import load
from tieout.errors import CheckError, InvalidRequestError, NotFoundError, ReplyError
from tieout.rest.batch import MAX_PATH
from tieout.rest.desk import Desk
from tieout.rest.memory import ProcessMemory
from tieout.rest.operations import key_problem, object_path
from tieout.rest.reading import chunks
from tieout.rest.records import record_pages, way_of
from tieout.simulator import Simulator

BILL = "accounts-payable/bill"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator("demo") as made:
        yield made


@pytest.fixture(scope="module")
def intacct(simulator: Simulator) -> Iterator[Intacct]:
    with simulated(simulator=simulator) as client:
        yield client


def test_records_with_lines_are_those_that_get_gives(intacct: Intacct) -> None:
    found = list(intacct.records("bills", F("state") == "posted", limit=40))
    assert len(found) == 40
    assert [record.as_dict() for record in found[:5]] == [intacct.get("bills", r.key).as_dict() for r in found[:5]]
    assert all(record["lines"] for record in found)


def test_without_lines_one_query_brings_the_same_values(intacct: Intacct) -> None:
    calls = intacct.meter.usage.calls  # type: ignore[attr-defined]  # the default meter counts
    found = list(intacct.records("bills", lines=False, limit=50))
    assert intacct.meter.usage.calls == calls + 1  # type: ignore[attr-defined]
    for record in found[:10]:
        whole = intacct.get("bills", record.key)
        for path in ("id", "vendor.id", "vendor.name", "totalTxnAmount", "dueDate", "audit.modifiedDateTime"):
            assert record[path] == whole[path]
        assert "lines" not in record


def test_named_fields_decide_the_way(intacct: Intacct) -> None:
    (flat,) = intacct.records("bills", fields=["vendor.id", "dueDate"], limit=1)
    assert flat.as_dict().keys() == {"vendor", "dueDate"}
    assert flat["vendor"].keys() == {"id"}
    (whole,) = intacct.records("bills", fields=["vendor.id", "lines"], limit=1)
    assert whole.as_dict().keys() == {"vendor", "lines"}
    assert whole["vendor.id"] == flat["vendor.id"]
    assert whole["lines"]


def test_a_plan_says_the_way_and_the_cost_before_anything_expensive(intacct: Intacct) -> None:
    rows = intacct.count("bills")
    plan = intacct.records("bills").plan()
    assert (plan.rows, plan.cost.transactions) == (rows, 1 + -(-rows // 500))
    assert "since lines comes only with the record" in str(plan) or "come only with the record" in str(plan)
    cheap = intacct.records("bills", lines=False, page_size=4000).plan()
    assert (cheap.cost.calls, cheap.rows) == (1, rows)
    assert "a query can name all fields" in str(cheap)
    calls = intacct.meter.usage.calls  # type: ignore[attr-defined]
    list(intacct.records("bills"))
    assert intacct.meter.usage.calls - calls == plan.cost.calls  # type: ignore[attr-defined]


@pytest.mark.parametrize("options", [{}, {"page_size": 10}, {"page_size": 7, "limit": 30}, {"limit": 0}])
@pytest.mark.parametrize("order_by", [[], ["-dueDate"]])
def test_the_plan_of_a_query_is_what_it_then_takes(intacct: Intacct, options: Any, order_by: list[str]) -> None:
    rows = intacct.query("bills", ["id"], F("state") == "posted", order_by=order_by, **options)
    plan = rows.plan()
    calls = intacct.meter.usage.calls  # type: ignore[attr-defined]
    assert len(list(rows)) == plan.rows
    assert intacct.meter.usage.calls - calls == plan.cost.calls  # type: ignore[attr-defined]


def test_the_same_to_await(simulator: Simulator, intacct: Intacct) -> None:
    async def both() -> tuple[list[str], str, list[str]]:
        async with simulated_async(simulator=simulator) as later:
            records = later.records("bills", limit=30)
            rows = later.query("bills", ["key"], page_size=7, in_flight=3, limit=30)
            plan = await records.plan()
            return [record.key async for record in records], str(plan), [row["key"] async for row in rows]

    keys, plan, rows = asyncio.run(both())
    records = intacct.records("bills", limit=30)
    assert keys == [record.key for record in records] == rows
    assert plan == str(records.plan())


def test_mistakes_are_named_before_anything_is_sent(intacct: Intacct) -> None:
    with pytest.raises(CheckError, match="vendr"):
        list(intacct.records("bills", fields=["vendr.id", "lines"]))
    with pytest.raises(TypeError, match="no option pagesize"):
        intacct.records("bills", pagesize=3)  # type: ignore[call-arg]


KEYS = st.text(st.characters(codec="utf-8", exclude_characters=","), min_size=1, max_size=300).filter(
    lambda text: not key_problem(text)
)


@given(st.lists(KEYS))
def test_no_path_is_too_long_and_no_key_is_lost(keys: list[str]) -> None:
    parts = list(chunks(BILL, keys))
    assert [key for part in parts for key in part] == keys
    for part in parts:
        assert len(part) <= 500
        assert len(object_path(BILL, part)) <= MAX_PATH or len(part) == 1


def desk(world: World) -> Desk:
    memory = ProcessMemory()
    memory.keep_model(BILL, load(BILL))
    return Desk(session=session(world), memory=memory)


def read(made: Desk, world: World, **options: Any) -> tuple[list[str], list[str]]:
    lines = options.pop("lines", None)
    fields = options.pop("fields", None)
    keys, gone = [], []

    def take(page: Any) -> None:
        keys.extend(record.key for record in page.records)
        gone.extend(page.gone)

    world.streamed = take
    world.run(record_pages(made, partial(way_of, made, BILL, fields, None, lines, {}), options))
    return keys, gone


def keys_page(*keys: str) -> Any:
    body = {
        "ia::result": [{"key": key} for key in keys],
        "ia::meta": {"totalCount": len(keys), "start": 1, "next": None},
    }
    return json_reply(200, json.dumps(body))


def items(status: int, *items: Any) -> Any:
    return json_reply(status, json.dumps({"ia::result": list(items), "ia::meta": {"totalCount": len(items)}}))


MISSING = {"ia::error": {"code": "notFound", "message": "gone"}, "ia::status": 404}


def test_a_record_deleted_between_is_left_out_and_named() -> None:
    world = World(keys_page("1", "2", "3"), items(207, {"key": "1"}, MISSING, {"key": "3"}))
    assert read(desk(world), world) == (["1", "3"], ["2"])


@pytest.mark.parametrize(
    "came",
    [
        [{"key": "1"}, {"key": "3"}],
        [{"key": "3"}, {"key": "1"}],
        [{"key": "3"}, MISSING, {"key": "1"}],
        [{"key": 1}, {"key": 3}],
    ],
)
def test_records_are_told_by_their_keys_where_items_are_left_out_or_out_of_order(came: list[Any]) -> None:
    world = World(keys_page("1", "2", "3"), items(200, *came))
    keys, gone = read(desk(world), world)
    assert (keys, gone) == (["1", "3"], ["2"])


@pytest.mark.parametrize("came", [[{"key": "9"}, {"key": "1"}], [{"key": "1"}, MISSING], [{}, {}, {}], "x"])
def test_other_records_than_those_asked_for_are_an_error(came: Any) -> None:
    world = World(keys_page("1", "2", "3"), always=items(200, *came))
    with pytest.raises(ReplyError):
        read(desk(world), world)


@pytest.mark.parametrize("word", ["item", "omit", "refuse"])
def test_a_missing_record_is_its_error_however_intacct_says_so(word: str) -> None:
    with Simulator("demo", switches={"missing_of_several": word}) as made, simulated(simulator=made) as client:
        keys = [row["key"] for row in client.query("vendors", ["key"], limit=3)]
        if word == "refuse":
            with pytest.raises(NotFoundError):
                client.get_many("vendors", [*keys, "999999"])
            return
        found = client.get_many("vendors", [keys[0], "999999", *keys[1:]])
        assert isinstance(found[1], NotFoundError)
        assert [entry.key for entry in found if not isinstance(entry, NotFoundError)] == keys


def test_where_one_missing_record_fails_the_request_those_left_are_asked_for() -> None:
    world = World(
        keys_page("1", "2", "3"), refused(404, "REST-1"), keys_page("3", "1"), items(200, {"key": "1"}, {"key": "3"})
    )
    assert read(desk(world), world) == (["1", "3"], ["2"])
    assert world.sent[-1].url.endswith("/bill/1,3")


def test_where_all_are_gone_none_is_asked_for() -> None:
    world = World(keys_page("1", "2"), refused(404, "REST-1"), keys_page())
    assert read(desk(world), world) == ([], ["1", "2"])


def test_any_other_error_of_a_record_is_raised() -> None:
    forbidden = {"ia::error": {"code": "x", "message": "not yours"}, "ia::status": 403}
    world = World(keys_page("1", "2"), items(207, {"key": "1"}, forbidden))
    with pytest.raises(Exception, match="not yours") as caught:
        read(desk(world), world)
    assert not isinstance(caught.value, NotFoundError)


def refusing(field: str) -> Any:
    error = {
        "code": "invalidRequest",
        "message": f"The {field} field cannot be used in query",
        "errorId": "REST-1106",
        "additionalInfo": {"placeholders": {"FIELD": field}},
    }
    return json_reply(400, json.dumps({"ia::result": {"ia::error": error}}))


def test_a_field_that_queries_refuse_changes_the_way_and_is_remembered() -> None:
    world = World(refusing("description"), keys_page("1"), items(200, {"key": "1", "description": "x"}))
    made = desk(world)
    assert read(made, world, lines=False) == (["1"], [])
    assert "description" in made.memory.unqueryable(BILL)
    world.steps = [keys_page("1"), items(200, {"key": "1"})]
    assert read(made, world, lines=False) == (["1"], [])


def test_a_refusal_after_the_first_rows_is_an_error_and_no_second_start() -> None:
    first = json.dumps(
        {"ia::result": [{"key": "1"}, {"key": "2"}], "ia::meta": {"totalCount": 9, "start": 1, "next": 3}}
    )
    world = World(json_reply(200, first), refusing("description"))
    with pytest.raises(InvalidRequestError):
        read(desk(world), world, lines=False, page_size=2)
