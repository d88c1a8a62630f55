"""Why records are not posted, by cause: what is wrong and in which rows, so that whoever reads a list reads it once.

Codes first, words last: two refusals with the same code and field have one cause, whatever values Intacct's words name.
Knows refusals and problems as the ledger keeps them; asks nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.catalogue.personal import personal
from tieout.push.grouping import spoken

if TYPE_CHECKING:
    from tieout.errors import Problem
    from tieout.push.report import FailedRecord

HINT = " (did you mean "
"""Begins what is added to a reason where a right value is near."""
CUT = "…"
"""Stands for what differs from record to record, or must not be shown."""
_QUOTED = re.compile(r"""(?<!\w)(?:'[^']*'|"[^"]*"|“[^”]*”|‘[^’]*’)(?!\w)""")
_WITH_DIGIT = re.compile(r"[^\s,;:()\[\]]*\d[^\s,;:()\[\]]*")
_SEVERAL_CUT = re.compile(rf"{CUT}\.?(?:(?:,| and|, and)? ?{CUT})+")
_POINTER = re.compile(r"^/?([A-Za-z]\w*)[/\[](\d+)\]?(?=[/.]|$)")
_LINE_WORD = re.compile(r"\bline(?: number| no\.?)? #?(\d+)\b", re.IGNORECASE)


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that is wrong with a document."""

    reason: str
    """In the words of whoever found it, without what may be personal."""
    code: str = ""
    """Intacct's errorId, or its code, a word that means less (REST reference 8.3); "" where the mistake was found
    before anything was sent."""
    field: str = ""
    """The field or the column, without line numbers; "" where nobody says."""
    rows: tuple[int, ...] = ()
    """The rows that are wrong; empty where only the whole document is known to be."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Equal for faults that have one cause."""
        if self.field and any(character.isdigit() for character in self.code):
            return self.code, self.field, ""
        return self.code, self.field, without_values(self.reason.partition(HINT)[0]).casefold()


class Cause(msgspec.Struct, kw_only=True):
    """What is wrong with some documents, and whose move it is. A document with two faults is in two causes."""

    code: str
    field: str
    reason: str
    """As it was said; where it was said of several values, with … in their place."""
    advice: str
    whose_move: str
    states: tuple[str, ...]
    records: list[FailedRecord]
    rows: list[int]
    """The rows that are wrong; of documents where that is not known, all."""

    @property
    def row_count(self) -> int:
        """Rows of all its documents: so many are not posted because of it."""
        return sum(len(record.rows) for record in self.records)


def causes(records: Iterable[FailedRecord]) -> list[Cause]:
    """Records by cause, the one that holds most documents first."""
    found: dict[tuple[object, ...], list[tuple[FailedRecord, Fault]]] = {}
    for record in records:
        for fault in record.faults or (Fault(record.reason, record.error_id),):
            same = found.setdefault((*fault.key, record.whose_move), [])
            if not same or same[-1][0] is not record:
                same.append((record, fault))
            else:
                same[-1] = (record, _together(same[-1][1], fault))
    made = [_cause(pairs) for pairs in found.values()]
    return sorted(made, key=lambda cause: len(cause.records), reverse=True)


class Summary(msgspec.Struct):
    """How often one cause occurs, without the records."""

    code: str
    field: str
    reason: str
    advice: str
    whose_move: str
    first_id: str
    """Of the first record."""
    documents: int = 0
    rows: int = 0
    """Rows of all its documents."""


