"""`frame`: a pulled table in Python, from wherever it was pulled to."""

from __future__ import annotations

import sys
from decimal import Decimal

import pytest

from tests.pull.conftest import Pull
from tests.pull.scripted import ScriptedCompany, bill
from tieout.errors import ConfigurationError, UnknownNameError
from tieout.project import Project
from tieout.pull import frame


@pytest.mark.parametrize("destination", ["duckdb:///company.duckdb", "sqlite:///company.db", "parquet:///company"])
def test_by_section_by_object_and_by_table(pull_bills: Pull, project: Project, destination: str) -> None:
    pull_bills(ScriptedCompany([bill(1), bill(2)]), destination=destination)
    text = f"[pull.mine]\nobject = 'bills'\ndestination = '{destination}'\n"
    for found in (
        frame(Project(project.root, project.root / "tieout.toml", text), "mine", columns=["key", "totalDue"]),
        frame(project, "bills", destination=destination, columns=["key", "totalDue", "key"]),
        frame(project, "bill", destination=destination, columns=["key", "totalDue"]),
    ):
        rows = found.sort_by("key").to_pylist()
        assert rows == [{"key": "1", "totalDue": Decimal("1.10")}, {"key": "2", "totalDue": Decimal("2.10")}]
    every = frame(project, "bills", destination=destination)
    assert {"key", "audit__modifiedDateTime"} < set(every.column_names)
    paths = frame(project, "bills", destination=destination, columns=["audit.modifiedDateTime"])
    assert paths.column_names == ["audit__modifiedDateTime"]


def test_a_table_may_be_called_as_it_is(pull_bills: Pull, project: Project) -> None:
    pull_bills(ScriptedCompany([bill(1)]), table="my table")
    assert frame(project, "my table").num_rows == 1


def test_what_is_not_there_is_named(pull_bills: Pull, project: Project) -> None:
    with pytest.raises(UnknownNameError, match="no table"):
        frame(project, "bills")
    pull_bills(ScriptedCompany([bill(1)]))
    with pytest.raises(UnknownNameError, match="Did you mean bill"):
        frame(project, "bil")
    with pytest.raises(UnknownNameError, match="no column of table bill 'totalDew'"):
        frame(project, "bills", columns=["totalDew"])


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_a_library_that_is_not_installed(project: Project, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setitem(sys.modules, kind, None)
    with pytest.raises(ConfigurationError, match=f"{kind} is not installed"):
        frame(project, "bills", kind=kind)  # type: ignore[arg-type]  # a plain text here


def test_a_kind_that_there_is_not(project: Project) -> None:
    with pytest.raises(ConfigurationError, match="no frames of kind 'spark'"):
        frame(project, "bills", kind="spark")  # type: ignore[arg-type]  # a mistake
