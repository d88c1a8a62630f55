"""`tieout connections` and its parts: what stands, what is wrong with it and what to do, entities, plans; and that
entities are kept apart whatever runs over them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tieout.connections import open_connections
from tieout.project import load
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread


@pytest.fixture
def company() -> Any:
    """A company of the test's own: who signs in anew ends what another test uses."""
    with Simulator("empty") as simulator, SimulatorThread(simulator) as running:
        yield running


def test_looking_needs_nothing_and_makes_nothing(tieout: Run, tmp_path: Path) -> None:
    for command in (["connections"], ["connect"]):
        shown = tieout(*command)
        assert (shown.code, shown.out) == (0, "")
        assert "Nothing is connected yet" in shown.err
    assert tieout("connections", "--json").json == []
    assert not (tmp_path / "tieout.db").exists()


def test_a_connection_for_each_entity(connected: Run) -> None:
    shown = connected("connections", "entities", "demo")
    assert [line[0] for line in shown.table()] == ["entity", "E110", "E120", "E130"]
    assert "Next: tieout connections add NAME --like demo --entity ID" in shown.err
    shown = connected("connections", "add", "ca", "--like", "demo", "--entity", "E120")
    assert shown.out == "connected ca: admin@demo, entity E120\n"
    shown = connected("connections", "add", "--like", "demo", "--all-entities")
    assert [line.split(":")[0] for line in shown.out.splitlines()] == ["connected demo-E110", "connected demo-E130"]
    again = connected("connections", "add", "--like", "demo", "--all-entities")
    assert (again.out, again.code) == ("", 0)
    assert "has a connection of this user already" in again.err
    found = {one["name"]: one for one in connected("connections", "--json").json}
    assert {name: one["entity"] for name, one in found.items()} == {
        "ca": "E120",
        "demo": None,
        "demo-E110": "E110",
        "demo-E130": "E130",
    }
    assert all(one["trouble"] == "" and one["valid_until"] for one in found.values())
    table = connected("connections").table()
    assert table[0] == ["name", "state", "user", "entity", "by", "environment", "token", "renewed"]
    assert table[1][:6] == ["ca", "connected", "admin@demo", "E120", "credentials", "simulator"]
    assert connected("connect").out.split("\n")[0] == connected("connections").out.split("\n")[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["add"], "Say whose sign-in the new connection uses"),
        (["add", "--like", "demo", "--entity", "E110"], "needs a name"),
        (["add", "x", "--like", "demo", "--entity", "E110", "--all-entities"], "say one of the two"),
        (["add", "x", "--like", "demo", "--entity", "E11"], "There is no entity 'E11'"),
        (["add", "x", "--like", "nobody"], "There is no connection 'nobody'"),
        (["entities", "nobody"], "There is no connection 'nobody'"),
        (["plan", "--seat", "E110"], "'E110' is no seat"),
        (["plan", "no.csv"], "no.csv cannot be read"),
    ],
)
def test_what_is_wrong_is_said(connected: Run, arguments: list[str], message: str) -> None:
    shown = connected("connections", *arguments)
    assert (shown.code, shown.out) == (2, "")
    assert message in shown.err


@pytest.mark.parametrize(
    ("reason", "said", "repair"),
    [
        ("superseded", "was ended by a later sign-in of the same Sage user", "take another user for this connection"),
        ("revoked", "was ended when a token of the user was revoked", "Run `tieout connect demo`"),
        ("expired", "has expired: it was not used for months", "Run `tieout connect demo`"),
        ("secret", "refuses the client id or secret", "Give the application its new secret"),
        ("interrupted", "is in doubt: a program was cut off", "Run `tieout connect demo`"),
        ("refused", "was ended outside this installation", "Run `tieout connect demo`"),
    ],
)
def test_every_ending_is_shown_with_its_repair(
    connected: Run, tmp_path: Path, reason: str, said: str, repair: str
) -> None:
    state = "doubt" if reason in ("secret", "interrupted") else "dead"
    with sqlite3.connect(tmp_path / "tieout.db") as database:
        database.execute("update grants set state = ?, reason = ?, error = 'invalid_grant'", (state, reason))
    shown = connected("connections")
    assert [line[:2] for line in shown.table() if line[:1] == ["demo"]] == [["demo", state]]
    trouble = shown.out.splitlines()[-1]
    assert trouble.startswith("demo: ")
    assert said in trouble
    assert repair in trouble
    assert connected("connections", "--json").json[0]["trouble"] == trouble.removeprefix("demo: ")


