"""The clients against a simulated company, in process and over a real socket, blocking and awaited."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tieout import AsyncIntacct, F, Intacct, simulated, simulated_async
from tieout.errors import (
    CheckError,
    ConfigurationError,
    NotAuthorisedError,
    NotFoundError,
    RefusedError,
    TokenRefusedError,
    UnknownNameError,
    UnreachableError,
)
from tieout.rest import RefreshToken
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator("demo") as inner:
        yield inner


@pytest.fixture
def intacct(simulator: Simulator) -> Iterator[Intacct]:
    with simulated(simulator=simulator) as client:
        yield client


DOOR = {"client_id": "demo-client", "client_secret": "demo-secret", "user": "admin", "company": "demo"}


def test_the_life_of_a_record(intacct: Intacct) -> None:
    made = intacct.create("vendors", {"id": "LIFE-1", "name": "Ada & Sons – Zürich", "creditLimit": Decimal("12.50")})
    assert made.id == "LIFE-1"
    record = intacct.get("vendor", made.key)
    assert (record["name"], record["status"]) == ("Ada & Sons – Zürich", "active")
    assert record["creditLimit"] == Decimal("12.5")
    intacct.update("vendor", made.key, {"status": "inactive", "creditLimit": None})
    changed = intacct.get("vendor", made.key)
    assert (changed["status"], changed["creditLimit"], changed["name"]) == ("inactive", None, "Ada & Sons – Zürich")
    intacct.delete("vendor", made.key)
    with pytest.raises(NotFoundError):
        intacct.get("vendor", made.key)


def test_a_query_reads_every_row_once_whatever_the_page_size(intacct: Intacct) -> None:
    keys = [row.key for row in intacct.query("bills", ["key"], page_size=4000)]
    assert len(keys) == len(set(keys)) == intacct.count("bills")
    for size in (7, 100):
        paged = [row.key for row in intacct.query("bills", ["key"], page_size=size, limit=250)]
        assert paged == keys[:250]


def test_text_and_python_filters_sync_and_async_say_the_same(simulator: Simulator, intacct: Intacct) -> None:
    by_text = [row.as_dict() for row in intacct.query("vendors", ["id", "name"], "status = 'active'")]
    by_python = [row.as_dict() for row in intacct.query("vendors", ["id", "name"], F("status") == "active")]

    async def awaited() -> list[dict[str, Any]]:
        async with simulated_async(simulator=simulator) as client:
            return [row.as_dict() async for row in client.query("vendors", ["id", "name"], F("status") == "active")]

    assert by_text == by_python == asyncio.run(awaited())
    assert by_text


def test_intacct_adds_up_to_the_cent_what_the_rows_add_up_to(intacct: Intacct) -> None:
    rows = list(intacct.query("bills", ["totalTxnAmount"], F("state") == "paid"))
    total = intacct.totals("bills", ["totalTxnAmount"], F("state") == "paid")["totalTxnAmount"]
    assert total == sum(row["totalTxnAmount"] for row in rows)
    assert total > 0


def test_a_batch_says_which_of_your_records_failed_and_why(intacct: Intacct) -> None:
    mine = [{"id": "B-1", "name": "first"}, {"id": "B-1", "name": "twin"}, {"id": "B-2"}, {"id": "B-3", "name": "last"}]
    result = intacct.create_many("vendors", mine, check=False)
    assert [o.state for o in result] == ["posted", "failed", "failed", "posted"]
    assert [record["id"] for record, _ in result.failed] == ["B-1", "B-2"]
    assert result.failed[0][0]["name"] == "twin"
    with pytest.raises(RefusedError, match="already exists"):
        result.raise_if_any()


def test_more_than_one_request_keeps_the_order_of_the_records(intacct: Intacct) -> None:
    mine = [{"id": f"M-{n:04}", "name": f"n{n}"} for n in range(1203)]
    mine[700] = {"id": "M-0001", "name": "twin"}
    result = intacct.create_many("customers", mine)
    assert [o.position for o in result] == list(range(1203))
    assert [o.id for o in result][:3] == ["M-0000", "M-0001", "M-0002"]
    assert [position for position, o in enumerate(result) if o.state != "posted"] == [700]


def test_reading_many_keys_keeps_their_order_and_names_the_missing(intacct: Intacct) -> None:
    keys = [str(n) for n in range(1, 100)]
    keys[50] = "999999"
    found = intacct.get_many("customers", reversed(keys))
    assert isinstance(found[48], NotFoundError)
    assert [r.key for r in found if not isinstance(r, NotFoundError)] == [k for k in reversed(keys) if k != "999999"]


def test_a_single_missing_key_is_its_error_too(intacct: Intacct) -> None:
    (alone,) = intacct.get_many("customers", ["999999"])
    assert isinstance(alone, NotFoundError)
    many = intacct.get_many("customers", [*(str(n) for n in range(1, 201)), *["1"] * 300, "999999"])
    assert len(many) == 501
    assert isinstance(many[500], NotFoundError)


def test_lines_are_typed_too(intacct: Intacct) -> None:
    line = intacct.get("timesheets", "1")["lines"][0]
    assert isinstance(line["quantity"], Decimal)
    assert isinstance(line["entryDate"], date)


def test_every_mistake_of_a_query_is_named_before_anything_is_sent(intacct: Intacct) -> None:
    intacct.model("bills")
    before = intacct.meter.usage.calls
    with pytest.raises(CheckError) as caught:
        list(intacct.query("bills", ["vendr.id", "lines", "id"], "dueDate > 'soon' and state = 'payd'"))
    assert [p.path for p in caught.value.problems] == ["vendr.id", "lines", "dueDate", "state"]
    assert caught.value.problems[0].nearest == "vendor.id"
    assert caught.value.problems[3].nearest == "paid"
    assert intacct.meter.usage.calls == before


def test_an_unknown_object_names_the_nearest(intacct: Intacct) -> None:
    with pytest.raises(UnknownNameError) as caught:
        intacct.count("vendrs")
    assert any("vendor" in near for near in caught.value.nearest)


def test_the_entity_decides_what_is_seen(simulator: Simulator, intacct: Intacct) -> None:
    top = intacct.count("bills")
    inside = intacct.with_entity("E110").count("bills")
    everything = intacct.count("bills", private=True)
    assert everything > top
    assert everything > inside
    assert intacct.entity is None


def test_a_socket_makes_no_difference(simulator: Simulator) -> None:
    with SimulatorThread(simulator) as server, Intacct(**DOOR, base_url=server.url) as client:
        assert client.count("customers") == simulated(simulator=simulator).count("customers")

        async def awaited() -> list[int]:
            async with AsyncIntacct(**DOOR, base_url=server.url) as later:
                return await asyncio.gather(*[later.count("customers") for _ in range(20)])

        assert len(set(asyncio.run(awaited()))) == 1


def test_threads_share_one_client_and_one_token(simulator: Simulator) -> None:
    fetched = []

    def counting(method: str, target: str, headers: Any, body: bytes) -> Any:
        if target.endswith("/oauth2/token"):
            fetched.append(target)
        return simulator.answer(method, target, headers, body)

    from tieout.rest import InProcessTransport

    client = Intacct(**DOOR, base_url="http://127.0.0.1", transport=InProcessTransport(counting))
    counts: list[int] = []
    threads = [threading.Thread(target=lambda: counts.append(client.count("items"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(counts) == 16
    assert len(fetched) == 1


def test_more_tasks_than_threads_share_one_token(simulator: Simulator) -> None:
    async def crowd() -> list[int]:
        async with simulated_async(simulator=simulator) as client:  # in process: every answer needs a thread
            return await asyncio.gather(*[client.count("items") for _ in range(100)])

    assert len(set(asyncio.run(crowd()))) == 1


def test_a_refresh_token_that_rotates_is_handed_over_before_it_is_used() -> None:
    with Simulator("empty", switches={"rotation": "strict"}) as strict:
        first = _grant(strict)
        kept: list[str] = []
        clock = [0.0]
        source = RefreshToken(
            client_id="demo-client",
            client_secret="demo-secret",
            refresh_token=first,
            rotated=kept.append,
            now=lambda: clock[0],
        )
        with simulated(simulator=strict, tokens=source) as client:
            assert client.count("vendors") == 0
            clock[0] += 43_200
            assert client.count("vendors") == 0
        assert len(kept) >= 2
        assert len({first, *kept}) == len(kept) + 1


def _grant(simulator: Simulator) -> str:
    import json

    form = b"grant_type=client_credentials&client_id=demo-client&client_secret=demo-secret&username=admin%40demo"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    _, _, body = simulator.answer("POST", "/ia/api/v1/oauth2/token", headers, form)
    return str(json.loads(body)["refresh_token"])


@pytest.mark.parametrize("wrong", [{"client_secret": "wrong-secret"}, {"user": "nobody"}, {"company": "other"}])
def test_wrong_credentials_are_one_clear_sentence_without_the_secret(
    simulator: Simulator, wrong: dict[str, str]
) -> None:
    from tieout.rest import InProcessTransport

    client = Intacct(**(DOOR | wrong), base_url="http://127.0.0.1", transport=InProcessTransport(simulator.answer))
    with pytest.raises(TokenRefusedError) as caught:
        client.count("vendors")
    assert caught.value.exit_code == 3
    assert "secret" not in str(caught.value).replace("client secret", "").replace("Client Secret", "")
    assert "wrong-secret" not in repr(client) + str(caught.value) + repr(caught.value.to_dict())


def test_nobody_at_the_address() -> None:
    with (
        Intacct(**DOOR, base_url="http://127.0.0.1:1", deadline=0.2) as client,
        pytest.raises(UnreachableError) as caught,
    ):
        client.count("vendors")
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("entity", ["Zürich", "E1\nX-Evil: 1", " "])
def test_an_entity_that_cannot_be_a_header_is_refused_where_it_is_given(entity: str) -> None:
    with pytest.raises(ConfigurationError):
        Intacct(**DOOR, entity=entity)


@pytest.mark.parametrize(
    "url", ["api.intacct.com", "http://api.intacct.com", "https://user:pw@x", "ftp://user:pw@x", ""]
)
def test_a_base_url_that_would_leak_or_cannot_work_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Intacct(**DOOR, base_url=url)
    assert "pw" not in str(caught.value)


def test_no_credentials_says_what_to_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotAuthorisedError, match="TIEOUT_CLIENT_ID"):
        Intacct.from_env()
    monkeypatch.setenv("TIEOUT_CLIENT_ID", "c")
    with pytest.raises(NotAuthorisedError) as caught:
        Intacct.from_env()
    assert "TIEOUT_CLIENT_ID," not in caught.value.message


def test_a_query_reaches_the_fields_of_a_record_referred_to(intacct: Intacct) -> None:
    """Sage's own example is `max:vendor.creditLimit` (REST reference 5.1, 5.5)."""
    limit = "vendor.creditLimit"
    limits = {row.id: row.creditLimit for row in intacct.query("vendors", ["id", "creditLimit"])}
    found = list(intacct.query("bills", ["vendor.id", limit], F(limit) > 20000, order_by=[f"-{limit}"]))
    assert found
    assert all(row[limit] == limits[row["vendor.id"]] > 20000 for row in found)
    (most,) = intacct.aggregate("bills", [f"max:{limit}"])
    assert most[f"max:{limit}"] == found[0][limit]
    with pytest.raises(CheckError) as caught:
        list(intacct.query("bills", ["vendor.creditLimt"]))
    assert caught.value.problems[0].nearest == limit


