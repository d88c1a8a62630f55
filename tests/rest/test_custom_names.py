"""Names that only a company knows: custom fields and objects, dimensions of its own, types of documents."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rest.conftest import World, json_reply, session
from tieout import F, Intacct, catalogue, simulated, simulated_async
from tieout.catalogue.model import Field, Model, Ref
from tieout.errors import CheckError
from tieout.rest import operations
from tieout.rest.desk import Desk
from tieout.rest.memory import ProcessMemory
from tieout.rest.writing import create_many, delete_many
from tieout.simulator import Simulator

CHANNEL = "platform-apps/nsp::channel"
INVOICE = "order-entry/document::Sales Invoice"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_type_of_document_makes_one_segment_of_a_path(name: str) -> None:
    path = operations.object_path(f"order-entry/document::{name}", ["4"])
    assert path.isascii()
    assert not set(path) & set(" ?#\"'<>\n")
    assert path.count("/") == 4


def test_paths_are_encoded_as_hrefs_are() -> None:
    assert operations.object_path(INVOICE, ["453"]) == "/objects/order-entry/document::Sales%20Invoice/453"
    assert operations.object_path(CHANNEL) == "/objects/platform-apps/nsp::channel"
    assert operations.object_path("purchasing/document::A/B 100%") == "/objects/purchasing/document::A%2FB%20100%25"


def test_batches_of_documents_go_to_their_type() -> None:
    posted = json_reply(201, json.dumps({"ia::result": [{"key": "1"}]}))
    world = World(posted, json_reply(204, ""))
    desk = Desk(session=session(world), memory=ProcessMemory())
    world.run(create_many(desk, INVOICE, [{"customer": {"id": "C"}, "nsp::REGION": "west"}]))
    world.run(delete_many(desk, INVOICE, ["7", "8"]))
    paths = [request.url.rpartition("/ia/api/v1")[2] for request in world.sent]
    assert paths == [
        "/objects/order-entry/document::Sales%20Invoice",
        "/objects/order-entry/document::Sales%20Invoice/7,8",
    ]
    assert json.loads(world.sent[0].body or b"")[0]["nsp::REGION"] == "west"


def channel_model() -> Model:
    return Model(
        name=CHANNEL,
        methods=("GET", "POST", "PATCH", "DELETE"),
        fields={
            "key": Field(read_only=True),
            "id": Field(create_only=True),
            "href": Field(read_only=True),
            "name": Field(),
            "nsp::REGION": Field(enum=("west", "east")),
        },
    )


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """A company with a custom object, and vendors that refer to it and have a custom field."""
    with Simulator("empty") as inner:
        company = inner.company()
        company.set_model(channel_model())
        vendor = copy.deepcopy(catalogue.load("accounts-payable/vendor"))
        vendor.fields["nsp::GRADE"] = Field()
        vendor.refs["nsp::channel"] = Ref(object=CHANNEL, fields={"key": Field(), "href": Field(read_only=True)})
        company.set_model(vendor)
        yield inner


@pytest.fixture
def intacct(simulator: Simulator) -> Iterator[Intacct]:
    with simulated(simulator=simulator) as client:
        yield client


def test_the_life_of_a_custom_record(intacct: Intacct) -> None:
    made = intacct.create_many("nsp::channel", [{"id": "WEB", "name": "Web", "nsp::REGION": "west"}, {"id": "SHOP"}])
    assert [outcome.state for outcome in made] == ["posted", "posted"]
    assert made[0].href == f"/objects/{CHANNEL}/{made[0].key}"
    rows = list(intacct.query(CHANNEL, ["id", "nsp::REGION"], F("nsp::REGION") == "west"))
    assert [(row.id, row["nsp::REGION"]) for row in rows] == [("WEB", "west")]
    assert intacct.count(CHANNEL, "nsp::REGION = 'west'") == 1
    intacct.update_many(CHANNEL, [(made[1].key, {"nsp::REGION": "east"})]).raise_if_any()
    assert intacct.get(CHANNEL, made[1].key)["nsp::REGION"] == "east"
    assert intacct.model("nsp::channel").fields["nsp::REGION"].enum == ("west", "east")
    intacct.delete_many(CHANNEL, [outcome.key for outcome in made]).raise_if_any()
    assert intacct.count(CHANNEL) == 0


def test_custom_fields_and_references_inside_a_standard_object(simulator: Simulator, intacct: Intacct) -> None:
    channel = intacct.create(CHANNEL, {"id": "POST", "name": "Post"})
    body = {"id": "V-1", "name": "n", "nsp::GRADE": "A", "nsp::channel": {"key": channel.key}}
    made = intacct.create("vendors", body)
    record = intacct.get("vendors", made.key)
    assert (record["nsp::GRADE"], record["nsp::channel.key"]) == ("A", channel.key)
    (row,) = intacct.query("vendors", ["id", "nsp::channel.key"], F("nsp::GRADE") == "A")
    assert row["nsp::channel.key"] == channel.key

    async def awaited() -> list[Any]:
        async with simulated_async(simulator=simulator) as client:
            changed = await client.update_many("vendors", [(made.key, {"nsp::GRADE": None})])
            return [changed[0].state, (await client.get("vendors", made.key))["nsp::GRADE"]]

    assert asyncio.run(awaited()) == ["posted", None]


def test_a_custom_name_that_the_company_does_not_have_is_named_before_anything_is_sent(intacct: Intacct) -> None:
    with pytest.raises(CheckError) as caught:
        intacct.create_many("vendors", [{"id": "V-2", "name": "n", "nsp::GRAD": "A"}])
    (problem,) = caught.value.problems
    assert (problem.path, problem.nearest) == ("[0].nsp::GRAD", "nsp::GRADE")
