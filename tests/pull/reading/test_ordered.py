"""Pages of an ordered read while rows are added and deleted between any two answers: none that stays is missed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tieout.errors import ReplyError
from tieout.pull.reading.ordered import Ask, Came, Ordered, Place


class Rows:
    """Keys in Intacct's order, each answer a snapshot of its own moment."""

    def __init__(self, keys: Sequence[int], *, as_text: bool = False) -> None:
        self.keys = set(keys)
        self.order: Callable[[int], int | str] = str if as_text else int
        self.alike = True
        """Filters by key follow the order."""
        self.most = 4000
        self.invisible = 0
        self.totals = self.nexts = True
        self.dropped: list[int] = []
        """How many rows each of the next answers lacks in its middle."""
        self.asked: list[Ask] = []
        self.stayed = set(keys)

    def change(self, key: int) -> None:
        """Delete it where it is, else add it."""
        self.keys ^= {key}
        self.stayed -= {key}

    def answer(self, ask: Ask) -> Came[list[str]]:
        self.asked.append(ask)
        by = self.order if self.alike else (str if self.order is int else int)
        found = sorted(
            (
                key
                for key in self.keys
                if (ask.after is None or by(key) > by(int(ask.after)))  # type: ignore[operator]
                and (ask.before is None or by(key) < by(int(ask.before)))  # type: ignore[operator]
            ),
            key=self.order,
        )
        size = min(ask.size, self.most)
        page = [str(key) for key in found[ask.start - 1 : ask.start - 1 + size]]
        following = ask.start + size if ask.start - 1 + size < len(found) else None
        lost = self.dropped.pop() if self.dropped else 0
        del page[1 : 1 + lost]
        total = len(found) + self.invisible if self.totals else 0
        return Came(page, len(page), total, following if self.nexts else None, page)


def read(
    rows: Rows, size: int, *, places: int = 3, after: Place | None = None, moment: Callable[[], None]
) -> list[str]:
    """Everything delivered, with `places` questions under way, each answered when it is sent."""
    ordered: Ordered[list[str]] = Ordered(size, lambda keys: rows.alike, after)
    under_way: deque[tuple[Ask, Came[list[str]]]] = deque()
    delivered: list[str] = []
    plan = 0
    while not ordered.done:
        while len(under_way) < places and (wanted := ordered.wants()):
            moment()
            under_way.append((wanted, rows.answer(wanted)))
        ask, came = under_way.popleft()
        delivered += [fresh.content[at] for fresh in ordered.took(ask, came) for at in fresh.at]
        while ordered.mending is not None:
            ask = ordered.mending
            moment()
            delivered += [f.content[at] for f in ordered.took(ask, rows.answer(ask)) for at in f.at]
        if ordered.plan != plan:
            plan = ordered.plan
            under_way.clear()
        assert len(rows.asked) < 2000
    return delivered


def quietly() -> None:
    pass


@pytest.mark.parametrize(
    ("count", "size", "pages"),
    [(0, 5, 1), (1, 5, 1), (4, 5, 1), (5, 5, 2), (6, 5, 2), (8, 5, 2), (9, 5, 3), (10, 5, 3)],
)
@pytest.mark.parametrize("nexts", [True, False])
def test_where_nothing_moves_each_row_comes_once_in_as_few_pages_as_can_be(
    count: int, size: int, pages: int, nexts: bool
) -> None:
    rows = Rows(range(1, count + 1))
    rows.nexts = nexts
    assert read(rows, size, moment=quietly) == [str(key) for key in range(1, count + 1)]
    assert len(rows.asked) == pages


@pytest.mark.parametrize("late", [0, 1, 2])
@pytest.mark.parametrize("count", [5, 9, 13])
def test_a_row_that_slips_behind_a_full_last_page_is_delivered(count: int, late: int) -> None:
    """It is added between the count of an answer and its page: the total is one too low, no page seems to follow."""
    rows = Rows(range(1, count + 1))
    answer, told = rows.answer, iter([*[False] * late, True])

    def of_two_moments(ask: Ask) -> Came[list[str]]:
        before = answer(ask)
        if not next(told, False):
            return before
        rows.keys.add(0)
        return msgspec.structs.replace(answer(ask), total=before.total, next=before.next)

    rows.answer = of_two_moments  # type: ignore[method-assign]
    assert {str(key) for key in rows.stayed} <= set(read(rows, 5, places=1, moment=quietly))


