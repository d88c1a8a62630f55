"""What calls cost: counted, added up, said in words."""

from __future__ import annotations

from tieout.rest import Cost


def test_costs_add_up_and_are_said_in_words() -> None:
    total = sum([Cost(1, 1), Cost(2, 1500)], Cost())
    assert total == Cost(calls=3, transactions=1501)
    assert str(total) == "3 calls, 1,501 transactions"
    assert str(Cost(1, 1)) == "1 call, 1 transaction"
