"""What a push tells its caller: a report of the run, and what was not posted with whose move it is.

Knows outcomes, not how they came about.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

import msgspec

from tieout.errors import Exit, Problem, TieoutError, Whose
from tieout.project.report import TieOutLine
from tieout.push.grouping import spoken
from tieout.push.inbox.causes import Fault, problem_faults, refusal_faults, without_personal
from tieout.push.plan_file import PlanHead
from tieout.store.ledger_facts import Correction

OnProgress: TypeAlias = Callable[[int, int], None]
"""Told (documents settled, documents to settle)."""

BUCKETS = (
    "posted", "skipped", "corrected", "failed", "unprocessed", "unknown", "held", "changed", "gone", "dismissed",
    "pending",
)  # fmt: skip
"""Every document of a source is in exactly one of these."""


class PlannedRecord(msgspec.Struct, kw_only=True, frozen=True):
    """One record of a dry run, and what is to become of it."""

    source_id: str
    action: str
    """As in `PushReport.by_action`; of a record that is not to be sent, its outcome: `held`, `skipped` ..."""
    entity: str = ""
    rows: tuple[int, ...] = ()
    date: str = ""
    """The posting date, YYYY-MM-DD; "" where the source does not say it."""
    currency: str = ""
    """"" where the source does not say it."""
    amounts: dict[str, Decimal] = {}
    """Exact sums by field path: of a change what the record will say, of an append what is added."""


class PlannedSum(msgspec.Struct, kw_only=True):
    """What the records of one entity, period and currency come to; "" is what their source does not say."""

    entity: str
    period: str
    """YYYY-MM."""
    currency: str
    documents: int = 0
    amounts: dict[str, Decimal] = msgspec.field(default_factory=dict)


class PushReport(msgspec.Struct, kw_only=True):
    """What became of one source. Counts are documents, if the name does not say otherwise.

    `posted` in this run; `skipped` because posted before with the same content; `corrected` because posted before as
    somebody corrected it in a workbook, while the source says what it said then; `failed` refused by Intacct, now or
    before; `unprocessed` not tried by Intacct; `unknown` sent without an answer; `held` for a mistake found before
    sending; `changed` posted before with other content, which stays as it is; `gone` posted before, and people deleted
    it in Intacct; `dismissed` likewise, and somebody dismissed it, so it is left alone; `pending` ready and not sent.
    `posted` says that Intacct holds the record, not that it is in the
    general ledger: see `by_sage_state` and `steps`."""

    name: str
    object: str
    source: str
    operation: str = "create"
    """What the push does, as its section says: `posted` means that it was done."""
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
    corrected: int = 0
    failed: int = 0
    unprocessed: int = 0
    unknown: int = 0
    held: int = 0
    changed: int = 0
    gone: int = 0
    dismissed: int = 0
    pending: int = 0
    replayed: int = 0
    """Records of earlier, interrupted runs whose outcome this run settled."""
    rows_by_outcome: dict[str, int] = msgspec.field(default_factory=dict)
    """Source rows by the same words: their sum is `rows`."""
    by_entity: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    """Documents by entity and outcome; "" is the entity of the push itself."""
    by_sage_state: dict[str, int] = msgspec.field(default_factory=dict)
    """Documents that Intacct holds, by Intacct's own word for their state, as it was read back: `draft`, `posted` ...
    Empty for objects without a state."""
    by_action: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    """The `ready` documents by what this run meant to do with them and by outcome: `new`, `update` (of one that is
    posted, or in Intacct), `append` (lines, to one that is posted), `beside` (new, beside one that is posted and says
    something else), `delete`, or a workflow action."""
    steps: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    """What followed, by step and outcome, of all records of this push that the run did something for."""
    requests: int = 0
    transactions: int = 0
    """Billable transactions, the tie-out included; of a dry run, what checking cost."""
    planned_requests: int = 0
    """Of a dry run: the requests that its `ready` documents need, by number, size and entity; steps not counted."""
    causes: int = 0
    """How many different things are wrong in `problems`."""
    problems: list[Problem] = msgspec.field(default_factory=list)
    derived_from: tuple[str, ...] = ()
    """The columns that make the ids, where the source has none of its own."""
    told_apart: int = 0
    """Identical rows that only a number tells apart."""
    unused_columns: tuple[str, ...] = ()
    """Columns of the source that nothing maps."""
    notes: list[str] = msgspec.field(default_factory=list)
    tie_out: list[TieOutLine] = msgspec.field(default_factory=list)
    corrections: list[Correction] = msgspec.field(default_factory=list)
    """Cells that people changed in the corrected file that was read; values of personal columns are None."""
    plan: PlanHead | None = None
    """The plan that was made, looked into or applied: by whom, when, of which source."""
    plan_file: str = ""
    sums: list[PlannedSum] = msgspec.field(default_factory=list)
    """Of a dry run: what is to be sent comes to, by entity, period and currency."""
    records: list[PlannedRecord] = msgspec.field(default_factory=list)
    """Of a dry run that was asked to list them: every record, in the order of the source."""
    seconds: float = 0.0
    audit_file: str = ""
    """Where the audit file of this run is; "" where none was asked for."""

    @property
    def exit_code(self) -> int:
        """1 where a record is not in Intacct as the source has it, or where the sides are not proven to tie."""
        open_ends = self.failed + self.unprocessed + self.unknown + self.held + self.changed + self.gone
        open_ends += sum(sum(counts.values()) - counts.get("posted", 0) for counts in self.steps.values())
        if not self.dry_run:
            open_ends += self.pending
        differs = any(line.ties is not True for line in self.tie_out)
        return Exit.RECORDS if open_ends or differs else Exit.DONE


class FailedRecord(msgspec.Struct, kw_only=True, frozen=True):
    """A record that is not posted, why, and whose move it is."""

    push: str
    source_id: str
    rows: tuple[int, ...]
    state: str
    reason: str
    """In Intacct's words where Intacct refused it."""
    error_id: str = ""
    whose_move: str = str(Whose.YOURS)
    advice: str = ""
    href: str | None = None
    support_id: str = ""
    entity: str = ""
    """The entity it was to be posted in, as the ledger has it; "" at the top level."""
    faults: tuple[Fault, ...] = ()
    """What is wrong, one by one, and in which rows: `causes` groups records by it."""


