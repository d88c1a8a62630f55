"""Which of its four meanings a 409 has. No source shows their bodies (REST reference 7.6, 12), so what is known of the
request comes first and Intacct's words last."""

from __future__ import annotations

from collections.abc import Mapping

from tieout.errors import ConflictError, Meaning

WORDS: tuple[tuple[Meaning, tuple[str, ...]], ...] = (
    ("in flight", ("in progress", "in flight", "in-flight", "inflight", "being processed", "locked", "concurrent")),
    ("other body", ("different body", "different payload", "different request", "other body", "not match", "mismatch")),
    ("reserved", ("reserved", "expired", "already been used", "already used", "already been processed")),
    ("duplicate", ("already exist", "duplicate", "not unique", "must be unique", "unique key", "unique constraint")),
)
"""`Another record with the value already exists` is the one text that real integrations match on (REST reference 8.4);
the others are guesses, and lead nowhere that is less safe than not knowing."""

ADVICE: Mapping[Meaning, str] = {
    "duplicate": "A record with the same unique value is already in Intacct; change the value, or update that record.",
    "in flight": "Another request under the same idempotency key is under way. Wait, then send the same again: it gets "
    "that request's answer.",
    "reserved": "The idempotency key was used more than 48 hours ago and that request was processed. Look for its "
    "record in Intacct; send under a new key only if it is not there.",
    "other body": "The idempotency key was used before with another body, so this one was not processed. A key "
    "belongs to one body: whatever makes your keys gave this one out twice.",
    "unclear": "Look whether the record is already in Intacct before you send it under a new key.",
}


def meaning_of(error: ConflictError, *, cached: bool, keyed: bool, new_key: bool, unanswered: bool) -> Meaning:
    """The meaning of a 409.

    `cached`: Intacct repeats an answer. `keyed`: the request had an idempotency key; `new_key`: one made for this call.
    `unanswered`: an earlier try of this call may have arrived."""
    if cached or not keyed:
        return "duplicate" if cached or _by_words(error) == "duplicate" else "unclear"
    said = _by_words(error)
    if new_key and not unanswered:
        return "duplicate"  # the key was never on the wire before: nothing else can be in the way
    if unanswered and (said in (None, "other body") or (new_key and said == "reserved")):
        return "in flight"  # the key was ours a moment ago, for these very bytes: whatever the words, it is that try
    return said or "unclear"


def _by_words(error: ConflictError) -> Meaning | None:
    texts = [error.message, error.code, *(text for d in error.details for text in (d.message, d.code))]
    said = " ".join(texts).lower()
    return next((meaning for meaning, words in WORDS if any(word in said for word in words)), None)
