"""Reading page after page while others work: every row that stays comes once, none twice, whatever keys compare as."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.rest.conftest import World, json_reply, session
from tests.rest.shelf import COMPARE, Change, Shelf
from tieout.catalogue.model import Field, Model
from tieout.errors import ReplyError
from tieout.rest import F, Query
from tieout.rest.memory import ProcessMemory
from tieout.rest.paging import Reading
from tieout.rest.reading import stream
from tieout.rest.rows import key_of, page_decoder, row_type

MODEL = Model(name="time/timesheet-line", fields={"key": Field(), "lineNumber": Field(type="integer")})
ROW = row_type(MODEL, ["key", "lineNumber"])


def reading(world: World, memory: ProcessMemory | None = None, **options: Any) -> Reading[Any]:
    asked = {name: options.pop(name) for name in ("order_by", "where", "start") if name in options}
    return Reading(
        session=session(world),
        memory=memory or ProcessMemory(),
        query=Query(object=MODEL.name, fields=("key", "lineNumber"), **asked),
        parse=page_decoder(ROW),
        identity=key_of,
        **options,
    )


def read(shelf: Any, **options: Any) -> list[str]:
    """The keys, in the order delivered."""
    world = World(always=shelf)
    keys: list[str] = []
    world.streamed = lambda page: keys.extend(row.key for row in page.rows)
    world.run(stream(reading(world, **options)))
    return keys


KEYS = st.integers(1, 130).map(str)
ROWS = st.dictionaries(KEYS, st.integers(0, 5), max_size=25)


def put(key: str, value: int) -> Change:
    return lambda rows: rows.__setitem__(key, value)


def add(key: str, value: int) -> Change:
    return lambda rows: rows.setdefault(key, value)


def drop(keys: list[str]) -> Change:
    return lambda rows: [rows.pop(key, None) for key in keys]


def move(key: str, value: int) -> Change:
    return lambda rows: rows.update({key: value}) if key in rows else None


def both(changes: list[Change]) -> Change:
    return lambda rows: [change(rows) for change in changes]


CHANGE = st.one_of(
    st.builds(add, KEYS, st.integers(0, 5)),
    st.builds(drop, st.lists(KEYS, max_size=6)),
    st.builds(move, KEYS, st.integers(0, 5)),
)
CHANGES = st.lists(st.lists(CHANGE, max_size=4).map(both), max_size=30)
WORDS = st.sampled_from(["numeric", "text"])


ROUND_A_HUNDRED = {"2": 0, "3": 0, "4": 0, "5": 0, "101": 0, "102": 0, "103": 0}


@settings(max_examples=400, deadline=None)
# Of two pages with a deletion and an addition between them nobody can tell which of two rows comes first: taken for
# neighbours, 100 and 3 seemed to show that filter and order compare alike, and row 2 was missed.
@example(
    rows=ROUND_A_HUNDRED,
    changes=[drop(["102"]), add("100", 0), drop(["3"])],
    order="numeric",
    filter="text",
    paging="offset",
    way="-key",
    size=2,
    in_flight=2,
)
@given(
    rows=ROWS,
    changes=CHANGES,
    order=WORDS,
    filter=WORDS,
    paging=st.sampled_from(["offset", "keyset"]),
    way=st.sampled_from(["key", "-key"]),
    size=st.integers(1, 6),
    in_flight=st.integers(1, 4),
)
def test_every_row_that_stays_comes_once_in_the_order_of_keys(
    rows: dict[str, int],
    changes: list[Change],
    order: str,
    filter: str,
    paging: str,
    way: str,
    size: int,
    in_flight: int,
) -> None:
    shelf = Shelf(rows, order=order, filter=filter, changes=changes)
    direction = "desc" if way == "-key" else "asc"
    found = read(shelf, order_by=(("key", direction),), size=size, in_flight=in_flight, paging=paging)
    assert len(found) == len(set(found)), "a row came twice"
    assert shelf.stayed <= set(found), "a row that was there all the time is missing"
    kept = [key for key in found if key in shelf.stayed]
    assert kept == sorted(kept, key=COMPARE[order], reverse=way == "-key")


@settings(max_examples=300, deadline=None)
@given(rows=ROWS, changes=CHANGES, order=WORDS, size=st.integers(1, 6), in_flight=st.integers(1, 4), way=WORDS)
def test_in_an_order_of_ones_own_a_row_that_moves_still_comes_once(
    rows: dict[str, int], changes: list[Change], order: str, size: int, in_flight: int, way: str
) -> None:
    shelf = Shelf(rows, order=order, filter=order, changes=changes)
    direction = "desc" if way == "text" else "asc"
    found = read(shelf, order_by=(("lineNumber", direction),), size=size, in_flight=in_flight)
    assert len(found) == len(set(found))
    assert shelf.stayed <= set(found)


@settings(max_examples=200, deadline=None)
# 11 is deleted when it was just delivered, and the page still meets at 10: what follows is put before 11 in memory, and
# must not be asked for from there when it is forgotten.
@example(
    rows={str(number): 0 for number in range(1, 16) if number != 9},
    changes=[drop([])] * 3 + [add("16", 0), both([add("9", 0), drop(["11"])]), drop([]), drop(["1"])],
    order="numeric",
    size=2,
    in_flight=1,
)
@given(rows=ROWS, changes=CHANGES, order=WORDS, size=st.integers(1, 4), in_flight=st.integers(1, 4))
def test_a_short_memory_never_repeats_or_loses_a_row_silently(
    rows: dict[str, int], changes: list[Change], order: str, size: int, in_flight: int
) -> None:
    shelf = Shelf(rows, order=order, filter=order, changes=changes)
    with contextlib.suppress(ReplyError):
        found = read(shelf, size=size, in_flight=in_flight, keep=3)
        assert len(found) == len(set(found))
        assert shelf.stayed <= set(found)


@settings(deadline=None)
@given(rows=ROWS, order=WORDS, size=st.integers(1, 6), in_flight=st.integers(1, 4), limit=st.integers(0, 30))
def test_a_quiet_company_is_read_in_as_few_pages_as_there_are(
    rows: dict[str, int], order: str, size: int, in_flight: int, limit: int
) -> None:
    shelf = Shelf(rows, order=order, filter=order)
    wanted = sorted(rows, key=COMPARE[order])
    assert read(shelf, size=size, in_flight=in_flight) == wanted
    assert len(shelf.asked) == max(1, -(-len(rows) // size))
    shelf.asked.clear()
    assert read(shelf, size=size, in_flight=in_flight, limit=limit) == wanted[:limit]
    assert len(shelf.asked) == -(-min(limit, max(len(rows), 1)) // size)
    assert all(body["size"] <= size + 1 for body in shelf.asked)


MANY = {str(number): 0 for number in range(1, 31)}


@pytest.mark.parametrize("words", ["numeric", "text"])
def test_key_set_paging_asks_by_the_last_key_once_two_keys_have_shown_that_it_may(words: str) -> None:
    shelf, memory = Shelf(MANY, order=words, filter=words), ProcessMemory()
    assert read(shelf, size=5, paging="keyset", memory=memory) == sorted(MANY, key=COMPARE[words])
    assert len(shelf.asked) == 7, "six pages, and one question about two keys"
    shelf.asked.clear()
    read(shelf, size=5, paging="keyset", memory=memory)
    assert [("filters" in body, body["start"]) for body in shelf.asked] == [(False, 1), *[(True, 1)] * 5]


@pytest.mark.parametrize(("order", "filter"), [("numeric", "text"), ("text", "numeric")])
def test_key_set_paging_is_given_up_where_filter_and_order_disagree(order: str, filter: str) -> None:
    shelf, memory = Shelf(MANY, order=order, filter=filter), ProcessMemory()
    assert read(shelf, size=5, paging="keyset", memory=memory) == sorted(MANY, key=COMPARE[order])
    assert sum("filters" in body for body in shelf.asked) == 1
    shelf.asked.clear()
    assert read(shelf, size=5, paging="keyset", memory=memory) == sorted(MANY, key=COMPARE[order])
    assert not any("filters" in body for body in shelf.asked)


def test_a_server_that_gives_smaller_pages_than_asked_for_is_read_in_full() -> None:
    for in_flight in (1, 3):
        shelf = Shelf(MANY, most=4)
        assert read(shelf, size=10, in_flight=in_flight) == list(MANY)


def test_deleted_rows_shift_nothing_out_of_sight() -> None:
    shelf = Shelf(MANY, changes=[drop(["1", "2", "5"]), drop(["8", "9"])])
    assert read(shelf, size=5) == [str(n) for n in range(1, 31) if n not in (8, 9)]


def page(start: Any, after: Any, *keys: str, total: Any = 9):
    body = {
        "ia::result": [{"key": key} for key in keys],
        "ia::meta": {"totalCount": total, "next": after, "start": start},
    }
    return json_reply(200, json.dumps(body))


def scripted(*pages: Any, **options: Any) -> list[str]:
    world = World(*pages)
    keys: list[str] = []
    world.streamed = lambda found: keys.extend(row.key for row in found.rows)
    world.run(stream(reading(world, **options)))
    assert not world.steps
    return keys


def test_pages_overlap_by_a_row_and_end_when_nothing_promises_more() -> None:
    world = World(page(1, 3, "a", "b", total=4), page(2, 5, "b", "c", "d", total=4), page(4, None, "d", total=4))
    keys: list[str] = []
    world.streamed = lambda found: keys.extend(row.key for row in found.rows)
    world.run(stream(reading(world, size=2)))
    assert keys == ["a", "b", "c", "d"]
    bodies = [json.loads(request.body or b"") for request in world.sent]
    assert [(body["start"], body["size"]) for body in bodies] == [(1, 2), (2, 3), (4, 3)]


@pytest.mark.parametrize("total", [None, 0, "", "nothing"])
def test_without_a_total_next_decides(total: Any) -> None:
    assert scripted(page(1, 3, "a", "b", total=total), page(2, None, "b", "c", total=total), size=2) == ["a", "b", "c"]


@pytest.mark.parametrize("after", [0, None, "0"])
def test_without_a_next_the_total_decides(after: Any) -> None:
    assert scripted(page(1, after, "a", "b", total=3), page(2, after, "b", "c", total=3), size=2) == ["a", "b", "c"]


def test_a_page_longer_than_asked_for_is_taken_as_it_is() -> None:
    assert scripted(page(1, 5, "a", "b", "c", "d", total=5), page(4, None, "d", "e", total=5), size=2) == list("abcde")


@pytest.mark.parametrize(
    "pages",
    [
        [page(1, 1, "a", "b")],
        [page(1, 3, "a", "b"), page(2, 1, "b", "c")],
        [page(1, 3)],
        [page(1, 3, "a", "b"), page(2, 9, "b")],
    ],
)
def test_an_impossible_page_stops_the_reading(pages: list[Any]) -> None:
    with pytest.raises(ReplyError, match="The reading was stopped so that no row is"):
        scripted(*pages, size=2)


def test_rows_without_a_key_cannot_be_read_in_pages() -> None:
    keyless = json_reply(200, '{"ia::result":[{"lineNumber":1},{"lineNumber":2}],"ia::meta":{"totalCount":5,"next":3}}')
    with pytest.raises(ReplyError, match="without the key"):
        scripted(keyless, size=2)


def test_rows_that_change_faster_than_they_can_be_read_end_in_an_error() -> None:
    turn = 0

    def restless(request: Any) -> Any:
        nonlocal turn
        turn += 1
        first = turn * 1000
        return page(1, None, *(str(first + n) for n in range(3)), total=5000)

    with pytest.raises(ReplyError, match="change faster") as caught:
        read(restless, size=2, keep=2)
    assert turn < 120
    assert "no row is missed" in caught.value.advice


def test_a_filter_stays_when_the_last_key_is_added() -> None:
    shelf = Shelf({str(n): n % 3 for n in range(1, 40)})
    where = (F("lineNumber") == 1) | (F("lineNumber") == 2)
    found = read(shelf, size=4, paging="keyset", where=where)
    assert found == [str(n) for n in range(1, 40) if n % 3]
