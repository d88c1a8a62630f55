"""What the client knows of a query before it is sent: names, lists, lines, and what the company once refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.rest.conftest import World, json_reply, session
from tieout import F, Intacct, catalogue, simulated, simulated_async
from tieout.errors import CheckError, CheckWarning, ConfigurationError, InvalidRequestError
from tieout.rest.call import Reply
from tieout.rest.desk import Desk
from tieout.rest.memory import ProcessMemory
from tieout.rest.models import model
from tieout.rest.reading import checked_query, pages
from tieout.simulator import Simulator


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator("empty") as inner:
        yield inner


@pytest.fixture
def intacct(simulator: Simulator) -> Iterator[Intacct]:
    with simulated(simulator=simulator) as client:
        yield client


def problems(intacct: Intacct, object: str, fields: list[str], where: Any = None, **options: Any) -> dict[str, str]:
    with pytest.raises(CheckError) as caught:
        list(intacct.query(object, fields, where, **options))
    return {p.path: f"{p.reason} [{p.nearest}]" for p in caught.value.problems}


def test_every_mistake_of_a_query_is_named_at_once(intacct: Intacct) -> None:
    found = problems(
        intacct,
        "invoices",
        ["id", "action", "dueDat", "lines", "lines.txnAmount", "customer"],
        (F("customer.href") == "x") & (F("action") == "submit"),
        order_by=["href"],
    )
    assert found == {
        "action": "is write-only and cannot be filtered []",
        "dueDat": "is not a field of accounts-receivable/invoice [dueDate]",
        "lines": "is a list and cannot be queried; query accounts-receivable/invoice-line instead []",
        "lines.txnAmount": "is in the list lines, which cannot be queried; query accounts-receivable/invoice-line "
        "instead []",
        "customer": "is not a field but holds some [customer.id]",
        "customer.href": "cannot be used in a filter; use key []",
        "href": found["href"],
    }


def test_dimensions_of_lines_have_full_paths(intacct: Intacct) -> None:
    found = problems(intacct, "bill-lines", ["id", "department.id"], F("location.id") == "E110")
    assert "[dimensions.department.id]" in found["department.id"]
    assert "[dimensions.location.id]" in found["location.id"]


def test_a_deprecated_name_is_asked_for_and_told_once(intacct: Intacct) -> None:
    with pytest.warns(CheckWarning, match="vendor: audit.createdBy, audit.modifiedBy: are deprecated") as told:
        list(intacct.query("vendors", ["id", "audit.createdBy"], F("audit.modifiedBy") == "1"))
    assert len(told) == 1
    assert told[0].filename == __file__


def test_entities_read_inside_an_entity_are_not_all(simulator: Simulator) -> None:
    with (
        simulated(simulator=simulator, entity="E110") as intacct,
        pytest.warns(CheckWarning, match="leaves others out"),
    ):
        list(intacct.query("entities"))


def refusal(field: str) -> Reply:
    error = {
        "code": "invalidRequest",
        "message": f"The {field} field in accounts-payable/vendor object cannot be used in query in version 1",
        "errorId": "REST-1106",
        "additionalInfo": {"messageId": "x", "placeholders": {"FIELD": field}, "propertySet": {}},
    }
    return json_reply(400, json.dumps({"ia::result": {"ia::error": error}}))


@pytest.mark.parametrize("where", [None, F("notes") == "x"])
def test_a_field_that_was_refused_once_is_refused_before_sending_the_next_time(where: Any) -> None:
    definition = json_reply(200, json.dumps({"ia::result": catalogue.load("accounts-payable/vendor").to_wire()}))
    world = World(definition, refusal("notes"))
    desk = Desk(session=session(world), memory=ProcessMemory(now=lambda: 0.0))
    fields = ["id"] if where is not None else ["id", "notes"]
    with pytest.raises(InvalidRequestError):
        world.run(pages(desk, checked_query(desk, "vendors", fields, where, {}), {}, named=True))
    with pytest.raises(CheckError, match=r"notes: was refused before: The notes field .* \(1970-01-01\)"):
        world.run(pages(desk, checked_query(desk, "vendors", fields, where, {}), {}, named=True))
    assert len(world.sent) == 2, "the model, and one query"


def test_a_model_is_asked_again_where_the_caller_wants_it_younger() -> None:
    reply = json_reply(200, json.dumps({"ia::result": catalogue.load("accounts-payable/vendor").to_wire()}))
    world = World(reply, reply, reply)
    now = [0.0]
    desk = Desk(session=session(world), memory=ProcessMemory(now=lambda: now[0]))
    for clock, age, asked in ((0.0, None, 1), (50.0, None, 1), (50.0, 60, 1), (50.0, 40, 2), (51.0, 0, 3)):
        now[0] = clock
        world.run(model(desk, "vendors", age))
        assert len(world.sent) == asked
    for age in (-1, float("nan")):
        with pytest.raises(ConfigurationError):
            world.run(model(desk, "vendors", age))


def test_both_clients_refresh_a_model_on_demand(simulator: Simulator) -> None:
    async def awaited() -> str:
        async with simulated_async(simulator=simulator) as client:
            return (await client.model("vendors", max_age=0)).name

    with simulated(simulator=simulator) as client:
        assert client.model("vendors", max_age=0.0).name == asyncio.run(awaited()) == "accounts-payable/vendor"


def test_many_threads_and_tasks_ask_for_a_model_once() -> None:
    with Simulator("empty") as simulator:
        with simulated(simulator=simulator) as intacct, ThreadPoolExecutor(12) as pool:
            list(pool.map(lambda _: intacct.count("vendors"), range(12)))
            assert [entry.path for entry in intacct.log.search(path="model")] == ["/services/core/model"]

        async def together() -> int:
            async with simulated_async(simulator=simulator) as intacct:
                await asyncio.gather(*(intacct.count("vendors") for _ in range(12)))
                return len(intacct.log.search(path="model"))

        assert asyncio.run(together()) == 1
