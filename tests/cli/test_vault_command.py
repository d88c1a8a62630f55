"""`tieout vault`: which key guards the secrets, a new one, the change of keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def connected(tieout: Run, simulator_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("TIEOUT_KEY", "ab" * 32)
    assert tieout("connect", "demo", "--simulator", simulator_url).code == 0
    return tieout


def test_the_life_of_a_key(connected: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = connected("vault")
    assert shown.code == 0
    assert shown.out.startswith("master key  key:")
    assert "(from TIEOUT_KEY)" in shown.out
    assert "data keys   1 of 1 owner\n" in shown.out
    assert shown.table()[-1][1:] == ["1", "yes"]
    assert connected("vault", "status", "--json").json["wrappers"][0]["keys"] == 1

    monkeypatch.setenv("TIEOUT_KEY", "cd" * 32)
    lost = connected("vault")
    assert lost.code == 2
    assert lost.table()[-1][1:] == ["1", "no"]
    assert "encrypted with another master key, key:" in lost.err
    refused = connected("query", "vendors", "--limit", "1")
    assert (refused.code, "another master key" in refused.err) == (2, True)
    failed = connected("vault", "rotate")
    assert (failed.code, "could not be read  1" in failed.out) == (1, True)
    assert "TIEOUT_KEY_OLD" in failed.err

    monkeypatch.setenv("TIEOUT_KEY_OLD", "ab" * 32)
    assert "`tieout vault rotate` brings" in connected("vault").err
    done = connected("vault", "rotate")
    assert (done.code, "1 wrapped anew, 0 made" in done.out) == (0, True)
    monkeypatch.delenv("TIEOUT_KEY_OLD")
    assert connected("query", "vendors", "--limit", "1").code == 0
    found = connected("vault", "rotate", "--data-keys", "--owner", "default", "--json").json
    assert (found["made"], found["resealed"], found["unreadable"]) == (1, 2, [])
    assert connected("query", "vendors", "--limit", "1").code == 0
    for text in ("ab" * 32, "cd" * 32):
        assert text not in shown.out + lost.out + lost.err + failed.err + done.out


def test_a_key_of_this_user(tieout: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, simulator_url: str) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    file = tmp_path / "settings" / "tieout" / "key"
    made = tieout("vault", "init")
    assert (made.code, str(file) in made.out) == (0, True)
    assert "Keep a copy" in made.err
    assert file.read_text().strip() not in made.out + made.err
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_text()
    again = tieout("vault", "init")
    assert (again.code, "left as it is" in again.err, file.read_text()) == (2, True, before)
    assert tieout("connect", "demo", "--simulator", simulator_url).code == 0
    assert not (tmp_path / "tieout.key").exists()
    assert f"(from {file})" in tieout("vault").out
    file.chmod(0o644)
    assert "can be read by other users" in tieout("query", "vendors").err


def test_a_key_elsewhere_but_not_beside_the_database(tieout: Run, tmp_path: Path) -> None:
    beside = tieout("vault", "init", "--file", "my.key")
    assert (beside.code, "beside the state database" in beside.err) == (2, True)
    elsewhere = tieout("vault", "init", "--file", str(tmp_path / "keys" / "my.key"), "--json")
    assert elsewhere.json["file"] == str(tmp_path / "keys" / "my.key")
    assert (tmp_path / "keys" / "my.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("command", [["vault"], ["vault", "rotate"]])
def test_without_a_database_there_is_nothing_to_show(tieout: Run, tmp_path: Path, command: list[str]) -> None:
    shown = tieout(*command)
    assert (shown.code, "no state database here" in shown.err) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_the_key_of_simulators_is_called_that(tieout: Run, simulator_url: str) -> None:
    assert tieout("connect", "demo", "--simulator", simulator_url).code == 0
    assert ", for simulators only)" in tieout("vault").out


def test_a_key_that_was_made_before_anything_is_connected_is_named(
    tieout: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIEOUT_KEY", "ab" * 32)
    shown = tieout("vault")
    assert (shown.code, "The master key is there, from TIEOUT_KEY" in shown.err) == (2, True)
    assert "vault init" not in shown.err
