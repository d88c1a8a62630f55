"""What calls cost: counted, added up, said in words."""

from __future__ import annotations

import pytest

from tieout import simulated
from tieout.rest import Cost, CountingMeter, Try
from tieout.rest.meter import work_of


def test_costs_add_up_and_are_said_in_words() -> None:
    total = sum([Cost(1, 1), Cost(2, 1500)], Cost())
    assert total == Cost(calls=3, transactions=1501)
    assert str(total) == "3 calls, 1,501 transactions"
    assert str(Cost(1, 1)) == "1 call, 1 transaction"


def test_usage_is_counted_by_object_operation_and_entity() -> None:
    with simulated("empty") as intacct:
        with intacct.measure() as spent:
            intacct.create_many(
                "vendors", [{"id": f"M-{n}", "name": "x"} for n in range(3)] + [{"id": "M-0", "name": "y"}]
            )
            list(intacct.with_entity("E110").query("vendors", ["id"]))
        assert spent.by_operation["create"].transactions == 3, "a refused record is not counted"
        assert spent.by_object["accounts-payable/vendor"].calls == spent.calls - spent.renewals
        assert spent.by_entity["E110"].by_object == {}
        assert set(spent.by_operation) == {"token", "create", "model", "query"}
        assert spent.renewals == 1
        before = spent.calls
        intacct.count("vendors")
        assert spent.calls == before, "what comes after the block does not count"
        assert intacct.usage.calls > before
        assert intacct.usage.bytes_sent > 0
        assert intacct.company_usage == intacct.usage


def test_a_usage_less_an_earlier_one_is_what_was_used_since() -> None:
    meter = CountingMeter()
    facts = {"method": "GET", "path": "/objects/a/b/1", "status": 200, "sent": 1, "received": 2, "seconds": 0.5}
    meter.record(Try(**facts, transactions=1, object="a/b", operation="read"))
    before = meter.usage
    meter.record(Try(**facts, transactions=1, object="a/b", operation="read", attempt=2, waited=1, slept=3))
    meter.record(Try(**facts, transactions=0, object="a/c", operation="list", entity="E1"))
    since = meter.usage - before
    assert (since.calls, since.transactions, since.retries, since.waiting, since.slept) == (2, 1, 1, 1, 3)
    assert {name: part.calls for name, part in since.by_object.items()} == {"a/b": 1, "a/c": 1}
    assert str(since.cost) == "2 calls, 1 transaction"
    assert (meter.usage - meter.usage).by_object == {}


@pytest.mark.parametrize(
    ("method", "path", "work"),
    [
        ("GET", "/objects/accounts-payable/bill/7", ("accounts-payable/bill", "read")),
        ("GET", "/objects/accounts-payable/bill", ("accounts-payable/bill", "list")),
        ("POST", "/objects/accounts-payable/bill", ("accounts-payable/bill", "create")),
        ("PATCH", "/objects/accounts-payable/bill/7", ("accounts-payable/bill", "update")),
        ("DELETE", "/objects/accounts-payable/bill/7", ("accounts-payable/bill", "delete")),
        ("POST", "/workflows/accounts-payable/bill/submit", ("accounts-payable/bill", "submit")),
        ("POST", "/services/core/query", ("", "query")),
        ("POST", "/oauth2/token", ("", "token")),
        ("POST", "/", ("", "")),
    ],
)
def test_what_a_path_is_about(method: str, path: str, work: tuple[str, str]) -> None:
    assert work_of(method, path) == work
