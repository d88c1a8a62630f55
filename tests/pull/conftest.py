"""A project folder of its own for every test, and a pull of the scripted company into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.pull.scripted import ScriptedCompany
from tieout.project import Project
from tieout.pull import PullReport
from tieout.pull.run import pull
from tieout.pull.sources import Source

Pull = Callable[..., PullReport]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture
def pull_bills(project: Project) -> Pull:
    """pull_bills(company, **settings) -> the report of one pull of bills, through the settings of a project file."""

    def run(company: ScriptedCompany, *, full: bool = False, **settings: Any) -> PullReport:
        text = "[pull.bills]\nobject = 'bills'\n" + "".join(f"{k} = {_toml(v)}\n" for k, v in settings.items())
        with company.client() as client:
            (report,) = pull(
                Project(project.root, project.root / "tieout.toml", text), full=full, source=Source(client, "demo")
            )
        return report

    return run


@pytest.fixture
def select(project: Project) -> Callable[..., list[tuple[Any, ...]]]:
    """select("SELECT ...") -> rows of the destination."""

    def run(sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(project.root / "company.duckdb"), read_only=True) as db:
            return db.execute(sql, list(parameters)).fetchall()

    return run


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{name}" = {_toml(v)}' for name, v in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    return repr(value)
