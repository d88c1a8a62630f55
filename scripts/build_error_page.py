"""Writes docs/reference/errors.md from the failure table, so that the page says what the program does.

Run it after changing `tieout.rest.failure_table`; a test fails while the page is behind.
"""

from __future__ import annotations

from pathlib import Path

from tieout.rest.conflicts import ADVICE
from tieout.rest.failure_table import AT_THE_DOOR, BOOKS, REQUEST, STATUSES, TOKEN_WORDS, WORDS, Action, Rule

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "errors.md"

HEAD = """\
# Errors of Intacct

What each refusal means, whose move it is and what to do: the table that `tieout` itself goes by. An error carries
all of it: `error_id`, `code`, `status`, `message` and `details` as Intacct gave them, `whose` and `advice` from
here. Branch on `error_id` and `status`, never on words. The classes are in [Python](../sdk/errors.md), the exit
codes in [Exit codes](exit-codes.md).

The first row that fits applies: a code of a detail before the code around it, then words, then the HTTP status.
*How sure* says where the row comes from: LIVE was seen in traffic with a real company, DOC is documented by Sage,
INFERRED is our reading, UNKNOWN was found nowhere. Sage publishes no full list; a code that is not here is treated
by its status.

*Again* says what the client does by itself before it raises: `renew` means it gets a new token and sends the
request once more, `wait` that it waits (as long as Intacct asks, else from half a second up to 30) and tries again,
if a repeat cannot write twice and the deadline allows.

<!-- made by scripts/build_error_page.py; change the table, not this page -->
"""

CONFLICTS = """\
## The four meanings of 409

`ConflictError.meaning` tells them apart. No source shows what Intacct answers in each case (UNKNOWN, reference
7.6), so what the client knows of its own request goes before Intacct's words.

| meaning | what to do |
|---|---|
"""

TAIL = """
After a try without an answer, a 409 never ends as a plain refusal: `in flight` is waited for, and any other leaves
the write *unknown* (`OutcomeUnknownError`), with what is known in its advice.
"""

AGAIN = {Action.STOP: "", Action.RENEW: "renew", Action.RETRY: "wait"}


def page() -> str:
    """The whole page."""
    parts = [
        HEAD,
        _table("Before Intacct looks at the request", AT_THE_DOOR),
        _table("The request itself", REQUEST),
        _table("Rules of the books", BOOKS),
        _table("By Intacct's words", (*WORDS, TOKEN_WORDS)),
        _table("By status", STATUSES),
        CONFLICTS + "\n".join(f"| `{meaning}` | {_cell(advice)} |" for meaning, advice in ADVICE.items()) + "\n" + TAIL,
    ]
    return "\n".join(parts)


def _table(title: str, rules: tuple[Rule, ...]) -> str:
    lines = [
        f"## {title}\n",
        "| when | cause | whose move | what to do | error | again | how sure |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join(lines + [_row(rule) for rule in rules]) + "\n"


def _row(rule: Rule) -> str:
    when = ", ".join(f"“{words}”" for words in rule.words) or f"`{rule.code or rule.status}`"
    kind = rule.kind.__name__ if rule.kind is not None else "by status"
    cells = (when, rule.cause, rule.whose, rule.advice, kind, AGAIN[rule.action], f"{rule.evidence} {rule.section}")
    return "| " + " | ".join(_cell(str(cell)) for cell in cells) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
