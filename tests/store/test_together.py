"""Threads that write to one SQLite file at the same time: one commit for all, and each on its own where one fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text

from tieout.errors import StoreError
from tieout.store import Store, engine, open_store

MANY = 6
WHO: ContextVar[str] = ContextVar("who")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'tieout.db'}") as opened:
        yield opened


def add(name: str) -> Callable[[Connection], str]:
    def write(transaction: Connection) -> str:
        transaction.execute(text("insert into owners values (:id, 'now')"), {"id": name})
        return name

    return write


def wait_for(store: Store, many: int) -> None:
    give_up = time.monotonic() + 20
    while store._together.waiting < many:
        assert time.monotonic() < give_up, "they do not wait"
        time.sleep(0.001)


def all_at_once(store: Store, *writes: Callable[[Connection], str]) -> list[Future[str]]:
    """Every write by a thread of its own, all waiting while somebody else writes."""
    with ThreadPoolExecutor(len(writes)) as pool:
        with store.begin():
            found = [pool.submit(store.write, write) for write in writes]
            wait_for(store, len(writes))
        return found


def names(store: Store) -> set[str]:
    with store.read() as transaction:
        return set(transaction.execute(text("select id from owners where created_at = 'now'")).scalars())


def test_they_share_a_commit_and_each_gets_its_own_answer(store: Store) -> None:
    commits = []
    event.listen(store._engine, "commit", lambda _: commits.append(1))
    found = all_at_once(store, *(add(str(number)) for number in range(MANY)))
    assert [each.result() for each in found] == ["0", "1", "2", "3", "4", "5"]
    assert len(commits) == 2, "the one that held them up, and theirs"
    assert names(store) == {"0", "1", "2", "3", "4", "5"}


@pytest.mark.parametrize("error", [LookupError("mine"), StoreError("mine")])
def test_what_one_fails_of_is_its_own(store: Store, error: Exception) -> None:
    def fail(transaction: Connection) -> str:
        add("half")(transaction)
        raise error

    *good, bad = all_at_once(store, *(add(str(number)) for number in range(MANY)), fail)
    assert [each.result() for each in good] == ["0", "1", "2", "3", "4", "5"]
    with pytest.raises(type(error), match="mine"):
        bad.result()
    assert names(store) == {"0", "1", "2", "3", "4", "5"}


def test_a_violated_constraint_is_its_own_too(store: Store) -> None:
    from sqlalchemy.exc import IntegrityError

    found = all_at_once(store, add("a"), add("a"), add("b"))
    failed = [each.exception() for each in found if each.exception()]
    assert len(failed) == 1
    assert isinstance(failed[0], IntegrityError)
    assert names(store) == {"a", "b"}


def test_one_that_is_interrupted_costs_the_others_nothing(store: Store) -> None:
    """Ctrl-C in the thread that happens to write for all."""
    pressed = []

    def press(transaction: Connection) -> str:
        if not pressed:
            pressed.append(1)
            raise KeyboardInterrupt
        return add("pressed")(transaction)

    found = all_at_once(store, press, *(add(str(number)) for number in range(MANY)))
    done = [each.result() for each in found if not isinstance(each.exception(), KeyboardInterrupt)]
    assert len(done) == MANY
    assert names(store) == set(done)


def test_each_is_done_in_the_context_of_its_own_thread(store: Store) -> None:
    def work(name: str) -> str:
        WHO.set(name)
        return store.write(lambda transaction: add(f"{name} by {WHO.get()}")(transaction))

    with ThreadPoolExecutor(MANY) as pool, store.begin():
        found = [pool.submit(work, str(number)) for number in range(MANY)]
        wait_for(store, MANY)
    assert [each.result() for each in found] == [f"{number} by {number}" for number in range(MANY)]


def test_what_another_program_holds_is_waited_for_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by one thread after the other."""
    begun = []
    with monkeypatch.context() as patch:
        patch.setattr(engine, "BUSY_SECONDS", 0.05)
        hasty = open_store(f"sqlite:///{tmp_path / 'tieout.db'}")
    event.listen(hasty._engine, "begin", lambda _: begun.append(1))
    with hasty, ThreadPoolExecutor(MANY) as pool, store.begin():
        with hasty._turn():
            found = [pool.submit(hasty.write, add(str(number))) for number in range(MANY)]
            wait_for(hasty, MANY)
        for each in found:
            with pytest.raises(StoreError, match="held by another program"):
                each.result()
    assert len(begun) == 1
    assert names(store) == set()
    assert store.write(add("later")) == "later"


def test_a_thread_that_nobody_waits_for_writes_alone(store: Store) -> None:
    assert store.write(add("alone")) == "alone"
    assert names(store) == {"alone"}
