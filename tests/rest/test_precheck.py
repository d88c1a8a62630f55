"""What a client does with a body before it is sent: ask the company's model, refuse at once, warn once."""

from __future__ import annotations

import asyncio
import json
import warnings
from typing import Any

import pytest

from tests.rest.conftest import World, created, json_reply, refused, session
from tieout import AsyncIntacct, Intacct, catalogue, simulated, simulated_async
from tieout.errors import CheckError, CheckWarning, InvalidRequestError, UnknownNameError
from tieout.rest.call import Reply
from tieout.rest.desk import Desk
from tieout.rest.memory import ProcessMemory
from tieout.rest.writing import create, create_many, update

BILL = {
    "vendor": {"id": "V-1001"},
    "createdDate": "2026-01-31",
    "dueDate": "2026-02-28",
    "lines": [{"txnAmount": "1.00", "glAccount": {"id": "6000"}, "dimensions": {"location": {"id": "E110"}}}],
}


def model_reply(name: str) -> Reply:
    return json_reply(200, json.dumps({"ia::result": catalogue.load(name).to_wire(), "ia::meta": {}}))


def desk(world: World, **options: Any) -> Desk:
    return Desk(session=session(world, **options), memory=ProcessMemory(), check=True)


def test_a_wrong_body_is_refused_before_anything_is_sent_and_the_model_is_asked_once() -> None:
    world = World(model_reply("accounts-payable/vendor"), created())
    at = desk(world)
    for _ in range(2):
        with pytest.raises(CheckError, match="nmae: is not a field of accounts-payable/vendor"):
            world.run(create(at, "vendors", {"id": "V1", "name": "n", "nmae": "n"}))
    assert [request.method for request in world.sent] == ["GET"]
    assert world.run(create(at, "vendors", {"id": "V1", "name": "n"})).key == "7"
    assert [request.method for request in world.sent] == ["GET", "POST"]


def test_the_models_of_lines_are_asked_for_only_where_lines_are_sent() -> None:
    world = World(model_reply("accounts-payable/bill"), created(), model_reply("accounts-payable/bill-line"))
    at = desk(world)
    world.run(update(at, "bills", "7", {"description": "x"}))
    wrong = {"department": {"id": "D"}, "txnAmount": "1", "glAccount": {"id": "1"}, "allocation": {"id": "1"}}
    with pytest.raises(CheckError, match=r"lines\[0\].department.*dimensions.department"):
        world.run(create(at, "bills", BILL | {"lines": [wrong]}))
    assert [r.url.rpartition("/")[2].partition("?")[0] for r in world.sent] == ["model", "7", "model"]


def test_a_batch_names_the_record_and_sends_none() -> None:
    world = World(model_reply("accounts-payable/vendor"))
    records = [{"id": "A", "name": "a"}, {"id": "B"}, {"id": "C", "name": "c", "status": "activ"}]
    with pytest.raises(CheckError) as caught:
        world.run(create_many(desk(world), "vendors", records))
    assert [(p.path, p.nearest) for p in caught.value.problems] == [("[1].name", ""), ("[2].status", "active")]
    assert caught.value.message.startswith("The batch of 3 for accounts-payable/vendor has 2 problems: [1].name: ")
    assert len(world.sent) == 1


@pytest.mark.parametrize(("client", "call"), [(True, False), (False, None)])
def test_a_body_is_sent_as_it_is_where_no_check_is_wanted(client: bool, call: bool | None) -> None:
    world = World(created())
    at = Desk(session=session(world), memory=ProcessMemory(), check=client)
    world.run(create(at, "vendors", {"whatever": [1]}, check=call))
    assert json.loads(world.sent[0].body) == {"whatever": [1]}


def test_a_company_that_will_not_show_its_model_gets_warnings_from_the_catalogue() -> None:
    world = World(refused(403, "x"), created())
    with pytest.warns(CheckWarning, match="accounts-payable/vendor: nmae: is not a field .*did you mean 'name'"):
        world.run(create(desk(world), "vendors", {"id": "V1", "name": "n", "nmae": "n"}))
    assert world.sent[1].method == "POST"


def test_an_object_the_company_does_not_have_is_said_before_sending() -> None:
    world = World(json_reply(200, '{"ia::result":[],"ia::meta":{}}'))
    with pytest.raises(UnknownNameError):
        world.run(create(desk(world), "vendors", {"id": "V1", "name": "n"}))


def test_a_transaction_definition_without_a_model_is_left_to_intacct() -> None:
    world = World(json_reply(200, '{"ia::result":[],"ia::meta":{}}'), created())
    body = {"txnDate": "2026-01-31", "nonsense": 1}
    with pytest.warns(CheckWarning, match="nonsense"):
        world.run(create(desk(world), "order-entry/document::Sales Invoice", body))
    assert world.sent[1].method == "POST"


def test_a_doubt_is_told_once_for_a_batch_and_at_the_line_of_the_caller() -> None:
    with simulated("empty", user="us") as intacct, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sheets = [{"beginDate": "2026-01-05"} for _ in range(3)]
        intacct.create_many("timesheets", sheets)
        told = [w for w in caught if w.category is CheckWarning]
    assert [str(w.message) for w in told] == ["time/timesheet: employee: a create usually needs it"]
    assert told[0].filename == __file__


@pytest.fixture
def intacct() -> Any:
    with simulated("empty") as client:
        yield client


def test_both_clients_check_every_write(intacct: Intacct) -> None:
    before = intacct.count("vendors", private=True)
    for write in (
        lambda: intacct.create("vendors", {"id": "X", "nam": "n"}),
        lambda: intacct.update("vendors", "1", {"id": "X"}),
        lambda: intacct.create_many("vendors", [{"id": "X", "nam": "n"}]),
    ):
        with pytest.raises(CheckError):
            write()
    assert intacct.count("vendors", private=True) == before
    with pytest.raises(InvalidRequestError):
        intacct.create("vendors", {"id": "X", "nam": "n"}, check=False)
    with intacct.with_entity("E110") as inside, pytest.raises(CheckError):
        inside.update("vendors", "1", {"status": "gone"})


def test_the_async_client_checks_too() -> None:
    async def check(client: AsyncIntacct) -> None:
        async with client:
            for write in (
                client.create("vendors", {"id": "X", "nam": "n"}),
                client.update("vendors", "1", {"id": "X"}),
                client.create_many("vendors", [{"id": "X", "nam": "n"}]),
            ):
                with pytest.raises(CheckError):
                    await write
            with pytest.raises(InvalidRequestError):
                await client.create("vendors", {"id": "X", "nam": "n"}, check=False)

    asyncio.run(check(simulated_async("empty")))


def test_a_client_can_be_told_not_to_check() -> None:
    with simulated("empty", check=False) as intacct, pytest.raises(InvalidRequestError):
        intacct.create("vendors", {"id": "X", "nam": "n"})
