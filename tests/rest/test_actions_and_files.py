"""Workflow actions and attachments of both clients against a simulated company."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tieout import Intacct, simulated, simulated_async
from tieout.errors import RefusedError
from tieout.simulator import Simulator


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator("demo") as inner:
        yield inner


@pytest.fixture
def intacct(simulator: Simulator) -> Iterator[Intacct]:
    with simulated(simulator=simulator) as client:
        yield client


def drafts(intacct: Intacct, number: int) -> list[str]:
    return [row.key for row in intacct.query("bills", ["key"], "state = 'draft'", limit=number)]


def test_a_draft_is_submitted_once(intacct: Intacct) -> None:
    (key,) = drafts(intacct, 1)
    moved = intacct.action("bills", key, "submit")
    assert (moved.key, moved.state) == (key, "posted")
    assert intacct.get("bills", key)["state"] == "posted"
    with pytest.raises(RefusedError):
        intacct.action("bills", key, "submit")


def test_many_are_moved_each_with_its_outcome_blocking_and_awaited(simulator: Simulator, intacct: Intacct) -> None:
    first, second, third = drafts(intacct, 3)
    result = intacct.action_many("bills", [first, "999999", second], "submit")
    assert [(o.state, o.sage_state) for o in result] == [("posted", "posted"), ("failed", None), ("posted", "posted")]

    async def awaited() -> Any:
        async with simulated_async(simulator=simulator) as client:
            one = await client.action("bills", third, "submit")
            many = await client.action_many("bills", [first, {"key": second}], "reverse", reverseDate="2099-01-01")
            return one.state, len(many)

    assert asyncio.run(awaited()) == ("posted", 2)


def test_where_bills_need_approval_submit_says_so(simulator: Simulator, intacct: Intacct) -> None:
    simulator.company().settings.set({"bill_approval": True})
    (key,) = drafts(intacct, 1)
    assert intacct.action("bills", key, "submit").state == "submitted"
    assert intacct.action("bills", key, "decline", notes="no receipt").state == "declined"
    simulator.company().settings.set({"bill_approval": False})


def test_files_are_attached_read_and_taken_away(simulator: Simulator, intacct: Intacct) -> None:
    (key,) = drafts(intacct, 1)
    done = intacct.attach("bills", key, [("a.txt", b"hello"), ("ü.bin", bytes(range(256)))], folder="Receipts")
    assert done.added == ("a.txt", "ü.bin")
    assert intacct.get("bills", key)["attachment.id"] == done.id

    async def awaited() -> Any:
        async with simulated_async(simulator=simulator) as client:
            again = await client.attach("bills", key, [("a.txt", b"hello"), ("b.txt", b"new")], folder="Receipts")
            found = await client.attached_files("bills", key)
            await client.remove_file("bills", key, found[0])
            return again.added, again.present, [(file.name, file.data, file.size) for file in found]

    added, present, found = asyncio.run(awaited())
    assert (added, present) == (("b.txt",), ("a.txt",))
    assert found == [("a.txt", b"hello", 5), ("ü.bin", bytes(range(256)), 256), ("b.txt", b"new", 3)]
    assert [file.name for file in intacct.attached_files("bills", key)] == ["ü.bin", "b.txt"]
