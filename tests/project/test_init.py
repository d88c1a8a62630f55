"""The first files of a project."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tieout.errors import ConfigurationError
from tieout.project import init, load


def test_what_init_writes_is_a_project_that_pulls(tmp_path: Path) -> None:
    written = init(tmp_path / "new")
    assert [path.name for path in written] == ["tieout.toml", ".gitignore"]
    assert load(tmp_path / "new").names("pull") == ("vendors", "bills")


def test_every_example_in_it_is_valid_once_its_comment_sign_is_gone(tmp_path: Path) -> None:
    (file, _) = init(tmp_path)
    lines = file.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("# [state]"))
    examples = [
        line.removeprefix("# ") for line in lines[start:] if line.startswith(("# [", "# url", '# "', "# begin"))
    ]
    settings = [
        line[2:] for line in lines[start:] if line.startswith("# ") and " = " in line and not line.startswith("#  ")
    ]
    assert len(settings) > 8
    assert examples
    file.write_text("\n".join(line[2:] if line[2:] in settings + examples else line for line in lines))
    found = load(tmp_path)
    assert (found.connection_names, found.names("push")) == (("us",), ("timesheets",))
    assert found.state_url.endswith("/tieout.db")


def test_an_existing_project_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "tieout.toml").write_text("[pull.mine]\n")
    with pytest.raises(ConfigurationError, match="exists already and is left as it is"):
        init(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["tieout.toml"]
    assert (tmp_path / "tieout.toml").read_text() == "[pull.mine]\n"


def test_an_existing_gitignore_only_gets_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("build/\n.env")
    init(tmp_path)
    text = (tmp_path / ".gitignore").read_text()
    assert text.startswith("build/\n.env\ntieout.db*\n")
    assert text.count(".env") == 1


def test_git_keeps_state_keys_and_data_out(tmp_path: Path) -> None:
    init(tmp_path)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for name in ("tieout.db", "tieout.db-wal", "tieout.key", ".env", "company.duckdb", "company.duckdb.wal"):
        (tmp_path / name).touch()
    done = subprocess.run(
        ["git", "-C", str(tmp_path), "status", "--porcelain", "-uall"], capture_output=True, text=True, check=True
    )
    assert {line[3:] for line in done.stdout.splitlines()} == {"tieout.toml", ".gitignore"}


def test_a_folder_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="file"):
        init(tmp_path / "file")