class Tally:
    """Counts records by cause as they pass; memory is that of the causes."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], Summary] = {}

    def add(self, record: FailedRecord) -> None:
        """Count one record, once in each of its causes."""
        faults = {fault.key: fault for fault in record.faults or (Fault(record.reason, record.error_id),)}
        for key, fault in faults.items():
            made = Summary(fault.code, fault.field, fault.reason, record.advice, record.whose_move, record.source_id)
            same = self._found.setdefault((*key, record.whose_move), made)
            if same.reason != fault.reason:
                same.reason = without_values(same.reason)
            if same.advice != record.advice:
                same.advice = without_values(same.advice, [spoken(record.source_id), spoken(same.first_id)])
            same.documents += 1
            same.rows += len(record.rows)

    def causes(self) -> list[Summary]:
        """The one that holds most documents first."""
        return sorted(self._found.values(), key=lambda cause: cause.documents, reverse=True)


def _together(one: Fault, other: Fault) -> Fault:
    rows = one.rows + other.rows if one.rows and other.rows else ()
    return msgspec.structs.replace(one, rows=rows)


def _cause(pairs: Sequence[tuple[FailedRecord, Fault]]) -> Cause:
    record, fault = pairs[0]
    return Cause(
        code=fault.code,
        field=fault.field,
        reason=_common([fault.reason for _, fault in pairs]),
        advice=_common([record.advice for record, _ in pairs], [spoken(record.source_id)]),
        whose_move=record.whose_move,
        states=tuple(dict.fromkeys(record.state for record, _ in pairs)),
        records=[record for record, _ in pairs],
        rows=sorted({row for record, fault in pairs for row in fault.rows or record.rows}),
    )


def _common(texts: Sequence[str], values: Iterable[str] = ()) -> str:
    """The first, with what differs cut out where the others say it of other values; `values` are such."""
    first = texts[0]
    return first if all(text == first for text in texts) else without_values(first, values)


def row_reasons(record: FailedRecord) -> dict[int, str]:
    """Each row of a document -> why it is not posted: the guilty ones say what is wrong, the others what holds them.

    Where nobody can tell the row, all of them say what is wrong with the document."""
    guilty: dict[int, list[str]] = {}
    whole: list[str] = []
    own = set(record.rows)
    for fault in record.faults or (Fault(record.reason, record.error_id),):
        text = fault.reason
        if fault.field and fault.field not in text and not fault.code:
            text = f"{fault.field}: {text}"
        rows = [row for row in fault.rows if row in own]
        for row in rows:
            guilty.setdefault(row, []).append(text)
        if not rows:
            whole.append(text if len(record.rows) == 1 else f"the document: {text}")
    if not guilty:
        return dict.fromkeys(record.rows, "; ".join(whole))
    numbers = sorted(guilty)
    named = ", ".join(map(str, numbers[:5])) + (f" and {len(numbers) - 5:,} more" if len(numbers) > 5 else "")
    held = f"held by row{'s' if len(numbers) > 1 else ''} {named}"
    return {row: "; ".join([*guilty.get(row, [held]), *whole]) for row in record.rows}


# What Intacct said -------------------------------------------------------------------------------------------------


def without_values(words: str, values: Iterable[str] = ()) -> str:
    """Words with … in place of what they quote, of `values`, and of whatever holds a digit."""
    for value in sorted({v for v in values if len(v) > 1}, key=len, reverse=True):
        words = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", CUT, words)
    cut = _WITH_DIGIT.sub(lambda found: CUT + found[0][len(found[0].rstrip(".!?")) :], _QUOTED.sub(CUT, words))
    return " ".join(_SEVERAL_CUT.sub(CUT, cut).split())


def field_of(target: str) -> str:
    """`/lines/2/glAccount/id` and `lines[2].glAccount.id` -> `lines.glAccount.id`."""
    bare = re.sub(r"\[\d+\]", "", target).replace("/", ".")
    return ".".join(part for part in bare.split(".") if part and not part.isdigit())


def rows_of(target: str, words: str, rows: Sequence[int]) -> tuple[int, ...]:
    """The rows of a document that a refusal is about; none where that cannot be told.

    A target counts from 0, as JSON pointers do (REST reference 8.3); words such as `line 3` count from 1."""
    if len(rows) == 1:
        return (rows[0],)
    if pointed := _POINTER.match(target):
        index = int(pointed[2])
        return (rows[index],) if index < len(rows) else ()
    if target:
        return ()  # of the header
    lines = {int(number) for number in _LINE_WORD.findall(words)}
    return tuple(rows[line - 1] for line in sorted(lines) if 0 < line <= len(rows))


def refusal_faults(error: Mapping[str, Any], rows: Sequence[int], fallback: str) -> tuple[Fault, ...]:
    """What the ledger keeps of a refusal -> its faults, one for each field that Intacct names; those without a field
    say together what is wrong with the whole."""
    details = list(error.get("details") or ())
    if not details:
        code = str(error.get("error_id") or error.get("code") or "")
        words = str(error.get("message") or "").strip() or fallback
        return (Fault(words, code, rows=rows_of("", words, rows)),)
    found: list[Fault] = []
    unplaced: list[Fault] = []
    for detail in details:
        target, words = str(detail.get("target") or ""), str(detail.get("message") or "").strip()
        code = str(detail.get("error_id") or "") or str(detail.get("code") or "")
        fault = Fault(words or fallback, code, field_of(target), rows_of(target, words, rows))
        (found if target else unplaced).append(fault)
    if unplaced:
        reasons = list(dict.fromkeys(fault.reason.rstrip(" .;") for fault in unplaced))
        codes = [str(detail.get("error_id") or "") for detail in details if not detail.get("target")]
        code = next((code for code in reversed(codes) if code), unplaced[-1].code)
        words = unplaced[0].reason if len(reasons) == 1 else "; ".join(reasons)
        found.append(Fault(words, code, rows=unplaced[0].rows if len(unplaced) == 1 else rows_of("", words, rows)))
    return tuple(found)


def problem_faults(problems: Iterable[Mapping[str, Any]]) -> tuple[Fault, ...]:
    """What was found before anything was sent -> its faults, each with all the rows it was found in."""
    rows: dict[tuple[str, str], list[int]] = {}
    for problem in problems:
        row = int(problem.get("row") or 0)
        place = str(problem.get("path", "")).removeprefix(f"row {row}").lstrip(", ").removeprefix("column ")
        hint = f" (did you mean {problem['nearest']!r}?)" if problem.get("nearest") else ""
        rows.setdefault((place, f"{problem.get('reason', '')}{hint}"), []).extend([row] if row else [])
    return tuple(Fault(reason, field=place, rows=tuple(found)) for (place, reason), found in rows.items())


def grouped(problems: Iterable[Problem]) -> list[list[Problem]]:
    """Problems by cause, the one with most of them first. Each has as many as `causes` counts once they are kept."""
    found: dict[tuple[str, str, str], list[Problem]] = {}
    for problem in problems:
        place = problem.path.removeprefix(f"row {problem.row}").lstrip(", ").removeprefix("column ")
        found.setdefault(Fault(problem.reason, field=place).key, []).append(problem)
    return sorted(found.values(), key=len, reverse=True)


def without_personal(error: dict[str, Any]) -> dict[str, Any]:
    """A refusal as the ledger may keep it: Intacct repeats what it refuses, and some of that is nobody's business.

    Of a detail about a personal field the words are left out; where words without a field name such a thing, what they
    quote and count is cut."""
    details = []
    is_personal = False
    for detail in error.get("details") or ():
        target = str(detail.get("target") or "")
        words = f"{detail.get('message') or ''} {detail.get('correction') or ''}"
        if personal(target):
            is_personal = True
            detail = {**detail, "message": f"Intacct refuses the value of {field_of(target)}"}
            detail.pop("correction", None)
        elif not target and personal(words):
            is_personal = True
            cut = {name: without_values(str(detail[name])) for name in ("message", "correction") if detail.get(name)}
            detail = {**detail, **cut}
        details.append(detail)
    is_personal = is_personal or personal(str(error.get("message") or ""))
    if not is_personal:
        return error
    message = without_values(str(error.get("message") or ""))
    return {**error, "message": message, "details": details, "placeholders": {}}