def test_a_client_that_is_refused_for_a_while_is_in_trouble_too(connected: Run, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "tieout.db") as database:
        database.execute("update grants set failures = 1, error = 'GW-0011', retry_after = unixepoch() + 60")
    shown = connected("connections")
    assert shown.table()[1][1] == "in trouble"
    assert "Intacct refused a token for admin@demo (GW-0011)" in shown.out


def test_a_token_killed_by_a_revoke_elsewhere_is_taken_anew_without_a_word(tieout: Run, company: Any) -> None:
    """Client credentials have nothing to lose: nobody has to do anything."""
    assert tieout("connect", "demo", "--simulator", company.url).code == 0
    ended = company.simulator.tenant("demo").desk.grants
    ended.revoke(ended.live()[0])
    before = ended.live()
    shown = tieout("query", "vendors", "--quiet")
    assert (before, shown.code, shown.err) == ([], 0, "")
    assert len(ended.live()) == 1
    assert tieout("connections", "--json").json[0]["trouble"] == ""


# Plans.


def test_a_plan_shows_who_connects_what_and_what_to_type(connected: Run, tmp_path: Path) -> None:
    seats = ["--seat", "E110=Controller (USA)", "--seat", "E120=Controller (CAN)", "--seat", "E130=admin"]
    shown = connected("connections", "plan", *seats)
    assert [line[:4] for line in shown.table()[1:4]] == [
        ["Controller (USA)@demo", "->", "E110", "e110"],
        ["Controller (CAN)@demo", "->", "E120", "e120"],
        ["admin@demo", "->", "E130", "e130"],
    ]
    assert "shares demo" in shown.out
    assert "tieout connections add e130 --like demo --entity E130" in shown.out
    (tmp_path / "seats.csv").write_text(
        "\ufeffLocation,User,Company,Environment,Name,App,By\nE110,jane,acme,,us,,\n\nE120,joe@acme,,production,ca,,\n"
    )
    rows = connected("connections", "plan", "seats.csv", "--json").json["rows"]
    assert [(row["user"], row["company"], row["environment"], row["name"], row["action"]) for row in rows] == [
        ("jane", "acme", "production", "us", "sign in"),
        ("joe", "acme", "production", "ca", "sign in"),
    ]
    assert rows[0]["command"] == "tieout connect us --sign-in --user jane@acme --entity E110"
    by_credentials = connected("connections", "plan", "seats.csv", "--credentials", "--json").json["rows"]
    assert by_credentials[0]["command"] == "tieout connect us --user jane@acme --entity E110"
    there = connected("connections", "plan", "--json").json["rows"]
    assert [(row["name"], row["action"]) for row in there] == [("demo", "connected")]


def test_a_plan_that_would_end_a_sign_in_is_refused_and_shown(connected: Run, tmp_path: Path) -> None:
    (tmp_path / "seats.csv").write_text(
        "location,user,company,environment\nE110,jane,acme,production\nE120,jane,acme,sandbox\n"
    )
    shown = connected("connections", "plan", "seats.csv")
    assert shown.code == 2
    assert "refused" in shown.out
    assert "Next" not in shown.out
    assert "would end the sign-in of 'e110'" in shown.err
    refused = connected("connections", "plan", "seats.csv", "--json")
    assert (refused.code, refused.json["error"]) == (2, "PlanError")
    assert [row["action"] for row in refused.json["rows"]] == ["sign in", "refused"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("place,user\nE110,jane\n", "has a column 'place'"),
        ("location\nE110\n", "has no columns location and user"),
        ("", "has no columns location and user"),
        ("location,user\nE110,jane,acme\n", "there are more values than columns"),
        ("location,user,company,environment\nE110,jane,acme,test\n", "seats.csv, line 2: there is no 'test'"),
        ("location,user,company\n,,\nE110,,acme\n", "the user is missing"),
    ],
)
def test_a_file_that_is_no_plan(connected: Run, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "seats.csv").write_text(text)
    shown = connected("connections", "plan", "seats.csv")
    assert shown.code == 2
    assert message in shown.err


def test_a_plan_needs_a_company_where_none_is_connected(tieout: Run) -> None:
    shown = tieout("connections", "plan", "--seat", "E110=jane")
    assert (shown.code, "which company?" in shown.err) == (2, True)
    assert tieout("connections", "plan", "--seat", "E110=jane", "--company", "acme").code == 0


