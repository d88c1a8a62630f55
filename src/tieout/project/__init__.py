"""The project file tieout.toml: where it is, what it says, and which sections it may hold.

Each room declares its own section as a typed struct and asks for it; this room knows no room by its contents.
"""

from __future__ import annotations

from tieout.project.init import init
from tieout.project.load import FILE_NAME, SECTIONS, Project, load

__all__ = ["FILE_NAME", "SECTIONS", "Project", "init", "load"]
