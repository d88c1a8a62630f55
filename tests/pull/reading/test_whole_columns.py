"""A page that Arrow reads at once holds what the careful way makes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.pull.reading.test_decode import COLUMNS, GOOD, page
from tieout.errors import ReplyError
from tieout.pull.reading.decode import Decoder, Looked, Page

PLAIN = tuple(column for column in COLUMNS if column.path != "extra")
odd = st.sampled_from([None, "", "x", 5, 2**63, 1.5, True, [], "\0", "\ud800"])
SOME: dict[str, st.SearchStrategy[Any]] = {
    "key": st.text(min_size=1, max_size=3),
    "name": st.text(max_size=3) | odd,
    "total": st.decimals(-100, 100, places=2).map(str)
    | st.sampled_from(["0.00", "-0.00", "-0.01", "00.10", "+1.00", "7", "-12.5", "1e2", "1.234", "9" * 37]) | odd,
    "rate": st.integers() | st.floats(allow_nan=False, allow_infinity=False) | odd,
    "days": st.integers(-(2**64), 2**64) | odd,
    "flag": st.booleans() | odd,
    "due": st.dates().map(str) | st.sampled_from(["2026-02-30", "2026-2-3", "20260203"]) | odd,
    "audit.modifiedDateTime": st.datetimes().map(lambda at: f"{at.isoformat()}Z")
    | st.sampled_from(["2026-01-02 03:04:05Z", "2026-01-02T03:04:05+02:00", "2026-01-02", "2026-01-02T03:04:05.250Z"])
    | odd,
}  # fmt: skip


@given(st.lists(st.fixed_dictionaries(SOME), max_size=4), st.booleans(), st.sampled_from([None, 1]))
@example([GOOD | {"total": "-0.00"}, GOOD], True, None)
@example([GOOD | {"audit.modifiedDateTime": "2026-01-02 03:04:05Z"}], True, None)
@example([GOOD | {"rate": "1.50"}, GOOD | {"rate": 1e-7}], False, None)
def test_it_is_what_the_careful_way_makes(rows: list[dict[str, Any]], plain: bool, indent: int | None) -> None:
    body = json.dumps(json.loads(page(*rows)), indent=indent).encode()
    same(body, plain=plain)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(
    "body",
    [
        page('{"key":"1","key":"2"}'),
        page('{"key":"1","name":"a\x01"}'),
        page('{"key":"1","unasked":{"ia::meta":{"totalCount":7}}}'),
        page('{"key":"1","name":"\\"ia::meta\\":{}}"}'),
        page(GOOD).replace(b'"name": ""', b'"name":"\xff"'),
        page(GOOD).replace(b'"name": ""', b'"name":"\\udc00"'),
        page(GOOD, "null"),
        page(GOOD) + b" x",
        page(GOOD) + page(GOOD),
        b'{"ia::meta":{"totalCount":"7","next":null},"ia::result":[{"key":"1"}]}',
        b'{"ia::result":[{"key":"1"}],"ia::meta":{"totalCount":"7"}}',
        b'{"ia::result":[{"key":"1"}],"ia::meta":null}',
        b'{"ia::result":[{"key":"1"}]}',
        b'{"ia::result":[{"key":"1"}],"ia::result":[{"key":"2"}],"ia::meta":{}}',
        b'{"ia::result":null,"ia::meta":{}}',
        b'{"x":[{"ia::result":[{"key":"1"}],"ia::meta":{}}]}',
        b'[{"ia::result":[],"ia::meta":{}}]',
        b'{"ia::result":[],"ia::meta":{}}',
    ],
)
def test_whatever_comes_in_place_of_a_page_is_taken_for_the_same(body: bytes, plain: bool) -> None:
    same(body, plain=plain)


def same(body: bytes, *, plain: bool) -> None:
    quick, careful = (outcome(body, looking, plain=plain) for looking in (True, False))
    if isinstance(quick, str) or isinstance(careful, str):
        assert quick == careful
        return
    assert (quick.batch.keys, quick.misfits, quick.rows) == (careful.batch.keys, careful.misfits, careful.rows)
    assert (quick.total, quick.next) == (careful.total, careful.next)
    assert quick.batch.columns() == careful.batch.columns()
    assert quick.batch.arrow().equals(careful.batch.arrow())
    for column in PLAIN:
        assert quick.batch.nulls(column.name) == careful.batch.nulls(column.name)


def outcome(body: bytes, looking: bool, *, plain: bool) -> Page | str:
    decoder = Decoder(PLAIN, plain=plain)
    try:
        return decoder.finish(decoder.look(body) if looking else Looked(body, None))
    except ReplyError as error:
        return error.message


@pytest.mark.parametrize(
    ("row", "at_once"),
    [
        (GOOD, True),
        (json.dumps(GOOD, indent=1), True),
        (GOOD | {"days": None, "total": "-0.00", "due": None, "name": 'a "b" ü'}, True),
        (GOOD | {"total": 5}, False),
        (GOOD | {"key": None}, False),
        (GOOD | {"name": "\0"}, False),
    ],
)
def test_a_page_that_fits_is_read_at_once(row: dict[str, Any] | str, at_once: bool) -> None:
    assert (Decoder(PLAIN).look(page(row)).whole is not None) is at_once


def test_after_a_misfit_the_other_columns_are_still_read_at_once() -> None:
    decoder = Decoder(COLUMNS, plain=True)
    found = decoder.read(page(GOOD, GOOD | {"key": "2", "due": "soon"}))
    assert [misfit.field for misfit in found.misfits] == ["due"]
    assert found.batch.columns()[0] == ["1", "2"]
    looked = decoder.look(page(GOOD | {"extra": [1, {"a": None}]}, GOOD | {"key": "2", "due": "late"}))
    found = decoder.finish(looked)
    assert looked.whole is not None
    assert set(looked.whole.columns) == {at for at, c in enumerate(COLUMNS) if c.path not in ("due", "extra")}
    values = dict(zip([c.path for c in COLUMNS], found.batch.columns(), strict=True))
    assert (values["due"], values["extra"]) == (["2026-02-28", None], ['[1,{"a":null}]', None])
    assert (values["rate"][0], values["total"][0]) == ("1.2500000000", "10.50")
    assert [(misfit.key, misfit.raw) for misfit in found.misfits] == [("2", '"late"')]
