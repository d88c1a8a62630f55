"""The documentation says what the program does: its snippets run, and every setting and error is named."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tieout import errors
from tieout.pull.settings import PullSettings
from tieout.push.settings import Column, PushSettings
from tieout.simulator import Simulator
from tieout.simulator.app import SimulatorThread

ROOT = Path(__file__).parents[1]
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")


def snippets(page: str) -> list[str]:
    return PYTHON.findall((ROOT / page).read_text())


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_first_snippet_runs_as_it_stands(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(snippets(page)[0], page, "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 50
    assert lines[0].startswith("V-")


def test_the_second_snippet_of_the_readme_runs_against_a_local_company(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Simulator("demo") as simulator, SimulatorThread(simulator) as server:
        for name, value in {
            "CLIENT_ID": "demo-client", "CLIENT_SECRET": "demo-secret", "USER": "admin", "COMPANY": "demo",
            "BASE_URL": server.url,
        }.items():  # fmt: skip
            monkeypatch.setenv(f"TIEOUT_{name}", value)
        exec(compile(snippets("README.md")[1], "README.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    half = len(lines) // 2
    assert half > 50
    assert lines[:half] == lines[half:]


@pytest.mark.parametrize("page", ["README.md", "docs/sdk.md", "docs/index.md"])
def test_every_snippet_is_python(page: str) -> None:
    for code in snippets(page):
        compile(code, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("settings", [PullSettings, PushSettings, Column])
def test_every_setting_is_in_the_project_file_page(settings: type) -> None:
    page = (ROOT / "docs/project-file.md").read_text()
    missing = [name for name in settings.__struct_fields__ if f"`{name}`" not in page and f"{name}]" not in page]
    assert missing == []


def test_every_error_a_user_may_meet_is_in_the_python_page() -> None:
    page = (ROOT / "docs/sdk.md").read_text()
    meant = [
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.IntacctError | errors.UnreachableError)
    ]
    assert [name for name in [*meant, "CheckError", "OutcomeUnknownError"] if f"`{name}`" not in page] == []


def test_every_link_between_the_pages_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in LINK.findall(page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"
