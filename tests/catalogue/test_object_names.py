"""What people type for an object finds it, or they are told what would."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tieout import catalogue
from tieout.catalogue.spelling import PREFERRED
from tieout.errors import UnknownNameError

NAMES = [name for name in catalogue.names() if "::" not in name]


def plural(word: str) -> str:
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("vendor", "accounts-payable/vendor"),
        ("vendors", "accounts-payable/vendor"),
        ("Bills", "accounts-payable/bill"),
        ("accounts-payable/vendors", "accounts-payable/vendor"),
        ("objects/accounts-payable/bill", "accounts-payable/bill"),
        ("time/timesheet", "time/timesheet"),
        ("classes", "company-config/class"),
        ("entities", "company-config/entity"),
        ("journal-entries", "general-ledger/journal-entry"),
        ("journalEntry", "general-ledger/journal-entry"),
        ("journal_entry_lines", "general-ledger/journal-entry-line"),
        ("accounts", "general-ledger/account"),
        ("platform-apps/nsp::widget", "platform-apps/nsp::widget"),
        ("nsp::widget", "platform-apps/nsp::widget"),
        ("order-entry/document::Sales Invoice", "order-entry/document::Sales Invoice"),
        ("/objects/order-entry/document::Sales%20Invoice", "order-entry/document::Sales Invoice"),
        ("order-entry/document::100%25 Advance", "order-entry/document::100%25 Advance"),
        ("Purchasing/Document::PO & more", "purchasing/document::PO & more"),
    ],
)
def test_resolve(typed: str, name: str) -> None:
    assert catalogue.resolve(typed) == name


@settings(deadline=None)
@given(name=st.sampled_from(NAMES), data=st.data())
def test_every_full_name_resolves_in_any_case_and_number(name: str, data: st.DataObject) -> None:
    typed = data.draw(st.sampled_from([name, name.upper(), name.title(), plural(name)]))
    assert catalogue.resolve(typed) == name


@settings(deadline=None)
@given(name=st.sampled_from(NAMES))
def test_a_last_segment_finds_its_object_or_names_the_candidates(name: str) -> None:
    last = name.rsplit("/", 1)[1]
    same = [other for other in NAMES if other.rsplit("/", 1)[1] == last]
    if last in PREFERRED:
        assert catalogue.resolve(last) in same
    elif len(same) == 1:
        assert catalogue.resolve(last) == name
        assert catalogue.resolve(plural(last)) == name
    else:
        with pytest.raises(UnknownNameError) as caught:
            catalogue.resolve(last)
        assert set(caught.value.nearest) == set(same)


@pytest.mark.parametrize("word", ["payment", "terms", "document::Sales Invoice"])
def test_ambiguous_words_are_not_guessed(word: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        catalogue.resolve(word)
    assert "can mean" in str(caught.value)
    assert all(name in str(caught.value) for name in caught.value.nearest)


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [
        ("vendr", "accounts-payable/vendor"),
        ("accounts-payable/bil", "accounts-payable/bill"),
        ("accounts-payable/customer", "accounts-receivable/customer"),
        ("order-entri/document::X", "order-entry/document::X"),
        ("sales-invoicing/document::X", "order-entry/document::X"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest(typed: str, nearest: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        catalogue.resolve(typed)
    assert nearest in caught.value.nearest
    full = [catalogue.resolve(name) for name in caught.value.nearest]
    assert len(set(full)) == len(full), "one thing under two names"


@settings(deadline=None)
@given(text=st.text(max_size=30))
def test_resolve_answers_a_name_or_one_clear_error(text: str) -> None:
    try:
        name = catalogue.resolve(text)
    except UnknownNameError:
        return
    assert name.startswith("platform-apps/") or name in catalogue.names() or "::" in name


def test_nearest_field_names() -> None:
    paths = list(catalogue.load("accounts-payable/bill").paths())
    assert catalogue.nearest("modifiedDateTime", paths)[0] == "audit.modifiedDateTime"
    assert catalogue.nearest("id", ["vendor.id", "ids"])[0] == "vendor.id"
    assert catalogue.nearest("duedate", paths)[0] == "dueDate"
    assert catalogue.nearest("vendor.nmae", paths)[0] == "vendor.name"
    assert catalogue.nearest("xyzzy", paths) == ()
    assert len(catalogue.nearest("totalAmount", paths, n=2)) == 2


@pytest.mark.parametrize(
    ("typed", "advice"),
    [
        ("nsp::", "nsp::its_name"),
        ("platform-apps/nsp:: ", "nsp::its_name"),
        ("order-entry/document::", "Sales Invoice"),
    ],
)
def test_half_a_name_says_what_is_missing(typed: str, advice: str) -> None:
    with pytest.raises(UnknownNameError) as caught:
        catalogue.resolve(typed)
    assert advice in caught.value.advice
