"""Reading through the client and the wire, held against plain Python: filters of every kind, and rows that change while
they are read, whatever keys compare as."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simulator.companies import THING, thing_model
from tieout import F, Filter, Intacct, simulated, simulated_async
from tieout.rest.filters import condition
from tieout.simulator import Simulator
from tieout.simulator.company import Company

WORDS = [
    "",
    "a",
    "A",
    "Ada & Sons",
    "ada",
    "Straße",
    "STRASSE",
    "%",
    "_",
    "O'Brien",
    "naïve",
    "z" * 30,
    "10",
    "9",
    " a ",
]
DAYS = [date(2026, 1, 31) + timedelta(days=n) for n in (-40, -1, 0, 1, 28, 59, 400)]
MOMENTS = [
    datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC) + timedelta(seconds=n) for n in (-86400, -1, 0, 1, 3600, 86400)
]
AMOUNTS = [Decimal(text) for text in ("-10.00", "0.00", "0.01", "9.99", "10.00", "1234567890.12")]
RATES = [-2.5, 0, 0.1, 1, 3, 1e6]
NULL = None


def rows() -> list[dict[str, Any]]:
    """Eighty records with nulls in every column, the same every time."""
    draw = random.Random(7)

    def some(values: list[Any]) -> Any:
        return draw.choice([*values, None])

    return [
        {
            "key": str(draw.choice([7, 60, 800]) * 100 + number),
            "id": f"T{number:03}",
            "name": some(WORDS),
            "status": draw.choice(["active", "inactive"]),
            "amount": some(AMOUNTS),
            "count": some([-1, 0, 5, 12]),
            "rate": some(RATES),
            "flag": some([True, False]),
            "day": some(DAYS),
            "moment": some(MOMENTS),
            "box.colour": some(["red", "Red", "blue"]),
            "tags": some([["a"], ["a", "b"], []]),
        }
        for number in range(80)
    ]


ROWS = rows()


def wire(row: dict[str, Any]) -> dict[str, Any]:
    made = {name: value for name, value in row.items() if name != "box.colour"}
    made |= {"box": {"colour": row["box.colour"]}}
    for name in ("day", "moment", "amount"):
        value = made[name]
        made[name] = value and value.strftime("%Y-%m-%dT%H:%M:%SZ") if name == "moment" else value and str(value)
    if row["amount"] is not None:
        made["amount"] = str(row["amount"])
    return made


@pytest.fixture(scope="module")
def company() -> Iterator[tuple[Simulator, Company]]:
    with Simulator("empty") as simulator:
        made = simulator.company()
        made.set_model(thing_model())
        made.load(THING, [wire(row) for row in ROWS])
        yield simulator, made


@pytest.fixture(scope="module")
def intacct(company: tuple[Simulator, Company]) -> Iterator[Intacct]:
    with simulated(simulator=company[0]) as client:
        yield client


TEXTS = st.sampled_from([*WORDS, "a", "St", "son", "e"])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "name": TEXTS,
    "id": st.sampled_from(["T000", "T040", "T079", "T", "U"]),
    "box.colour": st.sampled_from(["red", "Red", "RED", "green"]),
    "amount": st.sampled_from([*AMOUNTS, Decimal("9.995"), Decimal("1e3")]),
    "count": st.sampled_from([-1, 0, 4, 5, 99]),
    "rate": st.sampled_from([*RATES, Decimal("0.1")]),
    "day": st.sampled_from(DAYS),
    "moment": st.sampled_from(MOMENTS),
}
MACROS: dict[str, tuple[date, date]] = {
    "today": (date(2026, 1, 31), date(2026, 1, 31)),
    "yesterday": (date(2026, 1, 30), date(2026, 1, 30)),
    "currentMonth": (date(2026, 1, 1), date(2026, 1, 31)),
    "priorYear": (date(2025, 1, 1), date(2025, 12, 31)),
}
SIGNS: dict[str, Callable[[Any, Any], bool]] = {
    "$eq": lambda a, b: a == b,
    "$ne": lambda a, b: a != b,
    "$lt": lambda a, b: a < b,
    "$lte": lambda a, b: a <= b,
    "$gt": lambda a, b: a > b,
    "$gte": lambda a, b: a >= b,
}
SPELT: dict[str, Callable[[str, str], bool]] = {
    "$contains": lambda a, b: b in a,
    "$startsWith": str.startswith,
    "$endsWith": str.endswith,
}
Test = Callable[[dict[str, Any], bool], bool]
Leaf = tuple[Filter, Test]
"""A filter, and the plain Python that says which rows it selects (case sensitive or not)."""


def fold(value: Any, sensitive: bool) -> Any:
    return value.casefold() if isinstance(value, str) and not sensitive else value


def number(value: Any) -> Any:
    return Decimal(str(value)) if isinstance(value, int | float) and not isinstance(value, bool) else value


def leaf(path: str, filter: Filter, holds: Callable[[Any, bool], bool]) -> Leaf:
    return filter, lambda row, sensitive: row[path] is not None and holds(number(row[path]), sensitive)


def compared(path: str, sign: str, wanted: Any) -> Leaf:
    made = {
        "$eq": lambda f: f == wanted, "$ne": lambda f: f != wanted, "$lt": lambda f: f < wanted,
        "$lte": lambda f: f <= wanted, "$gt": lambda f: f > wanted, "$gte": lambda f: f >= wanted,
    }[sign](F(path))  # fmt: skip
    return leaf(path, made, lambda a, s: SIGNS[sign](fold(a, s), fold(number(wanted), s)))


def listed(path: str, wanted: list[Any], negated: bool) -> Leaf:
    made = F(path).not_in(wanted) if negated else F(path).in_(wanted)
    return leaf(path, made, lambda a, s: (fold(a, s) in [fold(number(w), s) for w in wanted]) != negated)


def ranged(path: str, low: Any, high: Any, negated: bool) -> Leaf:
    made = F(path).not_between(low, high) if negated else F(path).between(low, high)
    inside = lambda a, s: fold(number(low), s) <= fold(a, s) <= fold(number(high), s)  # noqa: E731
    return leaf(path, made, lambda a, s: inside(a, s) != negated)


def spelt(path: str, word: str, text: str, negated: bool) -> Leaf:
    operator = f"$not{word[1].upper()}{word[2:]}" if negated else word
    made = condition(operator, path, text)
    return leaf(path, made, lambda a, s: SPELT[word](fold(a, s), fold(text, s)) != negated)


def macro(path: str, sign: str, name: str) -> Leaf:
    first, last = MACROS[name]

    def holds(actual: Any, _: bool) -> bool:
        day = actual.date() if isinstance(actual, datetime) else actual
        return {
            "$eq": first <= day <= last, "$ne": not first <= day <= last, "$lt": day < first, "$lte": day <= last,
            "$gt": day > last, "$gte": day >= first,
        }[sign]  # fmt: skip

    return leaf(path, condition(sign, path, name), holds)


def empty(path: str, negated: bool) -> Leaf:
    made = F(path) != NULL if negated else F(path) == NULL
    return made, lambda row, _: (row[path] is None) != negated


PATHS = st.sampled_from(sorted(VALUES))
SIGN = st.sampled_from(sorted(SIGNS))
LEAVES: st.SearchStrategy[Leaf] = st.one_of(
    PATHS.flatmap(lambda p: st.builds(compared, st.just(p), SIGN, VALUES[p])),
    PATHS.flatmap(lambda p: st.builds(listed, st.just(p), st.lists(VALUES[p], min_size=1, max_size=4), st.booleans())),
    PATHS.flatmap(lambda p: st.builds(ranged, st.just(p), VALUES[p], VALUES[p], st.booleans())),
    st.builds(
        spelt, st.sampled_from(["name", "id", "box.colour"]), st.sampled_from(sorted(SPELT)), TEXTS, st.booleans()
    ),
    st.builds(
        macro, st.sampled_from(["day", "moment"]), st.sampled_from(sorted(SIGNS)), st.sampled_from(sorted(MACROS))
    ),
    st.builds(empty, st.sampled_from([*sorted(VALUES), "flag"]), st.booleans()),
    st.booleans().map(lambda yes: leaf("flag", F("flag") == yes, lambda a, _: a == yes)),
    st.sampled_from(["active", "inactive"]).map(lambda w: compared("status", "$eq", w)),
    st.sampled_from(["a", "b", "c"]).map(lambda tag: leaf("tags", F("tags").has(tag), lambda a, _: tag in a)),
)


def joined(left: Leaf, right: Leaf, both: bool) -> Leaf:
    if both:
        return left[0] & right[0], lambda row, s: left[1](row, s) and right[1](row, s)
    return left[0] | right[0], lambda row, s: left[1](row, s) or right[1](row, s)


TREES = st.recursive(LEAVES, lambda inner: st.builds(joined, inner, inner, st.booleans()), max_leaves=8)


@settings(max_examples=400)
@given(tree=TREES, sensitive=st.booleans(), raw=st.booleans())
def test_a_filter_selects_the_rows_that_python_would(intacct: Intacct, tree: Leaf, sensitive: bool, raw: bool) -> None:
    filter, holds = tree
    wanted = {row["key"] for row in ROWS if holds(row, sensitive)}
    options: Any = {"case_sensitive": sensitive, "as_of": date(2026, 1, 31), "page_size": 30, "in_flight": 2}
    where: Any = filter
    if raw:
        where, options["expression"] = filter.to_wire()
    found = [row["key"] for row in intacct.query(THING, ["key"], where, **options)]
    assert found == sorted(wanted, key=int)


@pytest.mark.parametrize(
    ("comparison", "agree"), [("numeric", True), ("text", True), ("text_filters", False), ("text_order", False)]
)
def test_whether_keys_agree_is_asked_once_and_only_with_keys_that_show_it(comparison: str, agree: bool) -> None:
    with Simulator("empty", switches={"key_comparison": comparison}) as simulator:
        made = simulator.company()
        made.set_model(thing_model())
        made.load(THING, [{"key": str(number), "name": "a"} for number in range(1, 30)])
        with simulated(simulator=simulator) as client:
            assert client.keys_agree(THING) is None
            assert client.keys_agree(THING, ["10", "11", "12"]) is None
            assert client.usage.calls == 0
            keys = [row["key"] for row in client.query(THING, ["key"])]
            spent = client.usage.transactions
            assert client.keys_agree(THING, keys) is agree
            assert client.keys_agree(THING) is agree
            assert client.usage.transactions == spent + 1


@pytest.mark.parametrize("comparison", ["numeric", "text", "text_filters", "text_order"])
@pytest.mark.parametrize("paging", ["offset", "keyset"])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_rows_that_stay_come_once_while_others_come_and_go(comparison: str, paging: Any, asynchronous: bool) -> None:
    draw = random.Random(f"{comparison} {paging}")
    keys = [str(number) for number in range(1, 260)]
    with Simulator("empty", switches={"key_comparison": comparison}) as simulator:
        made = simulator.company()
        made.set_model(thing_model())
        made.load(THING, [{"key": key, "name": key} for key in keys])
        who, stayed, added = made.who("admin"), set(keys), []

        def disturb() -> None:
            for key in draw.sample(sorted(stayed), 12):
                made.delete(THING, key, who)
                stayed.discard(key)
            added.extend(made.create(THING, {"name": "new", "parts": [{"weight": 1}]}, who)["key"] for _ in range(5))

        options: Any = {"page_size": 20, "in_flight": 3, "paging": paging}
        found: list[str] = []
        if asynchronous:

            async def read() -> None:
                async with simulated_async(simulator=simulator) as later:
                    async for page in later.query(THING, ["name"], **options).pages():
                        found.extend(row["name"] for row in page.rows)
                        disturb()

            asyncio.run(read())
        else:
            with simulated(simulator=simulator) as client:
                for page in client.query(THING, ["name"], **options).pages():
                    found.extend(row["name"] for row in page.rows)
                    disturb()
    old = [name for name in found if name != "new"]
    assert len(old) == len(set(old))
    assert stayed <= set(old)
    assert old == sorted(old, key=str if comparison in ("text", "text_order") else int)
    assert len(found) - len(old) <= len(added)


def test_leaving_early_asks_for_no_more(company: tuple[Simulator, Company]) -> None:
    with simulated(simulator=company[0]) as client:
        iterator = iter(client.query(THING, ["name"], page_size=10, in_flight=2))
        next(iterator)
        calls = client.meter.usage.calls  # type: ignore[attr-defined]  # the default meter counts
        iterator.close()  # type: ignore[attr-defined]  # a generator
        assert client.meter.usage.calls == calls  # type: ignore[attr-defined]
