"""Recorded traffic answers again, field by field."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tieout.simulator.recordings import RecordingError, load_recording
from tieout.simulator.server import CompanyError, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator.conftest import Caller

SHARED = Path(__file__).parents[2].parent / "shared" / "reference" / "recordings"
shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no recorded traffic at {SHARED}")


def interactions(path: Path, service: str) -> list[tuple[str, str, int, Any]]:
    """(uri, body, status, answer) of each recorded request to a service."""
    return [
        (
            each["request"]["uri"],
            each["request"]["body"],
            each["response"]["status"]["code"],
            json.loads(each["response"]["body"]["string"]),
        )
        for each in json.loads(path.read_text())["interactions"]
        if service in each["request"]["uri"]
    ]


def without_strays(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        row["key"]: {name: value for name, value in row.items() if not name.startswith("API_QUERY_ALIAS__")}
        for row in rows
    }


@shared
@pytest.mark.parametrize(
    ("file", "rows", "moment"),
    [
        ("customers.json", 26, datetime(2026, 3, 18, 7, 30, 14, tzinfo=UTC)),
        ("gl-accounts.json", 128, datetime(2026, 3, 18, 7, 57, 10, tzinfo=UTC)),
        ("invoices-since.json", 13, datetime(2026, 3, 20, 9, 58, 10, tzinfo=UTC)),
    ],
)
def test_every_recorded_answer_comes_again(
    caller_of: Callable[[Simulator], Caller], file: str, rows: int, moment: datetime
) -> None:
    """The recorded requests, byte for byte, get the recorded rows, values, totals and refusals."""
    with Simulator("empty", recordings=[SHARED / file]) as simulator:
        assert simulator.clock.now() == moment
        caller = caller_of(simulator)
        seen: dict[str, dict[str, Any]] = {}
        recorded: dict[str, dict[str, Any]] = {}
        for _, body, status, answer in interactions(SHARED / file, "/services/core/query"):
            reply = caller.post("/services/core/query", body.encode())
            assert reply.status == status
            if status != 200:
                expected, found = answer["ia::result"]["ia::error"], reply.json()["ia::result"]["ia::error"]
                for name in ("message", "errorId", "additionalInfo"):
                    assert found[name] == expected[name]
                continue
            assert reply.json()["ia::meta"] == answer["ia::meta"]
            assert len(reply.json()["ia::result"]) == len(answer["ia::result"])
            seen |= without_strays(reply.json()["ia::result"])
            recorded |= without_strays(answer["ia::result"])
        assert seen == recorded
        assert len(seen) == rows
        assert {type(v) for row in seen.values() for v in row.values()} == {
            type(v) for row in recorded.values() for v in row.values()
        }


@shared
@pytest.mark.parametrize("file", ["customers.json", "gl-accounts.json", "invoices-since.json"])
def test_the_recorded_model_is_the_companys(caller_of: Callable[[Simulator], Caller], file: str) -> None:
    ((uri, _, _, answer),) = interactions(SHARED / file, "/services/core/model")
    with Simulator("empty", recordings=[SHARED / file]) as simulator:
        found = caller_of(simulator).get(uri.partition("/ia/api/v1")[2]).json()["ia::result"]
    expected = answer["ia::result"]
    assert found["apiObject"] == expected["apiObject"]
    assert found["fields"] == expected["fields"]
    assert found["lists"] == expected["lists"]
    assert found["groups"].keys() == expected["groups"].keys()
    assert found["refs"].keys() == expected["refs"].keys()
    assert set(found["httpMethods"].split(",")) == set(expected["httpMethods"].split(","))


@shared
def test_several_recordings_make_one_company(caller_of: Callable[[Simulator], Caller]) -> None:
    files = [SHARED / "customers.json", SHARED / "gl-accounts.json"]
    with Simulator("empty", recordings=files) as simulator:
        caller = caller_of(simulator)
        assert caller.get("/objects/accounts-receivable/customer").json()["ia::meta"]["totalCount"] == 26
        assert caller.get("/objects/general-ledger/account").json()["ia::meta"]["totalCount"] == 128
        assert simulator.clock.now() == datetime(2026, 3, 18, 7, 57, 10, tzinfo=UTC)


@shared
def test_a_recorded_company_holds_nothing_else(caller_of: Callable[[Simulator], Caller]) -> None:
    """Even where the demo is asked for: its records would stand among the recorded ones."""
    with Simulator("demo", recordings=[SHARED / "customers.json"]) as simulator:
        caller = caller_of(simulator)
        assert caller.get("/objects/accounts-receivable/customer").json()["ia::meta"]["totalCount"] == 26
        assert caller.get("/objects/accounts-payable/vendor").json()["ia::meta"]["totalCount"] == 0


@shared
def test_what_was_not_recorded_is_null_and_recorded_values_stay_until_edited(
    caller_of: Callable[[Simulator], Caller],
) -> None:
    with Simulator("empty", recordings=[SHARED / "customers.json"]) as simulator:
        caller = caller_of(simulator)
        before = caller.get("/objects/accounts-receivable/customer/123").json()["ia::result"]
        assert (before["name"], before["totalDue"]) == ("Venture Solutions", "161200.00")
        assert before["term"] == {"key": None, "id": None}
        assert before["audit"]["modifiedDateTime"] is None
        caller.patch("/objects/accounts-receivable/customer/123", {"name": "Edited"})
        after = caller.get("/objects/accounts-receivable/customer/123").json()["ia::result"]
        assert (after["name"], after["totalDue"]) == ("Edited", "161200.00")
        assert after["audit"]["modifiedDateTime"] == "2026-03-18T07:30:14Z"


@shared
def test_a_recorded_company_is_reopened_at_its_own_time(
    tmp_path: Path, caller_of: Callable[[Simulator], Caller]
) -> None:
    path = tmp_path / "recorded.company"
    Simulator(path=path, recordings=[SHARED / "customers.json"]).close()
    with Simulator(path=path) as again:
        assert again.clock.now() == datetime(2026, 3, 18, 7, 30, 14, tzinfo=UTC)
        model = caller_of(again).get("/services/core/model?name=accounts-receivable/customer").json()["ia::result"]
        assert caller_of(again).get("/objects/accounts-receivable/customer").json()["ia::meta"]["totalCount"] == 26
    assert model["fields"]["advanceBillByType"]["enum"] == ["", "days", "months"]


@shared
def test_a_file_of_models_alone(caller_of: Callable[[Simulator], Caller]) -> None:
    with Simulator("empty", recordings=[SHARED / "live-models.json"]) as simulator:
        found = caller_of(simulator).get("/services/core/model?name=accounts-payable/vendor").json()["ia::result"]
    expected = json.loads((SHARED / "live-models.json").read_text())["accounts-payable/vendor"]
    assert found["fields"] == expected["fields"]
    assert found["additionalQueryFilterParameters"] == expected["additionalQueryFilterParameters"]


def recording(path: Path, rows: list[dict[str, Any]], **payload: Any) -> Path:
    query = {"object": "company-config/department", "fields": sorted(rows[0]) if rows else [], **payload}
    interaction = {
        "request": {
            "method": "POST",
            "uri": "https://api.intacct.com/ia/api/v1/services/core/query",
            "body": json.dumps(query),
        },
        "response": {"status": {"code": 200}, "body": {"string": json.dumps({"ia::result": rows, "ia::meta": {}})}},
    }
    path.write_text(json.dumps({"_metadata": {}, "interactions": [interaction]}))
    return path


def test_dotted_keys_strays_and_fields_the_model_lacks(tmp_path: Path, simulator: Simulator, caller: Caller) -> None:
    row = {
        "key": "7",
        "id": "D7",
        "parent.key": "3",
        "parent.id": "D3",
        "nsp::COLOUR": "red",
        "nsp::WEIGHT": 1.5,
        "API_QUERY_ALIAS__3": "2",
    }
    loaded = load_recording(simulator.company(), recording(tmp_path / "r.json", [row]))
    assert loaded == {"company-config/department": 1}
    fields = [name for name in row if not name.startswith("API_")]
    reply = caller.query(object="company-config/department", fields=fields)
    assert reply.json()["ia::result"] == [{name: row[name] for name in fields}]


def test_two_recordings_of_one_record_complete_each_other(tmp_path: Path, simulator: Simulator, caller: Caller) -> None:
    one = recording(tmp_path / "1.json", [{"key": "7", "id": "D7"}])
    two = recording(tmp_path / "2.json", [{"key": "7", "name": "Seven"}])
    load_recording(simulator.company(), one, two)
    reply = caller.query(object="company-config/department", fields=["key", "id", "name"])
    assert reply.json()["ia::result"] == [{"key": "7", "id": "D7", "name": "Seven"}]


def test_aggregates_are_not_records(tmp_path: Path, simulator: Simulator) -> None:
    path = recording(tmp_path / "r.json", [{"count:key": 3}])
    with pytest.raises(RecordingError, match="no answered model or query"):
        load_recording(simulator.company(), path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read: No such file"),
        ("not json", "is not JSON"),
        ("[1, 2]", "is not recorded traffic"),
        ('{"interactions": [{}]}', "is not recorded traffic"),
        ('{"interactions": []}', "no answered model or query"),
    ],
)
def test_a_bad_file_gets_one_sentence(tmp_path: Path, content: str | None, says: str) -> None:
    path = tmp_path / "bad.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CompanyError, match=says) as caught:
        Simulator("empty", recordings=[path])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rows_without_a_key_are_refused(tmp_path: Path, simulator: Simulator) -> None:
    with pytest.raises(RecordingError, match="has no key"):
        load_recording(simulator.company(), recording(tmp_path / "r.json", [{"id": "D7"}]))


@pytest.mark.parametrize("row", ["a text", 7, None, ["key"]])
def test_rows_that_are_no_objects_name_file_and_interaction(tmp_path: Path, simulator: Simulator, row: Any) -> None:
    path = recording(tmp_path / "r.json", [{"key": "7"}, row])
    with pytest.raises(RecordingError, match=r"r.json, interaction 1: .* no JSON object"):
        load_recording(simulator.company(), path)


def test_a_path_that_is_a_value_and_a_group_is_named(tmp_path: Path, simulator: Simulator) -> None:
    path = recording(tmp_path / "r.json", [{"key": "7", "parent": "y", "parent.id": "D3"}])
    with pytest.raises(RecordingError, match=r"r.json, interaction 1: 'parent' .* both a value and a group"):
        load_recording(simulator.company(), path)


def test_an_empty_reference_beside_its_members_is_null(tmp_path: Path, simulator: Simulator, caller: Caller) -> None:
    load_recording(
        simulator.company(), recording(tmp_path / "r.json", [{"key": "7", "parent": None, "parent.id": None}])
    )
    reply = caller.query(object="company-config/department", fields=["key", "parent.id"])
    assert reply.json()["ia::result"] == [{"key": "7", "parent.id": None}]


def test_an_object_nobody_knows_is_named(tmp_path: Path, simulator: Simulator) -> None:
    path = recording(tmp_path / "r.json", [{"key": "1"}], object="no-such/object")
    with pytest.raises(RecordingError, match="no-such/object"):
        load_recording(simulator.company(), path)
