"""The page on layouts says what the layout does."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_page_is_made_from_the_layout() -> None:
    spec = importlib.util.spec_from_file_location("build_layouts_page", ROOT / "scripts" / "build_layouts_page.py")
    assert spec is not None
    assert spec.loader is not None
    builder = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(builder)
    page = (ROOT / "docs" / "layouts.md").read_text()
    assert builder.build(page) == page, "python scripts/build_layouts_page.py"
