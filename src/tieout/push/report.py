"""What a push tells its caller: a report of the run, and what was not posted with whose move it is.

Knows outcomes, not how they came about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from tieout.errors import Exit, Problem, TieoutError, Whose
from tieout.project.report import TieOutLine

OnProgress: TypeAlias = Callable[[int, int], None]
"""Told (documents settled, documents to settle)."""

BUCKETS = ("posted", "skipped", "failed", "unprocessed", "unknown", "held", "changed", "pending")
"""Every document of a source is in exactly one of these."""


class PushReport(msgspec.Struct, kw_only=True):
    """What became of one source. Counts are documents, if the name does not say otherwise.

    `posted` in this run; `skipped` because posted before with the same content; `failed` refused by Intacct, now or
    before; `unprocessed` not tried by Intacct; `unknown` sent without an answer; `held` for a mistake found before
    sending; `changed` posted before with other content, which stays as it is; `pending` ready and not sent."""

    name: str
    object: str
    source: str
    sha256: str = ""
    dry_run: bool = False
    rows: int = 0
    """Rows of the source, blank ones not counted."""
    blank_rows: int = 0
    documents: int = 0
    ready: int = 0
    """Documents that this run meant to send."""
    posted: int = 0
    skipped: int = 0
    failed: int = 0
    unprocessed: int = 0
    unknown: int = 0
    held: int = 0
    changed: int = 0
    pending: int = 0
    replayed: int = 0
    """Records of earlier, interrupted runs whose outcome this run settled."""
    rows_by_outcome: dict[str, int] = msgspec.field(default_factory=dict)
    """Source rows by the same words: their sum is `rows`."""
    requests: int = 0
    transactions: int = 0
    """Billable transactions, the tie-out included."""
    problems: list[Problem] = msgspec.field(default_factory=list)
    unused_columns: tuple[str, ...] = ()
    """Columns of the source that nothing maps."""
    notes: list[str] = msgspec.field(default_factory=list)
    tie_out: list[TieOutLine] = msgspec.field(default_factory=list)
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """1 where a record is not in Intacct as the source has it, or where the sides do not tie."""
        open_ends = self.failed + self.unprocessed + self.unknown + self.held + self.changed
        if not self.dry_run:
            open_ends += self.pending
        differs = any(line.ties is False for line in self.tie_out)
        return Exit.RECORDS if open_ends or differs else Exit.DONE


class FailedRecord(msgspec.Struct, kw_only=True, frozen=True):
    """A record that is not posted, why, and whose move it is."""

    push: str
    source_id: str
    rows: tuple[int, ...]
    state: str
    reason: str
    """In Intacct's words where Intacct refused it. The same cause reads the same for every record."""
    error_id: str = ""
    whose_move: str = str(Whose.YOURS)
    advice: str = ""
    href: str | None = None
    support_id: str = ""


def problem_facts(problems: list[Problem]) -> dict[str, Any]:
    """What the ledger keeps of a held document."""
    return {"problems": [msgspec.to_builtins(problem) for problem in problems]}


def error_facts(error: TieoutError) -> dict[str, Any]:
    """What the ledger keeps of a refusal: every public fact, nothing secret."""
    return error.to_dict()


def failed_record(
    push: str, source_id: str, rows: tuple[int, ...], state: str, error: Mapping[str, Any], href: str | None
) -> FailedRecord:
    """A ledger record -> what to show of it."""
    if "problems" in error:
        causes = [_without_row(problem) for problem in error["problems"]]
        return FailedRecord(
            push=push,
            source_id=source_id,
            rows=rows,
            state=state,
            reason="; ".join(dict.fromkeys(causes)) or "held before sending",
            advice="Correct the source, then push it again.",
        )
    details = error.get("details") or ()
    # The outer message only says that the request failed; the innermost detail says why (REST reference 8.4).
    reasons = [str(detail.get("message", "")) for detail in details] or [str(error.get("message", ""))]
    ids = [str(detail.get("error_id") or "") for detail in details]
    corrections = [str(detail["correction"]) for detail in details if detail.get("correction")]
    reason = "; ".join(dict.fromkeys(r for r in reasons if r)) or _fallback(state)
    return FailedRecord(
        push=push,
        source_id=source_id,
        rows=rows,
        state=state,
        reason=reason,
        error_id=next((i for i in reversed(ids) if i), "") or str(error.get("error_id") or error.get("code") or ""),
        whose_move=str(error.get("whose_move") or Whose.TIEOUT),
        advice=" ".join(_sentence(part) for part in [*dict.fromkeys(corrections), error.get("advice")] if part),
        href=href,
        support_id=str(error.get("support_id") or ""),
    )


def _sentence(text: object) -> str:
    words = str(text).strip()
    return words if words.endswith((".", "!", "?")) else f"{words}."


def _fallback(state: str) -> str:
    if state in ("sending", "unknown"):
        return "it was sent, and no answer came; the next push settles it"
    return "it was not sent yet"


def _without_row(problem: Mapping[str, Any]) -> str:
    place = str(problem.get("path", ""))
    prefix = f"row {problem.get('row')}, "
    hint = f" (did you mean {problem['nearest']!r}?)" if problem.get("nearest") else ""
    return f"{place.removeprefix(prefix)}: {problem.get('reason', '')}{hint}"