def test_records_take_them_where_one_query_brings_all(intacct: Intacct) -> None:
    limit = "vendor.creditLimit"
    (record,) = intacct.records("bills", F(limit) > 20000, ["id", limit], limit=1)
    assert record[limit] > 20000
    (whole,) = intacct.records("bills", F(limit) > 20000, lines=False, limit=1)
    assert "creditLimit" not in whole["vendor"], "all fields are those of the object itself"
    with pytest.raises(CheckError, match="lines cannot stand beside it"):
        list(intacct.records("bills", fields=["id", limit, "lines"]))


@pytest.mark.parametrize("entity", ["", " ", "E\n1", "É"])
def test_an_entity_that_would_get_lost_on_the_way_is_refused(intacct: Intacct, entity: str) -> None:
    with pytest.raises(ConfigurationError, match="entity"):
        intacct.with_entity(entity)


@pytest.mark.parametrize(
    "ask",
    [
        lambda it: it.get_many("vendors", "12"),
        lambda it: it.get_many("vendors", ["1", None]),
        lambda it: it.get("vendors", None),
        lambda it: it.delete("vendors", None),
        lambda it: list(it.query("vendors", ["id"], limit=-1)),
        lambda it: list(it.query("vendors", ["id"], page_size="10")),
        lambda it: list(it.query("vendors", ["id"], order_by="id")),
        lambda it: list(it.records("vendors", fields="id")),
        lambda it: it.totals("vendors", "totalDue"),
    ],
)
def test_one_value_in_the_place_of_many_is_not_taken_apart_and_none_is_no_key(
    intacct: Intacct, ask: Callable[[Any], object]
) -> None:
    before = intacct.usage.transactions
    with pytest.raises(ConfigurationError):
        ask(intacct)
    assert intacct.usage.transactions - before <= 1, "a model at most"
