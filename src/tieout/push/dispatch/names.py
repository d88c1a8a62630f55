"""What Intacct calls a record, as far as a ledger can keep it. Knows lengths, no requests."""

from __future__ import annotations

from collections.abc import Sequence

from tieout.errors import ReplyError
from tieout.rest import Outcome
from tieout.rest.outcomes import Made
from tieout.store.ledger_facts import LONGEST


def kept(name: str, text: str | None) -> str | None:
    """A name to write down, or None where there is no room for it: the key is what finds the record again."""
    return text if text is None or _fits(name, (text,)) else None


def all_fit(made: Made) -> bool:
    """Whether all names of a whole answer can be written down."""
    return (
        _fits("key", made.keys) and _fits("id", made.ids) and _fits("href", made.hrefs) and _fits("state", made.states)
    )


def refuse_odd_keys(outcomes: Sequence[Outcome]) -> None:
    """Raises ReplyError for a key that cannot be one: without it nobody could find the record again."""
    for outcome in outcomes:
        if outcome.key is not None and not _fits("key", (outcome.key,)):
            raise ReplyError(
                f"The answer names record {outcome.position + 1} by a key of {len(outcome.key):,} characters, which is "
                "none of Intacct's.",
                advice="Nothing can be concluded from it; the next push asks again.",
            )


def _fits(name: str, texts: Sequence[str | None]) -> bool:
    most = LONGEST[name]  # and no database keeps U+0000 in a text
    return all(text is None or (len(text) <= most and "\0" not in text) for text in texts)
