"""`dlt_source` where dlt is not installed, or nothing is named. What it hands over: tests/foreign/test_frames.py."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from tieout.errors import ConfigurationError, UnknownNameError
from tieout.project import Project
from tieout.pull import dlt_source


def test_dlt_is_not_installed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlt", None)
    with pytest.raises(ConfigurationError, match="dlt is not installed") as refused:
        dlt_source(project, objects=["bills"])
    assert "tieout[dlt]" in refused.value.advice


def test_what_is_named_is_looked_up_before_dlt_runs(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dlt", ModuleType("dlt"))
    with pytest.raises(ConfigurationError, match="Nothing says what to read"):
        dlt_source(project)
    with pytest.raises(UnknownNameError, match="bilz"):
        dlt_source(project, objects=["bilz"])
