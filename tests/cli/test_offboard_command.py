"""`tieout connections offboard`: asks first, erases, and shows the receipt; and what the webhook was never told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.terminal import at_terminal
from tieout.connections import Connections
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A company that the owner `tenant-7` is connected to twice."""
    with Simulator("empty") as simulator, SimulatorThread(simulator) as running:
        monkeypatch.chdir(tmp_path)
        with here(tmp_path) as connections:
            connections.add_simulator("us", running.url, user="us", owner="tenant-7")
            connections.share("eu", with_="us", owner="tenant-7")
        yield running.url


def here(folder: Path) -> Connections:
    return Connections.at(f"sqlite:///{folder / 'tieout.db'}")


@pytest.mark.usefixtures("url")
def test_without_a_terminal_it_must_be_meant(tieout: Run, tmp_path: Path) -> None:
    shown = tieout("connections", "offboard", "tenant-7")
    assert (shown.code, shown.out) == (2, "")
    assert "Offboarding tenant-7 (eu, us) would revoke their sign-ins and erase what is theirs." in shown.err
    with here(tmp_path) as connections:
        assert connections.names("tenant-7") == ("eu", "us")


@pytest.mark.usefixtures("url")
def test_a_person_is_asked_and_no_is_no(tmp_path: Path) -> None:
    code, shown = at_terminal(["connections", "offboard", "tenant-7"], [("Offboard? [y/N]:", "n")], folder=tmp_path)
    assert (code, "Nothing was erased." in shown) == (0, True)
    with here(tmp_path) as connections:
        assert connections.names("tenant-7") == ("eu", "us")


@pytest.mark.usefixtures("url")
def test_the_receipt_says_what_was_done_and_again_the_same(tieout: Run, tmp_path: Path) -> None:
    shown = tieout("connections", "offboard", "tenant-7", "--yes")
    assert shown.code == 0, shown.err
    assert "revoked" in shown.out
    assert "us@demo (eu, us)" in shown.out
    with here(tmp_path) as connections:
        assert connections.names("tenant-7") == ()
        head = connections.audit.verify().head
    assert head in shown.out
    again = tieout("connections", "offboard", "tenant-7", "--yes", "--json")
    assert again.code == 0
    assert (again.json["owner"], again.json["audit_head"]) == ("tenant-7", head)
    assert again.json["revoked"][0]["connections"] == ["eu", "us"]


def test_what_intacct_did_not_revoke_is_exit_code_1(tieout: Run, url: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "tieout.db") as database:
        database.execute("update grants set base_url = 'http://127.0.0.1:9/ia/api/v1'")
    shown = tieout("connections", "offboard", "tenant-7", "--yes")
    assert shown.code == 1
    assert "not revoked" in shown.out
    with here(tmp_path) as connections:
        assert connections.names("tenant-7") == ()
        connections.add_simulator("us", url, owner="tenant-8")
    left = tieout("connections", "offboard", "tenant-8", "--yes", "--no-revoke")
    assert (left.code, "not revoked  admin@demo (us): It was not asked for." in left.out) == (0, True)


def test_nobody_is_not_let_go(tieout: Run, simulator_url: str) -> None:
    assert tieout("connect", "demo", "--simulator", simulator_url).code == 0
    shown = tieout("connections", "offboard", "nobody", "--yes")
    assert (shown.code, "There is no owner 'nobody'" in shown.err) == (2, True)


@pytest.mark.usefixtures("url")
def test_connections_of_an_owner_are_listed_for_who_lets_one_go(tieout: Run) -> None:
    assert "Nothing is connected yet" in tieout("connections").err
    assert [line[0] for line in tieout("connections", "--owner", "tenant-7").table()] == ["name", "eu", "us"]
    nobody = tieout("connections", "--owner", "nobody")
    assert (nobody.code, nobody.out, "'nobody' has no connections" in nobody.err) == (0, "", True)


def test_events_that_were_given_up_are_told_where_one_looks(connected: Run, simulator_url: str, tmp_path: Path) -> None:
    with here(tmp_path) as connections:
        connections.webhooks.set("https://vendor.example/hook", "whsec_" + "QUFB" * 8)
        connections.add_simulator("second", simulator_url, user="ca", owner="tenant-7")
    assert "webhook" not in connected("connections").err
    with sqlite3.connect(tmp_path / "tieout.db") as database:
        database.execute("update webhook_events set state = 'failed', error = 'the server answered 404'")
    shown = connected("connections")
    assert (shown.code, shown.err.count("The webhook was not told of 1 event")) == (0, 1)
    assert connected("connections", "--json").json[0]["name"] == "demo"
    told = connected("connections", "deliver")
    assert "the server answered 404" in told.out
