"""The documented workflow actions."""

from __future__ import annotations

from tieout import catalogue
from tieout.catalogue import index
from tieout.catalogue.actions import parameters_elsewhere


def test_the_words_of_a_reversal_differ_from_object_to_object() -> None:
    assert catalogue.actions("accounts-payable/bill")["reverse"].parameters == ("reverseDate", "notes")
    assert catalogue.actions("accounts-payable/advance")["reverse"].parameters == ("reversedDate", "memo")
    assert catalogue.actions("accounts-receivable/invoice")["reverse"].parameters == ("reversedDate", "memo")
    assert catalogue.actions("accounts-payable/payment")["reverse"].parameters == ("paymentDate", "description")
    assert parameters_elsewhere("reverse") >= {"reverseDate", "reversedDate", "notes", "memo", "description"}


def test_states_are_those_that_sage_answers() -> None:
    assert catalogue.actions("accounts-payable/bill")["submit"].states == ("posted", "submitted")
    assert catalogue.actions("accounts-receivable/payment")["submit"].states == ("completed",)
    assert catalogue.actions("accounts-payable/bill-line")["release"].states == ()


def test_a_document_of_any_type_has_the_actions_of_documents() -> None:
    documents = catalogue.actions("purchasing/document")
    assert set(documents) == {"approve", "decline", "submit"}
    assert catalogue.actions("purchasing/document::Purchase Order") == documents
    assert catalogue.actions("company-config/department") == {}


def test_every_object_with_actions_is_a_documented_object_but_one() -> None:
    named = [name for name in catalogue.names() if catalogue.actions(name)]
    spelt = {name.partition("::")[0] for name in named}
    told = [line.split(" ")[0] for line in index.text("actions.txt").splitlines()]
    assert set(told) - spelt == {"cash-management/charge-payoff"}
    assert len(told) == 69 + 3  # printed by Sage, and named in the notes of its schema
