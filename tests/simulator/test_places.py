"""Pages far into an answer and counts of large companies: the same rows as a plain walk, whatever was written before.

A model of the table in plain Python says what each page must hold, after loads, replacements, writes, deletions,
rollbacks and a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.simulator.companies import THING, part_model, thing_model

from tieout.simulator.company import Company
from tieout.simulator.identity import Who

ENTITIES = (None, "10", "11")
ROWS = 26_000


def record(key: int) -> dict[str, Any]:
    owner = ENTITIES[key % 3]
    made: dict[str, Any] = {"key": str(key), "id": f"T{key}", "name": f"thing {key % 7}", "amount": f"{key % 13}.00"}
    return made | ({"entity": {"key": owner}} if owner else {})


def filled(company: Company, keys: list[int]) -> Company:
    company.load(
        "company-config/entity", [{"key": "10", "id": "E110", "name": "A"}, {"key": "11", "id": "E120", "name": "B"}]
    )
    company.set_model(part_model())
    company.set_model(thing_model())
    company.add_user("admin")
    company.add_user("us", entities=("E110",))
    company.load(THING, (record(key) for key in keys))
    return company


KEYS = [n * 3 + n % 2 for n in range(1, ROWS)]  # gaps between them, as after deletions


@pytest.fixture(scope="module")
def company() -> Iterator[Company]:
    made = filled(Company("many"), KEYS)
    yield made
    made.close()


def keys_of(company: Company, who: Who, **asked: Any) -> tuple[list[int], int]:
    body = {"object": THING, "fields": ["key"], "size": 50, "orderBy": [{"key": "asc"}], **asked}
    answer = company.query(body, who)
    return [int(row["key"]) for row in answer.rows], answer.total


WHO: dict[str, tuple[Callable[[Company], Who], dict[str, Any], Callable[[int], bool]]] = {
    "everything": (lambda c: c.who("admin"), {"includePrivate": True}, lambda key: True),
    "shared only": (lambda c: c.who("admin"), {}, lambda key: key % 3 == 0),
    "one entity": (lambda c: c.who("admin", "E120"), {}, lambda key: key % 3 in (0, 2)),
    "a restricted user": (lambda c: c.who("us"), {"includePrivate": True}, lambda key: key % 3 in (0, 1)),
}
BOUND = st.one_of(st.integers(0, KEYS[-1] + 5), st.sampled_from(KEYS))
FILTER: dict[str, Callable[[int, int], Callable[[int], bool]]] = {
    "$gt": lambda low, _: lambda key: key > low,
    "$gte": lambda low, _: lambda key: key >= low,
    "$lt": lambda low, _: lambda key: key < low,
    "$lte": lambda low, _: lambda key: key <= low,
    "$between": lambda low, high: lambda key: low <= key <= high,
}


@settings(deadline=None, max_examples=150)
@given(
    who=st.sampled_from(sorted(WHO)),
    filters=st.lists(st.tuples(st.sampled_from(sorted(FILTER)), BOUND, BOUND), max_size=2),
    start=st.integers(1, ROWS + 10),
    down=st.booleans(),
)
def test_any_window_of_keys_is_paged_as_a_walk_would(
    company: Company, who: str, filters: list[tuple[str, int, int]], start: int, down: bool
) -> None:
    identity, parameters, seen = WHO[who]
    wire: list[dict[str, Any]] = []
    expected = [key for key in KEYS if seen(key)]
    for operator, low, high in filters:
        low, high = min(low, high), max(low, high)
        value = [str(low), str(high)] if operator == "$between" else str(low)
        wire.append({operator: {"key": value}})
        expected = list(filter(FILTER[operator](low, high), expected))
    if down:
        expected.reverse()
    order = [{"key": "desc" if down else "asc"}]
    page, total = keys_of(
        company, identity(company), filters=wire, start=start, orderBy=order, filterParameters=parameters
    )
    assert total == len(expected)
    assert page == expected[start - 1 : start + 49]


@pytest.mark.parametrize("order", [[], [{"name": "asc"}, {"key": "desc"}], [{"amount": "desc"}, {"id": "asc"}]])
def test_pages_of_any_order_are_those_of_one_walk(company: Company, order: list[dict[str, str]]) -> None:
    asked: dict[str, Any] = {"orderBy": order, "filterParameters": {"includePrivate": True}}
    who = company.who("admin")
    walked: list[int] = []
    for start in range(1, ROWS, 4000):
        walked += keys_of(company, who, size=4000, start=start, **asked)[0]
    assert sorted(walked) == KEYS
    for start in (20_002, 21_007, 25_990):
        assert keys_of(company, who, start=start, **asked)[0] == walked[start - 1 : start + 49]


def test_remembered_places_follow_what_is_written() -> None:
    company = filled(Company("written"), KEYS)
    who = company.who("admin")
    asked: dict[str, Any] = {"orderBy": [{"name": "asc"}, {"key": "asc"}], "filterParameters": {"includePrivate": True}}

    def expected(renamed: set[int] = frozenset(), gone: set[int] = frozenset()) -> list[int]:  # type: ignore[assignment]
        def name(key: int) -> str:
            return "aaa" if key in renamed else f"thing {key % 7}"

        return sorted((key for key in KEYS if key not in gone), key=lambda key: (name(key), key))

    def page() -> list[int]:
        return keys_of(company, who, start=22_001, **asked)[0]

    assert page() == expected()[22_000:22_050]
    company.update(THING, str(KEYS[-1]), {"amount": "1.00"}, who)  # decides nothing here
    assert page() == expected()[22_000:22_050]
    company.update(THING, str(KEYS[-1]), {"name": "aaa"}, who)
    assert page() == expected({KEYS[-1]})[22_000:22_050]
    company.delete(THING, str(KEYS[5]), who)
    assert page() == expected({KEYS[-1]}, {KEYS[5]})[22_000:22_050]
    company.close()


def delete_and_fail(company: Company, key: str, who: Who) -> None:
    with company.atomically():
        company.delete(THING, key, who)
        raise KeyError(key)


def test_counts_survive_replacement_rollback_and_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "company.db"
    company = filled(Company("kept", path), KEYS[:9000])
    who = company.who("admin")
    asked: dict[str, Any] = {"filterParameters": {"includePrivate": True}, "size": 1}
    company.load(THING, (record(key) for key in KEYS[8000:10_000]))  # a thousand of them are there already
    assert keys_of(company, who, **asked)[1] == 10_000
    with pytest.raises(KeyError):
        delete_and_fail(company, str(KEYS[0]), who)
    assert keys_of(company, who, **asked)[1] == 10_000
    made = company.create(THING, {"name": "new"}, who)
    company.delete(THING, str(KEYS[1]), who)
    company.delete(THING, str(KEYS[2]), who)
    expected = [*(key for key in KEYS[:10_000] if key not in KEYS[1:3]), int(made["key"])]
    company.close()
    again = Company("kept", path)
    who = again.who("admin")
    assert keys_of(again, who, **asked)[1] == 9999
    for start in (1, 4097, 8000, 9999):
        assert keys_of(again, who, start=start, filterParameters={"includePrivate": True}) == (
            expected[start - 1 : start + 49],
            9999,
        )
    again.close()


def test_a_file_from_before_is_counted_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "company.db"
    company = filled(Company("old", path), KEYS[:5000])
    for word in ("insert", "delete", "update"):
        company._db.execute(f'DROP TRIGGER "{THING} census {word}"')
    company._db.execute('DELETE FROM "ia::census"')
    company.close()
    again = Company("old", path)
    asked: dict[str, Any] = {"start": 4990, "filterParameters": {"includePrivate": True}}
    assert keys_of(again, again.who("admin"), **asked) == (KEYS[4989:5000], 5000)
    again.close()


def test_keys_that_are_no_numbers_are_counted_by_walking() -> None:
    company = filled(Company("odd"), KEYS[:100])
    company.load(THING, [{"key": "QUJD", "name": "base64"}])
    page, total = keys_of(company, company.who("admin"), filterParameters={"includePrivate": True}, size=10)
    assert (page, total) == (KEYS[:10], 101)
    company.close()
