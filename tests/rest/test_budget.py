"""Budgets: refused before sending, never overspent together, given back where nothing was used."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rest.conftest import World, created, json_reply, refused, session
from tieout import AsyncIntacct, Intacct, simulated
from tieout.errors import BudgetError, ConfigurationError, Exit, OutcomeUnknownError, RefusedError
from tieout.rest import Budget, InProcessTransport, operations
from tieout.rest.effects import NoAnswer
from tieout.rest.perform import perform

RECORD = json_reply(200, '{"ia::result":{"key":"7"},"ia::meta":{}}')
LOST = NoAnswer("the connection broke", sent=True)


def read():
    return operations.get_one("accounts-payable/vendor", "7")


def write():
    return operations.create("accounts-payable/vendor", {"id": "V7"})


def batch(count: int):
    return operations.post("accounts-payable/vendor", b"[]", count=count, idempotency_key="k")


def test_a_call_that_would_overspend_is_not_sent_and_the_error_says_why() -> None:
    world = World(RECORD)
    desk = session(world, budget=Budget(1))
    world.run(perform(desk, read()))
    with pytest.raises(BudgetError) as caught:
        world.run(perform(desk, read()))
    assert caught.value.exit_code == Exit.BUDGET == 7
    assert str(caught.value) == (
        "GET /objects/accounts-payable/vendor/7 was not sent: it may cost 1 transaction, and the budget of "
        "1 transaction is spent. Allow a larger budget, or ask for less."
    )
    assert len(world.sent) == 1


def test_a_batch_of_500_with_499_left_is_refused_whole() -> None:
    world = World()
    with pytest.raises(BudgetError, match="may cost 500 transactions, and 0 of the budget of 499 transactions"):
        world.run(perform(session(world, budget=Budget(499)), batch(500)))
    assert world.sent == []


def test_refused_records_and_refused_calls_are_given_back() -> None:
    mixed = json_reply(
        207,
        '{"ia::result":[{"key":"1","ia::status":201},{"ia::status":422,"ia::error":{"code":"x","message":"no"}}],'
        '"ia::meta":{"totalCount":2,"totalSuccess":1,"totalError":1}}',
    )
    world = World(mixed, refused(422, "GL-0951"))
    budget = Budget(10)
    desk = session(world, budget=budget)
    world.run(perform(desk, batch(2)))
    with pytest.raises(RefusedError):
        world.run(perform(desk, write()))
    assert budget.spent["transactions"] == desk.meter.usage.transactions == 1
    assert repr(budget) == "Budget(transactions 1 of 10)"


def test_a_retry_does_not_cost_twice_and_a_write_of_unknown_outcome_stays_counted() -> None:
    world = World(LOST, created(), *[LOST] * 5)
    budget = Budget(10)
    desk = session(world, budget=budget)
    world.run(perform(desk, write()))
    assert budget.spent["transactions"] == 1
    with pytest.raises(OutcomeUnknownError):
        world.run(perform(desk, write()))
    assert budget.spent["transactions"] == 2


def test_a_write_cancelled_on_its_way_stays_counted_and_a_read_does_not() -> None:
    for call, spent in ((write(), 1), (read(), 0)):
        budget = Budget(10)
        world = World()
        exchange = perform(session(world, budget=budget), call)
        answer: Any = None
        while type(effect := exchange.send(answer)).__name__ != "Send":
            answer = world.limiter.claim(lambda: None) if type(effect).__name__ == "Slot" else None
        exchange.close()
        assert budget.spent["transactions"] == spent


def test_calls_are_limited_with_their_retries_and_a_write_cut_off_by_it_is_of_unknown_outcome() -> None:
    world = World(LOST)
    with pytest.raises(OutcomeUnknownError, match=r"its outcome is unknown: .* may cost 1 call"):
        world.run(perform(session(world, budget=Budget(calls=1)), write()))
    assert len(world.sent) == 1


def test_what_is_left_counts_what_is_reserved_and_never_falls_below_nothing() -> None:
    budget = Budget(5, bytes=10)
    budget.reserve("a call", transactions=2, calls=1)
    budget.received(12)
    assert budget.left == {"transactions": 3, "calls": None, "bytes": 0}
    budget.give_back(transactions=2)
    assert budget.left["transactions"] == 5


def test_bytes_are_counted_both_ways() -> None:
    world = World(RECORD, RECORD)
    budget = Budget(bytes=60)
    desk = session(world, budget=budget)
    world.run(perform(desk, read()))
    assert budget.spent["bytes"] == len(RECORD.body)
    with pytest.raises(BudgetError, match="budget of 60 bytes"):
        world.run(perform(desk, operations.create("x/y", {"name": "n" * 30})))


@pytest.mark.parametrize("wrong", [-1, 1.5, "9", True])
def test_a_budget_is_a_whole_number(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="A budget of transactions is a whole number"):
        Budget(wrong)


@given(
    st.integers(0, 30), st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["all", "some", "none"])), max_size=40)
)
def test_what_is_reserved_and_spent_never_passes_the_limit(limit: int, asked: list[tuple[int, str]]) -> None:
    budget = Budget(limit)
    spent = 0
    for amount, outcome in asked:
        try:
            budget.reserve("x", transactions=amount)
        except BudgetError:
            assert spent + amount > limit, "refused although there was enough"
            continue
        used = {"all": amount, "some": amount // 2, "none": 0}[outcome]
        budget.give_back(transactions=amount - used)
        spent += used
        assert budget.spent["transactions"] == spent <= limit


class Counting:
    """A server that counts, and answers only when `together` calls have come or nobody else can."""

    def __init__(self) -> None:
        self.calls = 0

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        if "oauth2" in target:
            return 200, {}, b'{"access_token":"t","expires_in":43200}'
        self.calls += 1
        return 200, {}, RECORD.body


def test_parallel_threads_and_tasks_share_a_budget_and_never_overspend_it() -> None:
    server = Counting()
    budget = Budget(25)
    given = {"client_id": "a", "client_secret": "b", "user": "u", "company": "c", "base_url": "http://127.0.0.1:1"}
    sync = Intacct(**given, transport=InProcessTransport(server.answer), budget=budget)
    refusals: list[BudgetError] = []

    def thread() -> None:
        for _ in range(5):
            try:
                sync.call(read())
            except BudgetError as error:
                refusals.append(error)

    async def tasks() -> None:
        client = AsyncIntacct(**given, transport=InProcessTransport(server.answer), budget=budget)
        found = await asyncio.gather(*(client.call(read()) for _ in range(20)), return_exceptions=True)
        refusals.extend(each for each in found if isinstance(each, BudgetError))

    threads = [threading.Thread(target=thread) for _ in range(4)]
    for each in threads:
        each.start()
    asyncio.run(tasks())
    for each in threads:
        each.join(timeout=60)
    assert server.calls == 25
    assert len(refusals) == 15
    assert budget.spent["transactions"] == 25


def test_many_records_stop_at_the_budget_and_the_rest_is_named_unprocessed() -> None:
    with simulated("empty", budget=502) as intacct:
        result = intacct.create_many("vendors", [{"id": f"B-{n}", "name": f"Vendor {n}"} for n in range(600)])
    assert (len(result.posted), len(result.unprocessed)) == (500, 100)
    assert isinstance(result.unprocessed[0][1].error, BudgetError)