# Entities are kept apart.

TOML = """
[connections.us]
[connections.ca]
[pull.us]
object = "vendors"
connection = "us"
table = "us_vendors"
[pull.ca]
object = "vendors"
connection = "ca"
table = "ca_vendors"
[push.us]
object = "vendors"
connection = "us"
source = "vendors.jsonl"
[push.ca]
object = "vendors"
connection = "ca"
source = "vendors.jsonl"
"""


def test_state_watermarks_ledger_and_results_are_kept_apart_per_entity(
    tieout: Run, company: Any, tmp_path: Path
) -> None:
    assert tieout("connect", "us", "--simulator", company.url, "--entity", "E110").code == 0
    assert tieout("connections", "add", "ca", "--like", "us", "--entity", "E120").code == 0
    (tmp_path / "tieout.toml").write_text(TOML)
    (tmp_path / "vendors.jsonl").write_text('{"id": "V1", "name": "One"}\n{"id": "V2", "name": "Two"}\n')
    assert tieout("push", "us", "--json").json["posted"] == 2
    # In the other entity nothing of it was posted yet: the same ids are tried there.
    other = tieout("push", "ca", "--json").json
    assert (other["skipped"], other["posted"] + other["failed"]) == (0, 2)
    assert tieout("push", "us", "--json").json["skipped"] == 2
    pulled = {report["table"]: report for report in tieout("pull", "--json").json}
    assert pulled["us_vendors"]["rows_read"] >= 2
    again = {report["table"]: report for report in tieout("pull", "us", "--json").json}
    assert again["us_vendors"]["strategy"] == "incremental"
    assert again["us_vendors"]["watermark_before"] == pulled["us_vendors"]["watermark_after"]
    # The same connection with another entity is another place: its table is not written over, its ledger is new.
    (tmp_path / "tieout.toml").write_text(TOML.replace("[connections.us]", '[connections.us]\nentity = "E130"'))
    moved = tieout("pull", "us")
    assert moved.code == 2
    assert "holds entity 'E110', not 'E130'" in moved.err
    assert tieout("push", "us", "--json").json["skipped"] == 0
    with open_connections(load(tmp_path)).store as store, store.read() as transaction:
        ledgers = transaction.exec_driver_sql("select distinct push, entity from push_records order by push, entity")
        assert [tuple(row) for row in ledgers] == [("ca", "E120"), ("us", "E110"), ("us", "E130")]


def test_a_write_at_another_level_is_warned_of_as_any_doubt(tieout: Run, company: Any, tmp_path: Path) -> None:
    assert tieout("connect", "us", "--simulator", company.url, "--user", "us").code == 0
    user = {"id": "us", "top_level": False}
    company.simulator.answer(
        "POST", "/_simulator/users", {"content-type": "application/json"}, json.dumps(user).encode()
    )
    with sqlite3.connect(tmp_path / "tieout.db") as database:
        database.execute("delete from tokens")
    (tmp_path / "tieout.toml").write_text('[push.vendors]\nobject = "vendors"\nsource = "vendors.jsonl"\n')
    (tmp_path / "vendors.jsonl").write_text('{"id": "V1", "name": "One"}\n')
    shown = tieout("push", "vendors")
    assert shown.code == 0
    assert "warning: us: this writes for the top level, but the token of us works in entity E110" in shown.err
    assert shown.err.count("warning:") == 1


def test_a_mixed_run_is_refused_unless_it_is_meant(tieout: Run, company: Any, tmp_path: Path) -> None:
    assert tieout("connect", "us", "--simulator", company.url).code == 0
    assert tieout("connect", "ca", "--simulator", company.url, "--user", "us").code == 0
    with sqlite3.connect(tmp_path / "tieout.db") as database:
        database.execute("update connections set environment = 'sandbox' where name = 'ca'")
    (tmp_path / "tieout.toml").write_text(TOML)
    shown = tieout("pull")
    assert shown.code == 2
    assert "would mix environments: ca is sandbox, us is simulator" in shown.err
    assert tieout("pull", "us").code == 0
    assert tieout("pull", "--connection", "us").code == 0
    refused = tieout("pull", "--mix-environments")  # its table now holds rows of the other one
    assert (refused.code, "--reset" in refused.out + refused.err) == (2, True)
    assert tieout("pull", "--mix-environments", "--reset").code == 0
