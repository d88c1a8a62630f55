"""What `tieout connections` advises can be typed as it stands: a connection that is connected anew keeps what it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.cli.terminal import at_terminal
from tieout.connections import Connections
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread


@pytest.fixture
def url() -> Iterator[str]:
    with Simulator("empty") as simulator, SimulatorThread(simulator) as running:
        yield running.url


@pytest.fixture
def with_app(tieout: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`tieout` where the application `acme` is registered, of scope non-production."""
    monkeypatch.setenv("TIEOUT_KEY", "ab" * 32)
    monkeypatch.setenv("TIEOUT_CLIENT_SECRET", "demo-secret")
    made = tieout("app", "new", "acme", "--client-id", "demo-client", "--scope", "non-production")
    assert made.code == 0
    monkeypatch.delenv("TIEOUT_CLIENT_SECRET")
    return tieout


def facts(tieout: Run) -> dict[str, tuple[object, ...]]:
    shown = ("state", "kind", "user", "company", "entity", "environment", "base_url", "app")
    return {one["name"]: tuple(one[fact] for fact in shown) for one in tieout("connections", "--json").json}


def test_credentials_of_an_application_after_a_revoke(with_app: Run, url: str) -> None:
    tieout = with_app
    made = tieout("connect", "us", "--app", "acme", "--base-url", url, "--user", "us@demo", "--entity", "E110")
    assert made.code == 0, made.err
    assert tieout("connections", "add", "other", "--like", "us", "--entity", "E110").code == 0
    before = facts(tieout)
    assert before["us"][5] == "sandbox"  # what its scope is for: nothing was asked
    assert tieout("connections", "revoke", "us", "--yes").code == 0
    shown = tieout("connections")
    trouble = shown.out.splitlines()[-1]
    assert trouble.startswith("other, us: The sign-in of us@demo was ended")
    assert trouble.endswith("Run `tieout connect other`.")
    assert tieout("connect", "other").out.splitlines()[1] == "also goes on with these credentials: us"
    assert facts(tieout) == before


def test_another_user_leaves_the_entity_of_the_first(with_app: Run, url: str) -> None:
    options = ("--app", "acme", "--base-url", url)
    assert with_app("connect", "us", *options, "--user", "us@demo|E110").code == 0
    assert with_app("connect", "us", *options, "--user", "ca@demo").code == 0
    assert facts(with_app)["us"][2:5] == ("ca", "demo", None)


def test_a_simulator_after_a_revoke(tieout: Run, url: str) -> None:
    assert tieout("connect", "demo", "--simulator", url, "--user", "ca@demo", "--entity", "E120").code == 0
    before = facts(tieout)
    assert tieout("connections", "revoke", "demo", "--yes").code == 0
    assert tieout("connect", "demo").code == 0
    assert facts(tieout) == before


def test_an_application_that_is_not_there_is_said_before_anything_is_asked(with_app: Run) -> None:
    shown = with_app("connect", "us", "--app", "acne")
    assert (shown.code, "There is no application 'acne'" in shown.err) == (2, True)


def test_a_person_is_not_asked_what_is_known(with_app: Run, url: str, tmp_path: Path) -> None:
    assert with_app("connect", "us", "--app", "acme", "--base-url", url, "--user", "us@demo").code == 0
    code, shown = at_terminal(["connect", "us"], [("Choose [1]:", "")], folder=tmp_path, columns=80)
    assert (code, "connected us: us@demo" in shown) == (0, True)
    lines = shown.splitlines()
    second = next(number for number, line in enumerate(lines) if line.startswith("  2  A person"))
    assert lines[second + 1].startswith("     applications")  # under the words, not under the number


def test_no_name_is_no_connection(tieout: Run, url: str) -> None:
    shown = tieout("connect", "", "--simulator", url)
    assert (shown.code, "name of the connection must not be blank" in shown.err) == (2, True)


def test_the_audit_log_names_who_ran_the_command(
    tieout: Run, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwd = pytest.importorskip("pwd")
    import os

    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.setenv("LOGNAME", "somebody-else")
    assert tieout("connect", "demo", "--simulator", url).code == 0
    me = pwd.getpwuid(os.getuid()).pw_name
    assert [entry["actor"] for entry in tieout("audit", "--what", "connected", "--json").json] == [me]
    with Connections.at(f"sqlite:///{tmp_path / 'tieout.db'}") as connections:
        connections.add_simulator("by-program", url)
    assert tieout("audit", "--what", "connected", "--json").json[-1]["actor"] == "tieout"


def test_a_narrow_terminal_breaks_no_name(tieout: Run, url: str, tmp_path: Path) -> None:
    assert tieout("connect", "a-long-name-of-it", "--simulator", url, "--user", "ca@demo", "--entity", "E120").code == 0
    code, shown = at_terminal(["connections"], [], folder=tmp_path)  # 80 columns
    assert code == 0
    line = next(line for line in shown.splitlines() if line.startswith("a-long-name-of-it"))
    assert "ca@demo" in line
    assert "E120" in line
    assert "renewed" not in shown
    assert tieout("connections").table()[0][-1] == "renewed"  # a pipe has room
    assert tieout("query", "vendors", "--count").code == 0
    code, shown = at_terminal(["log", "--limit", "1"], [], folder=tmp_path)
    assert (code, "/services/core/query" in shown) == (0, True)
    assert tieout("log").table()[0][-2:] == ["cost", "try"]
