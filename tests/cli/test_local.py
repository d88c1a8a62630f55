"""Starting a local Sage Intacct from the command line, as the documentation writes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tieout.cli.main import main


@pytest.mark.parametrize("spelling", [["--load", "a.json", "b.json"], ["--load", "a.json", "--load", "b.json"]])
def test_several_recordings_can_follow_one_load(
    spelling: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text("{}")
    code = main(["simulate", "--port", "0", *spelling])
    error = capsys.readouterr().err
    assert code == 2
    assert ".json" in error
    assert "Traceback" not in error


def test_an_argument_that_is_no_recording_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "demo"]) == 2
    assert "--load" in capsys.readouterr().err


def test_simulate_json_is_one_line_with_all_that_a_program_needs(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tieout", "simulate", "--port", "0", "--seed", "empty", "--company", "a.db", "--json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        facts = json.loads(running.stdout.readline())
        try:
            from tieout import Intacct

            with Intacct(
                base_url=facts["base_url"],
                client_id=facts["client_id"],
                client_secret=facts["client_secret"],
                user=facts["users"][0],
                company=facts["company"],
            ) as client:
                assert client.count("vendors") == 0
        finally:
            running.terminate()
        rest, _ = running.communicate(timeout=30)
    assert (running.returncode, rest) == (0, "")
    assert facts["base_url"].startswith(facts["url"])
    assert facts["company_file"] == str(tmp_path / "a.db")
    assert facts["password"] == "demo"
    assert set(facts["users"]) == {"admin", "us", "ca"}