class Standing(msgspec.Struct, kw_only=True, frozen=True):
    """How a push stands: what was not posted, and whether that is all there is to say."""

    push: str
    records: list[FailedRecord]
    begun_at: str = ""
    """Of the latest run, ISO 8601 in UTC; empty where nothing was pushed yet."""
    finished: bool = True
    """False where the latest run was interrupted, or is still going on: what it did not come to is not in `records`."""
    left: int = 0
    """Documents that the latest run had ready and did not send."""
    dismissed: int = 0
    """Records that were dismissed: they never arrived, or people deleted them in Intacct."""

    @property
    def row_count(self) -> int:
        """Source rows of the records that are not posted."""
        return sum(len(record.rows) for record in self.records)

    @property
    def is_whole(self) -> bool:
        """True where everything that was to be posted is posted, as far as was ever tried."""
        return not self.records and self.finished and not self.left


def changed_facts() -> dict[str, Any]:
    """What the ledger keeps of a posted record whose source says something else by now."""
    return {
        "reason": "it was posted with other content, and Intacct keeps that",
        "advice": "Change it in Intacct, or put the source back as it was.",
    }


def gone_facts(push: str, source_id: str, key: str | None) -> dict[str, Any]:
    """What is to be said of a posted record that Intacct does not hold any more."""
    id = shlex.quote(spoken(source_id))
    return {
        "reason": f"it was posted as key {key}, and Intacct does not hold it any more",
        "advice": f"If it is to be there, `tieout retry {push} --again {id}` posts it once more, nothing else does; if "
        f"not, `tieout failed {push} --dismiss {id}` takes it off the list.",
    }


