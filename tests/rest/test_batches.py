"""Batches of both clients against a simulated company, blocking and awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tieout import simulated, simulated_async
from tieout.errors import ConfigurationError, ConflictError, NotFoundError
from tieout.rest import BatchResult, Lines
from tieout.simulator import Simulator


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator("demo") as inner:
        yield inner


class Door:
    """The methods of a client by name, blocking or awaited: what holds for one holds for the other."""

    def __init__(self, simulator: Simulator, kind: str) -> None:
        self._simulator, self._kind = simulator, kind

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            if self._kind == "blocking":
                with simulated(simulator=self._simulator) as client:
                    return getattr(client, name)(*args, **options)

            async def awaited() -> Any:
                async with simulated_async(simulator=self._simulator) as client:
                    return await getattr(client, name)(*args, **options)

            return asyncio.run(awaited())

        return call


@pytest.fixture(params=["blocking", "awaited"])
def door(request: pytest.FixtureRequest, simulator: Simulator) -> Any:
    return Door(simulator, request.param)


def states(result: BatchResult) -> list[str]:
    return [outcome.state for outcome in result]


def test_create_change_and_delete_many(door: Any, request: pytest.FixtureRequest) -> None:
    name = request.node.name[-8:]
    made = door.create_many("vendors", ({"id": f"{name}-{n}", "name": f"n{n}"} for n in range(7)))
    assert states(made) == ["posted"] * 7
    keys = [outcome.key for outcome in made]
    changed = door.update_many("vendors", [(keys[0], {"status": "inactive"}), {"key": "999999", "name": "x"}])
    assert states(changed) == ["posted", "failed"]
    assert isinstance(changed[1].error, NotFoundError)
    assert door.get("vendors", keys[0])["status"] == "inactive"
    deleted = door.delete_many("vendors", [keys[0], "999999", *keys[1:]])
    assert states(deleted) == ["posted", "failed", *["posted"] * 6]
    assert [outcome.key for outcome in deleted] == [keys[0], "999999", *keys[1:]]
    assert all(isinstance(found, NotFoundError) for found in door.get_many("vendors", keys))


def test_deleting_the_same_key_twice_deletes_it_once(door: Any, request: pytest.FixtureRequest) -> None:
    made = door.create("vendors", {"id": f"T-{request.node.name[-8:]}", "name": "n"})
    assert states(door.delete_many("vendors", [made.key, made.key])) == ["posted", "failed"]


def test_several_requests_at_once_keep_the_order(door: Any, request: pytest.FixtureRequest) -> None:
    name = request.node.name[-8:]
    mine = [{"id": f"O-{name}-{n:04}", "name": f"n{n}"} for n in range(1203)]
    mine[700] = {"id": mine[600]["id"], "name": "twin"}
    result = door.create_many("customers", mine, in_flight=4)
    assert [o.position for o in result if o.state != "posted"] == [700]
    assert [o.id for o in result if o.state == "posted"] == [m["id"] for n, m in enumerate(mine) if n != 700]


def test_an_atomic_set_with_one_bad_record_posts_none(door: Any, request: pytest.FixtureRequest) -> None:
    name = request.node.name[-8:]
    before = door.count("vendors")
    mine = [{"id": f"A-{name}-{n}", "name": "n"} for n in range(4)]
    mine[2] = {"id": mine[0]["id"], "name": "twin"}
    result = door.create_many("vendors", mine, atomic=True)
    assert states(result) == ["unprocessed", "unprocessed", "failed", "unprocessed"]
    assert door.count("vendors") == before
    assert "already exists" in str(result[2].error)


def test_lines_are_added_changed_and_deleted_through_their_owner(door: Any) -> None:
    key = next(iter(simulated(simulator=door._simulator).query("bills", ["key"], "state = 'draft'", limit=1))).key
    lines = door.get("bills", key)["lines"]
    named = {name: {"id": ref["id"]} for name, ref in lines[0]["dimensions"].items() if ref.get("id") is not None}
    same = {"glAccount": {"id": lines[0]["glAccount"]["id"]}, "dimensions": named}
    added = {"txnAmount": "10.00", "memo": "new", **same}
    door.update("bills", key, {"lines": [Lines.add(added)]})
    after = door.get("bills", key)["lines"]
    assert [line["memo"] for line in after][-1] == "new"
    assert len(after) == len(lines) + 1
    door.update("bills", key, {"lines": [Lines.change(after[-1]["key"], {"memo": "changed"})]})
    assert door.get("bills", key)["lines"][-1]["memo"] == "changed"
    door.update("bills", key, {"lines": [Lines.delete(after[-1]["key"])]})
    assert [line["key"] for line in door.get("bills", key)["lines"]] == [line["key"] for line in lines]


def test_a_line_to_add_that_has_a_key_would_change_another_and_is_refused() -> None:
    for wrong in ({"key": "7"}, {"ia::operation": "delete"}):
        with pytest.raises(ConfigurationError):
            Lines.add(wrong)
    with pytest.raises(ConfigurationError):
        Lines.delete(" ")
    for wrong in ({"key": "8"}, {"ia::operation": "delete"}):
        with pytest.raises(ConfigurationError):
            Lines.change("7", wrong)
    assert Lines.add({"key": None, "memo": "x"}) == {"memo": "x"}
    assert Lines.delete(7200) == {"key": "7200", "ia::operation": "delete"}
    assert Lines.change("7", {"memo": None}) == {"memo": None, "key": "7"}


SHAPES = [
    {"batch_items": items, "batch_item_status": statuses, "batch_status": status, "error_envelope": envelope}
    for items in ("flat", "nested", "all_nested")
    for statuses in ("always", "mixed")
    for status, envelope in (("common", "nested"), ("207", "flat"))
]


@pytest.mark.parametrize("switches", SHAPES, ids=lambda chosen: "-".join(chosen.values()))
def test_every_shape_of_answer_that_the_simulator_knows_is_read_alike(switches: dict[str, str]) -> None:
    with Simulator("empty", switches=switches) as odd, simulated(simulator=odd, check=False) as client:
        twins = [{"id": "A", "name": "a"}, {"id": "A", "name": "twin"}, {"id": "B", "name": "b"}]
        made = client.create_many("vendors", twins)
        assert states(made) == ["posted", "failed", "posted"]
        changed = client.update_many("vendors", [(made[2].key, {"name": "x"}), ("999", {}), (made[0].key, {})])
        assert states(changed) == ["posted", "failed", "posted"]
        assert states(client.create_many("vendors", twins[:2])) == ["failed", "failed"]
        assert states(client.create_many("vendors", [{"id": "C", "name": "c"}])) == ["posted"]
        atomic = client.create_many("vendors", [{"id": "D", "name": "d"}, twins[1]], atomic=True)
        assert states(atomic) == ["unprocessed", "failed"]
        assert states(client.delete_many("vendors", ["999", made[0].key])) == ["failed", "posted"]
        assert states(client.delete_many("vendors", [made[2].key])) == ["posted"]
        assert [row.id for row in client.query("vendors", ["id"])] == ["C"]


@pytest.mark.parametrize("atomic", [False, True])
def test_a_record_in_conflict_is_a_duplicate_whatever_the_status_of_the_whole(atomic: bool) -> None:
    """The key of the request cannot be what one record of it is in conflict with."""
    with Simulator("empty", switches={"duplicate_status": "409"}) as odd, simulated(simulator=odd) as client:
        client.create("vendors", {"id": "A", "name": "a"})
        for records in ([{"id": "A", "name": "twin"}], [{"id": "B", "name": "b"}, {"id": "A", "name": "twin"}]):
            error = client.create_many("vendors", records, atomic=atomic)[-1].error
            assert isinstance(error, ConflictError)
            assert error.meaning == "duplicate"


def test_an_atomic_batch_answered_by_its_one_error_has_failed_as_a_whole() -> None:
    with Simulator("empty", switches={"atomic_failure": "error"}) as odd, simulated(simulator=odd) as client:
        client.create("vendors", {"id": "A", "name": "a"})
        made = client.create_many("vendors", [{"id": "B", "name": "b"}, {"id": "A", "name": "twin"}], atomic=True)
        assert states(made) == ["failed", "failed"]
        assert client.count("vendors") == 1
