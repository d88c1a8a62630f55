"""Slips of a caller's hand, found before anything is sent and told in one sentence; and what the parts show of
themselves at a prompt."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tieout import F, Intacct, simulated
from tieout.errors import (
    CheckError,
    CheckWarning,
    ConfigurationError,
    DeadlineError,
    OutcomeUnknownError,
    UnknownNameError,
)
from tieout.simulator import Fault, Simulator


@pytest.fixture(scope="module")
def intacct() -> Iterator[Intacct]:
    with simulated() as client:
        client.model("vendors")
        client.model("bills")
        yield client


SLIPS: list[tuple[str, Callable[[Intacct], Any], type[Exception], str]] = [
    ("a key that is none", lambda i: i.get("bills", None), ConfigurationError, "A key is text such as '46', not NoneT"),  # type: ignore[arg-type]
    ("an href as a key", lambda i: i.get("bills", "/objects/x/y/7"), ConfigurationError, "is not a key"),
    ("one bad key of many", lambda i: i.get_many("bills", ["1", None]), ConfigurationError, "not NoneT"),  # type: ignore[list-item]
    ("a change of nothing", lambda i: i.update("vendors", None, {"name": "x"}), ConfigurationError, "not NoneT"),  # type: ignore[arg-type]
    ("files for nothing", lambda i: i.attached_files("bills", None), ConfigurationError, "not NoneT"),  # type: ignore[arg-type]
    ("an order as text", lambda i: list(i.query("vendors", order_by="name")), ConfigurationError, "list of names"),
    ("a limit below zero", lambda i: list(i.query("vendors", limit=-1)), ConfigurationError, "rows from 0"),
    ("a period's name", lambda i: i.count("bills", F("dueDate") == "lastMonth"), CheckError, "such as priorMonth"),
    ("no parentheses", lambda i: F("status") == "active" & F("totalDue") > 5, TypeError, "in parentheses"),  # type: ignore[operator]
    ("an action", lambda i: i.action("bills", "7", "submitt"), UnknownNameError, "no action of accounts-payable/bill"),
]


@pytest.mark.parametrize(("act", "kind", "words"), [slip[1:] for slip in SLIPS], ids=[slip[0] for slip in SLIPS])
def test_a_slip_is_told_and_nothing_is_sent(
    intacct: Intacct, act: Callable[[Intacct], Any], kind: type[Exception], words: str
) -> None:
    before = intacct.usage.calls
    with pytest.raises(kind, match=re.escape(words)):
        act(intacct)
    assert intacct.usage.calls == before


def test_a_row_and_a_record_say_what_they_have_instead(intacct: Intacct) -> None:
    row = next(iter(intacct.query("vendors", ["id", "term.id"])))
    with pytest.raises(AttributeError, match=re.escape("no column 'term'; write row['term.id']")):
        row.term  # noqa: B018 - reading it is the mistake
    with pytest.raises(AttributeError, match=r"its columns are id, term\.id"):
        row.name  # noqa: B018
    assert not hasattr(row, "name")
    bill = intacct.get("bills", "7")
    assert (bill.get("no such"), bill.get("vendor.nam", 1)) == (None, 1)
    with pytest.raises(KeyError, match=r"did you mean vendor.name\?"):
        bill["vendor.nam"]
    with pytest.raises(KeyError, match=r"record\['lines'\]\[0\]"):
        bill["lines.txnAmount"]


def test_doubts_about_lines_name_the_path_and_no_number(intacct: Intacct) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with pytest.raises(Exception, match="required"):
            intacct.update("bills", "1", {"lines": [{"memo": "a"}, {"memo": "b"}]})
    said = [str(warning.message) for warning in told if warning.category is CheckWarning]
    assert "accounts-payable/bill: lines[].txnAmount: a create needs it" in said
    assert len(said) == len(set(said))


def test_what_is_shown_at_a_prompt_is_short_and_says_what_happened(intacct: Intacct) -> None:
    made = intacct.create_many("vendors", [{"id": "V-2001", "name": "again"}])
    assert repr(made) == "BatchResult(1 record: 0 posted, 1 failed, 0 unprocessed, 0 unknown)"
    assert repr(made[0]) == "Outcome(0, failed, RefusedError: Another record with the value already exists)"
    assert repr(intacct.model("vendors")) == "Model('accounts-payable/vendor', 149 fields, 7 lists, live)"
    assert repr(next(intacct.query("vendors", ["id"], limit=2).pages())).startswith("Page(2 of ")
    with intacct.measure() as spent:
        intacct.count("vendors")
    assert repr(spent).startswith("Usage(1 call, 1 transaction, ")
    assert "parts" not in repr(spent.by_object)


@pytest.mark.usefixtures("impatient")
def test_a_write_without_an_answer_is_the_callers_to_settle() -> None:
    simulator = Simulator("empty")
    vendor = {"id": "V-1", "name": "n"}
    with simulated(simulator=simulator) as client:
        client.model("vendors")
        simulator.traffic.faults.add(Fault(method="POST", path="/objects/*", connection="reset", when="after", times=9))
        with pytest.raises(OutcomeUnknownError) as caught:
            client.create("vendors", vendor)
        assert caught.value.whose == "yours"
        simulator.traffic.faults.clear()
        client.create("vendors", vendor, idempotency_key=caught.value.idempotency_key)
        assert client.count("vendors", private=True) == 1
    simulator.close()


def test_no_time_left_says_what_to_do(intacct: Intacct) -> None:
    with pytest.raises(DeadlineError) as caught:
        intacct.within(0.000001).count("vendors")
    assert "deadline" in caught.value.advice
