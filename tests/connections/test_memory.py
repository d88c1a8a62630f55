"""What is remembered of companies: models with their age, and fields that refuse."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from tieout import catalogue
from tieout.catalogue.model import Field, Model
from tieout.connections.memory import StoreMemory
from tieout.rest.memory import MODEL_AGE, KeptModel, Memory, ProcessMemory
from tieout.store import Store, open_store
from tieout.store.tables import models

BILL = "accounts-payable/bill"


@pytest.fixture
def store(state_url: str) -> Iterator[Store]:
    with open_store(state_url) as opened:
        yield opened


@pytest.mark.parametrize("name", [BILL, "time/timesheet", "general-ledger/account", "company-config/employee"])
def test_a_model_comes_back_whole(store: Store, name: str) -> None:
    model = catalogue.load(name)
    StoreMemory(store, "production", "Acme").keep_model(name, model)
    assert StoreMemory(store, "production", "Acme").model(name) == model


def test_a_model_is_kept_under_the_name_it_was_asked_by(store: Store) -> None:
    memory = StoreMemory(store, "production", "Acme")
    memory.keep_model("order-entry/document::Sales Invoice", catalogue.load(BILL))
    assert StoreMemory(store, "production", "Acme").model("order-entry/document::Sales Invoice") is not None
    assert StoreMemory(store, "production", "Acme").model(BILL) is None


def test_an_old_model_is_asked_for_again(store: Store) -> None:
    now = 1_000_000.0
    memory = StoreMemory(store, "production", "Acme", now=lambda: now)
    memory.keep_model(BILL, catalogue.load(BILL))
    now += MODEL_AGE
    assert memory.model(BILL) is not None
    assert StoreMemory(store, "production", "Acme", now=lambda: now).model(BILL) is not None
    now += 1
    assert memory.model(BILL) is None
    assert StoreMemory(store, "production", "Acme", now=lambda: now).model(BILL) is None


def test_a_newer_model_replaces_it_for_other_programs(store: Store) -> None:
    now = 1_000_000.0
    first = StoreMemory(store, "production", "Acme", now=lambda: now)
    first.keep_model(BILL, catalogue.load(BILL))
    changed = catalogue.load("accounts-payable/vendor")
    now += MODEL_AGE + 1
    StoreMemory(store, "production", "Acme", now=lambda: now).keep_model(BILL, changed)
    assert first.model(BILL) == changed


def test_a_model_that_cannot_be_read_any_more_is_asked_for_again(store: Store) -> None:
    memory = StoreMemory(store, "production", "Acme")
    memory.keep_model(BILL, catalogue.load(BILL))
    with store.begin() as connection:
        connection.execute(models.update().values(definition=b'{"name": 7}'))
    assert StoreMemory(store, "production", "Acme").model(BILL) is None


def test_companies_and_environments_are_kept_apart(store: Store) -> None:
    StoreMemory(store, "production", "Acme").keep_unqueryable(BILL, "a", "REST-1106")
    StoreMemory(store, "production", "Acme").keep_model(BILL, catalogue.load(BILL))
    for other in (StoreMemory(store, "sandbox", "Acme"), StoreMemory(store, "production", "Acme-imp")):
        assert other.unqueryable(BILL) == {}
        assert other.model(BILL) is None


def test_fields_learnt_are_remembered_with_their_reason(store: Store) -> None:
    memory = StoreMemory(store, "production", "Acme", now=lambda: 1_000_000.0)
    memory.keep_unqueryable(BILL, "a", "REST-1106")
    memory.keep_unqueryable(BILL, "b", "REST-1106")
    memory.keep_unqueryable(BILL, "a", "REST-1106 again.")
    told = StoreMemory(store, "production", "Acme").unqueryable(BILL)
    assert told == {"a": "REST-1106 again (1970-01-12)", "b": "REST-1106 (1970-01-12)"}
    assert memory.unqueryable("accounts-payable/vendor") == {}


def changed(model: Model) -> Model:
    return msgspec.structs.replace(model, fields=model.fields | {"nsp::NEW": Field()})


@pytest.mark.parametrize("kind", ["process", "state database"])
def test_a_model_that_changed_keeps_the_one_before_until_somebody_has_looked(store: Store, kind: str) -> None:
    now = 1_000_000.0

    def opened() -> Memory:
        return StoreMemory(store, "production", "Acme", now=lambda: now)

    memory: Memory = ProcessMemory(now=lambda: now) if kind == "process" else opened()
    first = catalogue.load(BILL)
    second, third = changed(first), msgspec.structs.replace(first, methods=("GET",))
    memory.keep_unqueryable(BILL, "a", "REST-1106")
    memory.keep_model(BILL, first)
    assert list(memory.unqueryable(BILL)) == ["a"]
    for model in (first, first, second, second, third):
        memory.keep_model(BILL, model)
        now += 10
    again = memory if kind == "process" else opened()
    assert again.unqueryable(BILL) == {}, "what a new release refuses is to be learnt anew"
    assert again.kept_model(BILL) == KeptModel(model=third, fetched_at=1_000_040)
    assert again.earlier_model(BILL) == KeptModel(model=first, fetched_at=1_000_010), "before the first unseen change"
    again.forget_earlier(BILL)
    assert memory.earlier_model(BILL) is None
    memory.keep_model(BILL, first)
    found = again.earlier_model(BILL)
    assert found is not None
    assert found.model == third
    assert again.objects() == (BILL,)


def test_a_model_is_as_young_as_the_asker_wants(store: Store) -> None:
    clock = [1_000_000.0]
    for memory in (
        ProcessMemory(now=lambda: clock[0]),
        StoreMemory(store, "production", "Acme", now=lambda: clock[0]),
    ):
        memory.keep_model(BILL, catalogue.load(BILL))
        clock[0] += 60
        assert memory.model(BILL, 60) is not None
        assert memory.model(BILL, 59) is None
        assert memory.model(BILL) is not None
