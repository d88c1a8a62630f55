"""Makes HTML or JSON of a page. Every text from outside is escaped by the template engine; there is no script."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
import msgspec

from tieout.connections.web.pages import Page
from tieout.connections.web.settings import Settings


def drawn(page: Page, settings: Settings) -> bytes:
    """A page as HTML."""
    shown = {**page.facts, "base": settings.base, "product": settings.product}
    return _templates().get_template(f"{page.name}.html").render(shown).encode(errors="replace")


def told(page: Page) -> bytes:
    """A page as JSON: its name and what stands on it."""
    facts: dict[str, Any] = {"page": page.name, **page.facts}
    return msgspec.json.encode(facts)


@cache
def style() -> bytes:
    """The style sheet."""
    return files("tieout.connections.web").joinpath("static/connect.css").read_bytes()


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("tieout.connections.web"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
