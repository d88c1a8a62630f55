"""`tieout model` works offline, for every object, and names what a create needs."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Run
from tieout import catalogue


def test_lists_every_object(tieout: Run) -> None:
    shown = tieout("model")
    assert shown.code == 0
    assert shown.out.splitlines() == list(catalogue.names())
    assert "518 objects" in shown.err
    assert tieout("model", "--json").json == list(catalogue.names())


def test_search_narrows_the_list_and_the_fields(tieout: Run) -> None:
    assert set(tieout("model", "--search", "TIMESHEET").out.split()) >= {"time/timesheet", "time/timesheet-line"}
    paths = [row["path"] for row in tieout("model", "vendors", "--search", "currency", "--json").json["fields"]]
    assert paths
    assert all("currency" in path.lower() for path in paths)


def test_search_prints_nothing_that_does_not_match(tieout: Run) -> None:
    shown = tieout("model", "vendor", "--search", "due")
    _, _, _, *body = shown.out.splitlines()
    assert all("due" in line.lower() for line in body if line and not line.startswith("field ")), shown.out


def test_a_near_name_is_given_once(tieout: Run) -> None:
    advice = tieout("model", "vendr").err.splitlines()[1]
    assert advice.startswith("       Did you mean accounts-payable/vendor")
    assert " vendor" not in advice
    assert advice.count("accounts-payable/vendor?") + advice.count("accounts-payable/vendor ") == 1


@pytest.mark.parametrize("spelling", ["vendor", "vendors", "accounts-payable/vendor"])
def test_shows_an_object_by_any_of_its_names(tieout: Run, spelling: str) -> None:
    shown = tieout("model", spelling)
    assert shown.code == 0
    assert shown.out.startswith("accounts-payable/vendor\n")
    rows = {line[0]: line for line in shown.table() if line}
    assert rows["name"][1:3] == ["string", "read write"]
    assert rows["key"][2] == "read"


def test_json_tells_flags_values_and_targets(tieout: Run) -> None:
    facts = tieout("model", "bill", "--json").json
    rows = {row["path"]: row for row in facts["fields"]}
    assert rows["vendor.id"]["refers_to"] == "accounts-payable/vendor"
    assert rows["state"]["enum"]
    assert facts["lists"]["lines"] == "accounts-payable/bill-line"
    assert "POST" in facts["methods"]


def test_an_unknown_object_is_code_2_with_the_nearest(tieout: Run) -> None:
    shown = tieout("model", "vendrs")
    assert shown.code == 2
    assert "vendor" in shown.err
    assert shown.out == ""


def test_every_object_can_be_shown(tieout: Run) -> None:
    from tieout.cli.model import describe

    for name in catalogue.names():
        rows = describe(catalogue.load(name))
        assert all(row["type"] and row["access"] for row in rows), name


def test_says_what_can_be_queried_filtered_and_written(tieout: Run) -> None:
    rows = {row["path"]: row for row in tieout("model", "invoice", "--json").json["fields"]}
    told = {path: (rows[path]["access"], rows[path]["query"]) for path in ("id", "action", "dueDate", "customer.href")}
    assert told == {
        "id": ("read", "filter"),
        "action": ("write", ""),
        "dueDate": ("read write", "filter"),
        "customer.href": ("read", "select"),
    }
    assert "action" in {line[0] for line in tieout("model", "invoice").table() if line[3:4] == ["no"]}


def test_a_live_model_still_tells_what_a_create_needs_and_what_queries_were_found_to_refuse(connected: Run) -> None:
    shown = connected("model", "vendors", "--live", "--json").json
    assert {entry["path"] for entry in shown["required_on_create"]} >= {"name"}
    with_name = {row["path"]: row["required"] for row in shown["fields"]}
    assert with_name["name"] == "always"
