"""The names that editors complete are those of the catalogue, and each means an object."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

from tieout import catalogue
from tieout.catalogue.object_names import DocumentedName, ShortName
from tieout.catalogue.spelling import PREFERRED

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    file = ROOT / "scripts" / "build_object_names.py"
    spec = importlib.util.spec_from_file_location("build_object_names", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_module_is_what_the_script_makes_of_the_catalogue(script: ModuleType) -> None:
    assert script.TARGET == ROOT / "src" / "tieout" / "catalogue" / "object_names.py"
    assert script.TARGET.read_text(encoding="utf-8") == script.made(), "run scripts/build_object_names.py"


def test_every_documented_name_is_offered_and_every_short_one_means_its_object() -> None:
    documented = {name for name in catalogue.names() if "{" not in name}
    assert set(get_args(DocumentedName)) == documented
    assert {catalogue.resolve(word) for word in get_args(ShortName)} == set(PREFERRED.values())
