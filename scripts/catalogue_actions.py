"""The workflow actions that Sage documents, one a line: object, action, the state words it is shown to answer, and what
its body takes beside `key`. Read from Sage's printed examples; what only the schema's notes say is written down here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PREFIX = "/workflows/"
NONE = "-"

ALSO: dict[tuple[str, str], tuple[tuple[str, ...], tuple[str, ...]]] = {
    ("accounts-payable/bill", "submit"): (("submitted",), ()),
    ("accounts-payable/payment", "submit"): (("confirmed",), ()),
    ("accounts-payable/payment", "reverse"): (("approved",), ()),
    ("expenses/employee-expense", "recall"): (("draft",), ()),
    ("expenses/employee-expense", "reverse"): (("reversed",), ("reverseDate", "notes")),
    ("order-entry/document", "generate-pdf"): ((), ()),
}
"""States and body members that the schema's notes add to the examples (REST reference 4.8)."""


def action_lines(source: Path) -> list[str]:
    """Lines of actions.txt, in order of object and action."""
    found: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    for entry in json.loads((source / "_services-and-workflows.json").read_text(encoding="utf-8")):
        if entry["path"].startswith(PREFIX):
            object, _, action = entry["path"].removeprefix(PREFIX).rpartition("/")
            states = [state for reply in entry["responses"] if (state := _state(reply["json"]))]
            takes = [name for body in entry["requests"] for name in body["json"] if name not in ("key", "id")]
            found[object, action] = (states, takes)
    for name, (states_also, takes_also) in ALSO.items():
        states, takes = found.setdefault(name, ([], []))
        states += states_also
        takes += takes_also
    return [
        " ".join((object, action, "|".join(dict.fromkeys(states)) or NONE, *dict.fromkeys(takes)))
        for (object, action), (states, takes) in sorted(found.items())
    ]


def _state(reply: Any) -> str | None:
    result = reply.get("ia::result", reply)  # cash management prints it without the envelope
    return result.get("state") if isinstance(result, dict) else None
