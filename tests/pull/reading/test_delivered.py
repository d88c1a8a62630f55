"""What was delivered is known, whether keys are looked up or their order tells."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from tieout.pull.reading.delivered import KEEP, Delivered

KEYS = st.integers(1, 60).map(str) | st.sampled_from(["a", "B", "007", "1\u00e9", "10-1"])
RISING = st.lists(st.integers(1, 200), unique=True).map(lambda found: [str(n) for n in sorted(found)])


@example([["3", "5"], ["9", "3"]], "", False)
@example([["3", "5"], ["4", "9"]], "", False)
@given(st.lists(st.lists(KEYS, unique=True) | RISING), st.sampled_from(["", "7", "30"]), st.booleans())
def test_of_each_page_the_keys_are_new_that_no_page_before_it_had(
    pages: list[list[str]], last: str, asked: bool
) -> None:
    it, known = Delivered(last), {last} - {""}
    for keys in pages:
        assert not asked or it.has_some(keys) == bool(known.intersection(keys))
        new = [at for at, key in enumerate(keys) if key not in known]
        if new and new[-1] == len(keys) - 1:
            last = keys[-1]
        assert list(it.add(keys)) == new
        known.update(keys)
        assert it.last == last
        assert not asked or it.has_some(keys) == bool(keys)


def test_pages_that_follow_each_other_are_not_looked_up() -> None:
    class Key(str):
        __hash__ = None  # type: ignore[assignment]  # no set takes it

    it = Delivered()
    for first in range(1, 2000, 9):  # each begins with the last key of the one before
        keys = [Key(n) for n in range(first, first + 10)]
        assert it.has_some(keys) == (first > 1)
        assert list(it.add(keys)) == list(range(first > 1, 10))


def test_what_lies_far_back_is_forgotten() -> None:
    for looked_up in (False, True):
        it = Delivered("x")
        for first in range(1, 2 * KEEP, 1000):
            keys = [str(n) for n in range(first, first + 1000)]
            it.add(keys)
            assert not looked_up or it.has_all(keys)
        assert it.has_some([str(2 * KEEP - 5)])
        assert not it.has_some(["1"])
