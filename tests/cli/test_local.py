"""Starting a local Sage Intacct from the command line, as the documentation writes it."""

from __future__ import annotations

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
