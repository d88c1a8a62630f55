"""Typed rows: exact values, and one odd value that costs nobody else anything."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.catalogue.model import Field, Model, Ref
from tieout.errors import IntacctError, ReplyError
from tieout.rest.call import Reply
from tieout.rest.failures import refusal_of
from tieout.rest.rows import Record, load_exact, page_decoder, row_type, typed

MODEL = Model(
    name="test/thing",
    fields={
        "key": Field(),
        "class": Field(),
        "total": Field(format="decimal-precision-2"),
        "rate": Field(type="number"),
        "count": Field(type="integer"),
        "open": Field(type="boolean"),
        "day": Field(format="date"),
        "at": Field(format="date-time"),
        "accountLabel": Field(),
        "accountlabel": Field(),
        "nsp::REGION": Field(),
    },
    refs={"vendor": Ref(object="accounts-payable/vendor", fields={"id": Field(), "key": Field()})},
)
FIELDS = [*MODEL.fields, "vendor.id"]
GOOD = {
    "key": "1", "class": "A", "total": "12345678901234567890.10", "rate": 1.0679, "count": 3, "open": True,
    "day": "2026-01-31", "at": "2026-01-31T10:11:12Z", "accountLabel": "x", "accountlabel": "y", "nsp::REGION": "",
    "vendor.id": "V1",
}  # fmt: skip


def page(rows: list[dict], **meta: object) -> Reply:
    body = {"ia::result": rows, "ia::meta": {"totalCount": len(rows), "start": 1, "pageSize": 100, "next": None} | meta}
    return Reply(200, {"date": "Sat, 31 Jan 2026 10:11:12 GMT"}, json.dumps(body).encode())


def decode(*rows: dict):
    return page_decoder(row_type(MODEL, FIELDS))(page(list(rows))).rows


def test_values_arrive_exactly_and_by_every_name() -> None:
    (row,) = decode(GOOD)
    assert row["total"] == Decimal("12345678901234567890.10")
    assert row.rate == Decimal("1.0679")
    assert row.day == date(2026, 1, 31)
    assert row.at == datetime(2026, 1, 31, 10, 11, 12, tzinfo=UTC)
    assert (row.class_, row["class"], row.vendor__id, row["vendor.id"]) == ("A", "A", "V1", "V1")
    assert (row.accountLabel, row.accountlabel) == ("x", "y")
    assert row["nsp::REGION"] == "", "an empty text is not null"
    assert row.misfits == ()
    assert list(row.as_dict()) == FIELDS


def test_null_missing_and_unasked_columns() -> None:
    (row,) = decode(dict.fromkeys(GOOD) | {"API_QUERY_ALIAS__25": "2"})
    assert set(row.as_dict().values()) == {None}
    with pytest.raises(KeyError, match="was not asked for"):
        row["API_QUERY_ALIAS__25"]


@given(
    st.sampled_from(sorted(GOOD)),
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(),
        st.lists(st.integers()),
        st.dictionaries(st.text(), st.integers()),
    ),
)
def test_one_odd_value_never_loses_the_page(path: str, odd: object) -> None:
    rows = decode(GOOD, GOOD | {path: odd}, GOOD)
    assert len(rows) == 3
    assert rows[0].as_dict() == rows[2].as_dict() == decode(GOOD)[0].as_dict()
    if path in rows[1].misfits:
        assert rows[1][path] == odd
    for other in FIELDS:
        if other != path:
            assert rows[1][other] == rows[0][other]


@pytest.mark.parametrize(
    ("path", "odd"),
    [
        ("total", "n/a"),
        ("day", "31.01.2026"),
        ("count", "3"),
        ("open", "true"),
        ("key", 7),
        ("at", "2026-01-31T10:11:12"),
    ],
)
def test_a_value_that_fits_no_type_is_kept_as_it_came_and_named(path: str, odd: object) -> None:
    (row,) = decode(GOOD | {path: odd})
    assert row.misfits == (path,)
    assert row[path] == odd
    assert row.as_dict()[path] == odd
    assert getattr(row, row.__attributes__[path]) == odd, "no name of a value may say that there is none"


def test_a_misfit_keeps_every_digit() -> None:
    body = b'{"ia::result":[{"key":12345678901234567.89}],"ia::meta":{"totalCount":"1","next":"2","start":null}}'
    found = page_decoder(row_type(MODEL, ["key"]))(Reply(200, {}, body))
    assert str(found.rows[0]["key"]) == "12345678901234567.89"
    assert (found.total, found.next) == (1, 2), "numbers of the meta may be text"


def test_a_page_knows_its_successor_and_the_servers_clock() -> None:
    decoder = page_decoder(row_type(MODEL, FIELDS))
    first = decoder(page([GOOD], next=101, totalCount=150))
    assert (first.next, first.total, first.date) == (101, 150, datetime(2026, 1, 31, 10, 11, 12, tzinfo=UTC))
    assert decoder(page([GOOD], next=0)).next is None, "Sage's examples print 0 for no more"


@given(st.binary())
def test_any_bytes_as_a_reply_give_a_typed_error_or_a_page(body: bytes) -> None:
    reply = Reply(200, {}, body)
    with contextlib.suppress(ReplyError):
        page_decoder(row_type(MODEL, FIELDS))(reply)
    found = refusal_of(Reply(502, {}, body), "GET /x")
    assert isinstance(found, ReplyError) or isinstance(found.error, IntacctError)


def test_a_records_numbers_keep_every_digit() -> None:
    values = load_exact(b'{"rate": 12345678901234567.123456789}')
    assert typed(values, MODEL)["rate"] == Decimal("12345678901234567.123456789")


def test_a_record_is_nested_and_typed() -> None:
    raw = {"key": "1", "total": "0.10", "vendor": {"id": "V1", "key": None}, "odd": [1]}
    record = Record(typed(raw, MODEL))
    assert record["vendor"]["id"] == record["vendor.id"] == "V1"
    assert record["total"] == Decimal("0.10")
    assert record["odd"] == [1]
    with pytest.raises(KeyError):
        record["vendor.nothing"]
    assert (record.get("vendor.nothing"), record.get("total.id", 0), record.get("vendor.id")) == (None, 0, "V1")
    assert ("vendor.id" in record, "vendor.key" in record, "vendor.nothing" in record, 1 in record) == (
        True,
        True,
        False,
        False,
    )
