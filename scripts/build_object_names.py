"""Writes src/tieout/catalogue/object_names.py: object names as a Literal, so that editors complete them.

    python scripts/build_object_names.py

Run it after the catalogue has changed; a test compares.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

from tieout import catalogue
from tieout.catalogue.spelling import PREFERRED

TARGET = Path(__file__).parents[1] / "src" / "tieout" / "catalogue" / "object_names.py"
HEAD = '''"""Names of objects for type checkers and editors. Made by scripts/build_object_names.py.

`ObjectName` takes any text, since only a company knows its custom objects and transaction definitions; the names in it
are what an editor offers. A misspelt one is told by the client itself, with the nearest right name.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

# fmt: off
DocumentedName: TypeAlias = Literal[
'''
MIDDLE = '''
]
"""All documented objects by their full names."""

ShortName: TypeAlias = Literal[
'''
TAIL = '''
]
"""The words that everyone uses, singular and plural."""
# fmt: on

ObjectName: TypeAlias = DocumentedName | ShortName | str
'''


def plural(word: str) -> str:
    """`journal-entry` -> `journal-entries`."""
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + ("es" if word.endswith("s") else "s")


def made() -> str:
    """The text of the module."""
    documented = [name for name in catalogue.names() if not name.endswith("{documentName}")]
    short = [form for word in PREFERRED for form in (word, plural(word))]
    return HEAD + _lines(documented) + MIDDLE + _lines(short) + TAIL


def _lines(names: list[str]) -> str:
    text = ", ".join(f'"{name}"' for name in names) + ","
    wrapped = textwrap.wrap(text, 116, break_long_words=False, break_on_hyphens=False)
    return textwrap.indent("\n".join(wrapped), "    ")


if __name__ == "__main__":
    TARGET.write_text(made(), encoding="utf-8")