def test_a_million_rows_are_251_pages() -> None:
    ordered: Ordered[None] = Ordered(4000, lambda keys: True)
    first = ordered.wants()
    assert first is not None
    assert ordered.wants() is None
    ordered.took(first, Came([str(key) for key in range(4000)], 4000, 1_000_000, 4001, None))
    pages = 1
    while ordered.wants() is not None:
        pages += 1
    assert pages == 251


@settings(max_examples=300)
@given(
    chance=st.randoms(use_true_random=False),
    count=st.integers(0, 60),
    size=st.integers(2, 9),
    places=st.integers(1, 6),
    as_text=st.booleans(),
    alike=st.booleans(),
    totals=st.sampled_from([(True, True), (True, False), (False, True)]),
)
def test_a_row_that_stays_is_delivered_whatever_moves(
    chance: Random, count: int, size: int, places: int, as_text: bool, alike: bool, totals: tuple[bool, bool]
) -> None:
    """Before any answer rows are deleted or added, one or many, anywhere; answers under way are of several moments."""
    rows = Rows(chance.sample(range(100), count), as_text=as_text)
    rows.alike = alike
    rows.totals, rows.nexts = totals
    changes = iter(range(20))

    def moment() -> None:
        if next(changes, None) is None or chance.random() < 0.4:
            return
        there = chance.random() < 0.7
        of = [key for key in range(100) if (key in rows.keys) == there]
        for key in chance.sample(of, min(len(of), chance.choice([1, 1, 2, 5, 15]))):
            rows.change(key)

    delivered = read(rows, size, places=places, moment=moment)
    assert {str(key) for key in rows.stayed} <= set(delivered)


@given(
    count=st.integers(0, 40),
    size=st.integers(2, 9),
    whole=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    lost=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_rows_that_a_page_lacks_are_asked_for_again(
    count: int, size: int, whole: tuple[int, int], lost: tuple[int, int]
) -> None:
    """Two answers lack some rows; which ones only who gives them knows."""
    rows = Rows(range(count))
    rows.dropped = [lost[1], *[0] * whole[1], lost[0], *[0] * whole[0]]
    assert read(rows, size, moment=quietly) == [str(key) for key in range(count)]


def test_where_a_page_has_fewer_rows_than_asked_for_the_next_ones_ask_for_as_many() -> None:
    rows = Rows(range(40))
    rows.most = 6
    assert read(rows, 10, moment=quietly) == [str(key) for key in range(40)]
    assert [ask.size for ask in rows.asked] == [10, *[6] * 8]


def test_a_total_that_counts_what_nobody_may_see_ends_with_what_can_be_seen() -> None:
    rows = Rows(range(20))
    rows.invisible = 7
    assert set(read(rows, 6, moment=quietly)) == {str(key) for key in range(20)}


def test_a_deletion_costs_one_page_however_many_are_under_way() -> None:
    rows = Rows(range(100))
    moments = iter(range(1000))

    def moment() -> None:
        if next(moments) == 2:
            rows.change(3)
            rows.change(4)

    assert set(read(rows, 10, places=6, moment=moment)) == {str(key) for key in range(100)}
    assert len([ask for ask in rows.asked if ask.after is None]) == 11
    assert [(ask.after, ask.before) for ask in rows.asked if ask.after is not None] == [("18", "20")]


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("gone", [[], [19], [0, 1, 2], list(range(20)), list(range(5, 40)), list(range(15, 60))])
def test_an_earlier_read_is_gone_on_with_wherever_its_rows_have_moved(gone: list[int], alike: bool) -> None:
    rows = Rows([key for key in range(60) if key not in gone])
    rows.alike = alike
    delivered = read(rows, 7, after=Place(20, "19"), moment=quietly)
    assert {str(key) for key in rows.keys if key > 19} <= set(delivered)


def test_a_service_that_keeps_promising_rows_and_gives_none_is_told_so() -> None:
    ordered: Ordered[None] = Ordered(5, lambda keys: True)
    for _ in range(2):
        ask = ordered.mending or ordered.wants()
        assert ask is not None
        assert ordered.took(ask, Came([], 0, 9, 6, None)) == []
    assert ordered.mending is not None
    with pytest.raises(ReplyError, match="promised"):
        ordered.took(ordered.mending, Came([], 0, 9, 6, None))
