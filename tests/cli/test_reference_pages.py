"""The reference pages name every command, every option and every exit code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tieout.cli import directory
from tieout.errors import Exit
from tieout.pull import PullReport, TablePlan

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", directory.COMMANDS)
def test_commands_page_names_every_option(tieout: Run, name: str) -> None:
    page = (REFERENCE / "commands.md").read_text()
    section = re.search(rf"^### `tieout {name}\b.*?(?=^##|\Z)", page, re.MULTILINE | re.DOTALL)
    assert section is not None, f"commands.md has no section on {name}"
    common = page.split("## Start here")[0]
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", tieout(name, "--help").out)):
        assert option in section.group() or option in common, f"{name} {option} is not explained"


def test_commands_page_names_what_a_pull_and_its_plan_say_as_json() -> None:
    page = (REFERENCE / "commands.md").read_text()
    section = page.split("### `tieout pull ")[1].split("### `tieout push ")[0]
    said, planned = section.split("With `--json` a list")[1].split("With `--dry-run --json`")
    for struct, words in ((PullReport, said), (TablePlan, said.split("`rows_read`")[0] + planned)):
        for name in struct.__struct_fields__:
            assert f"`{name}`" in words, f"{struct.__name__}.{name} is not explained"


def test_every_exit_code_is_explained() -> None:
    page = (REFERENCE / "exit-codes.md").read_text()
    codes = {value for name, value in vars(Exit).items() if name.isupper()}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)} == codes