def left_source(push: str, source_id: str) -> str:
    """What is to be done about a held record that the latest push did not read."""
    id = shlex.quote(spoken(source_id))
    return (
        "The latest push did not find it in its source. If it is there under another id by now, or is not wanted, "
        f"`tieout failed {push} --dismiss {id}` takes it off the list."
    )


def problem_facts(problems: list[Problem]) -> dict[str, Any]:
    """What the ledger keeps of a held document."""
    return {"problems": [msgspec.to_builtins(problem) for problem in problems]}


ASKED_AGAIN = (
    "For 59 days the next push asks again with the same bytes under the same key, which cannot post twice; later, look "
    "in Intacct."
)


def error_facts(error: TieoutError) -> dict[str, Any]:
    """What the ledger keeps of a refusal: every public fact, nothing secret or personal."""
    return without_personal(error.to_dict())


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
            faults=problem_faults(error["problems"]),
        )
    if "reason" in error:
        return FailedRecord(
            push=push,
            source_id=source_id,
            rows=rows,
            state=state,
            reason=str(error["reason"]),
            advice=str(error.get("advice") or ""),
            href=href,
            faults=(Fault(str(error["reason"])),),
        )
    if error.get("idempotency_key"):  # the ledger has the bytes too: whoever pushes need not send anything by hand
        error = {**error, "whose_move": Whose.TIEOUT, "advice": ASKED_AGAIN}
    details = error.get("details") or ()
    # The outer message only says that the request failed; the innermost detail says why (REST reference 8.4).
    reasons = [str(detail.get("message", "")) for detail in details] or [str(error.get("message", ""))]
    ids = [str(detail.get("error_id") or "") for detail in details]
    corrections = [str(detail["correction"]) for detail in details if detail.get("correction")]
    reason = _joined(reasons) or _fallback(state)
    return FailedRecord(
        push=push,
        source_id=source_id,
        rows=rows,
        state=state,
        reason=reason,
        error_id=next((i for i in reversed(ids) if i), "") or str(error.get("error_id") or error.get("code") or ""),
        whose_move=str(error.get("whose_move") or Whose.TIEOUT),
        advice=_advice([*corrections, str(error.get("advice") or "")], reason),
        href=href,
        support_id=str(error.get("support_id") or ""),
        faults=refusal_faults(error, rows, _fallback(state)),
    )


def _joined(reasons: list[str]) -> str:
    """Each reason once. A single one keeps Intacct's own words to the letter."""
    once = list({_gist(reason): reason.strip() for reason in reversed(reasons) if reason.strip()}.values())[::-1]
    return once[0] if len(once) == 1 else "; ".join(reason.rstrip(" .;") for reason in once)


def _advice(parts: list[str], reason: str) -> str:
    """Intacct's corrections and our own advice as sentences, without what the reason or another of them says."""
    kept: list[str] = []
    for number, part in enumerate(parts):
        gist = _gist(part)
        others = [_gist(reason), *map(_gist, kept), *(g for g in map(_gist, parts[number + 1 :]) if g != gist)]
        if gist and not any(gist in other for other in others):
            kept.append(part)
    return " ".join(_sentence(part) for part in kept)


def _gist(text: str) -> str:
    return " ".join(text.split()).rstrip(" .!;").casefold()


def _sentence(text: str) -> str:
    words = " ".join(text.split())
    return words if words.endswith((".", "!", "?")) else f"{words.rstrip(',;:')}."


def _fallback(state: str) -> str:
    if state in ("sending", "unknown"):
        return "it was sent, and no answer came; the next push settles it"
    return "it was not sent yet"


def _without_row(problem: Mapping[str, Any]) -> str:
    place = str(problem.get("path", ""))
    prefix = f"row {problem.get('row')}, "
    hint = f" (did you mean {problem['nearest']!r}?)" if problem.get("nearest") else ""
    return f"{place.removeprefix(prefix)}: {problem.get('reason', '')}{hint}"
