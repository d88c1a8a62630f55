"""The pytest plugin, as other people's tests meet it: in a pytest of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAD = """
import json, urllib.parse, urllib.request, pytest

def call(server, method, path, body=None, token=None):
    headers = {"content-type": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(server.base_url + path, data, headers, method=method)
    with urllib.request.urlopen(asked, timeout=10) as reply:
        return json.load(reply)

def token(server):
    given = server.credentials
    form = {"grant_type": "client_credentials", "username": f"{given['user']}@{given['company']}",
            "client_id": given["client_id"], "client_secret": given["client_secret"]}
    return call(server, "POST", "/oauth2/token", form)["access_token"]

DEPARTMENT = "/objects/company-config/department"
"""


def run(folder: Path, tests: str, *arguments: str, ini: str = "") -> str:
    """What a pytest in `folder` prints; it has this plugin and no other."""
    (folder / "test_theirs.py").write_text(HEAD + tests)
    (folder / "pytest.ini").write_text(f"[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n{ini}")
    command = [sys.executable, "-m", "pytest", "-p", "tieout.simulator.pytest_plugin", *arguments]
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout


def test_every_test_finds_it_as_new(tmp_path: Path) -> None:
    told = run(
        tmp_path,
        """
@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.intacct("empty", tier="1")
def test_empty(intacct_simulator, turn):
    bearer = token(intacct_simulator)
    assert call(intacct_simulator, "GET", DEPARTMENT, token=bearer)["ia::meta"]["totalCount"] == 0
    call(intacct_simulator, "POST", DEPARTMENT, {"id": "A", "name": "A"}, bearer)
    assert intacct_simulator.simulator.settings["tier"] == "1"
    assert len(intacct_simulator.simulator.traffic.log.find()) == 3

def test_the_ini_file_counts_where_no_marker_says_otherwise(intacct_simulator, intacct_company):
    assert intacct_simulator.simulator.settings["rotation"] == "strict"
    assert intacct_simulator.simulator.settings["tier"] == "off"
    assert "general-ledger/journal-entry" not in intacct_company.objects_in_use()
    assert list(intacct_company.users) == ["admin", "us", "ca"]
""",
        ini="intacct_seed = empty\nintacct_switches =\n    rotation = strict\n",
    )
    assert "3 passed" in told


@pytest.mark.parametrize(
    ("marker", "words"),
    [
        ('"huge"', ["huge", "demo or empty"]),
        ('"empty", rotaton="strict"', ["rotaton", "rotation"]),
        ('"empty", rotation="often"', ["often", "lenient"]),
        ('"empty", "strict"', ["by name"]),
    ],
)
def test_a_wrong_marker_is_named(tmp_path: Path, marker: str, words: list[str]) -> None:
    told = run(tmp_path, f"@pytest.mark.intacct({marker})\ndef test_it(intacct_simulator): pass\n")
    assert "1 error" in told
    for word in words:
        assert word in told


def test_where_nobody_uses_it_nothing_is_loaded(tmp_path: Path) -> None:
    """Neither the simulator nor what it stands on: the plugin is loaded in every pytest of the environment."""
    told = run(
        tmp_path,
        """
import sys

def test_nothing():
    heavy = ("tieout.simulator.", "tieout.catalogue", "tieout.rest", "msgspec", "uvicorn", "httpx", "sqlite3")
    assert [name for name in sys.modules if name.startswith(heavy)] == ["tieout.simulator.pytest_plugin"]
""",
    )
    assert "1 passed" in told


def test_the_example_of_the_page_passes(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text()
    example = page.partition("## In pytest")[2].partition("```python\n")[2].partition("```")[0]
    assert "1 passed" in run(tmp_path, example)
