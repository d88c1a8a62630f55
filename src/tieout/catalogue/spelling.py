"""What people type for an object, and the nearest right name when nothing answers to it.

Knows names only, never a definition.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from urllib.parse import unquote

from tieout.catalogue.index import documented, entries, names
from tieout.errors import UnknownNameError

PLATFORM = "platform-apps/"
"""Where custom objects live (REST reference 3)."""

PREFERRED = {
    "account": "general-ledger/account",
    "bill": "accounts-payable/bill",
    "bill-line": "accounts-payable/bill-line",
    "class": "company-config/class",
    "contact": "company-config/contact",
    "customer": "accounts-receivable/customer",
    "department": "company-config/department",
    "employee": "company-config/employee",
    "entity": "company-config/entity",
    "invoice": "accounts-receivable/invoice",
    "invoice-line": "accounts-receivable/invoice-line",
    "item": "inventory-control/item",
    "journal": "general-ledger/journal",
    "journal-entry": "general-ledger/journal-entry",
    "journal-entry-line": "general-ledger/journal-entry-line",
    "location": "company-config/location",
    "project": "projects/project",
    "task": "projects/task",
    "timesheet": "time/timesheet",
    "timesheet-line": "time/timesheet-line",
    "user": "company-config/user",
    "vendor": "accounts-payable/vendor",
}
"""What these words mean to everyone, whatever else ends in them. `term` and `payment` stay ambiguous on purpose."""


def nearest(word: str, words: Iterable[str], n: int = 3) -> tuple[str, ...]:
    """The names closest to a misspelt one, best first, at most `n`; empty when nothing is near.

    Case does not count. A path that is nearly right comes first, then names that end in the same part
    (`modifiedDateTime` -> `audit.modifiedDateTime`), then whatever is spelt alike."""
    from difflib import get_close_matches

    spelt: dict[str, list[str]] = {}
    for candidate in dict.fromkeys(words):
        spelt.setdefault(candidate.lower(), []).append(candidate)
    wanted = word.strip().lower()
    found = [*spelt.get(wanted, ())]
    tails: dict[str, list[str]] = {}
    for low, candidates in spelt.items():
        tails.setdefault(_tail(low), []).extend(candidates)
    if _tail(wanted) != wanted:  # `vendr.id` means `vendor.id` rather than any other id
        for near in get_close_matches(wanted, spelt, n=n, cutoff=0.85):
            found += spelt[near]
    found += tails.get(_tail(wanted), ())
    for near in get_close_matches(wanted, spelt, n=n, cutoff=0.6):
        found += spelt[near]
    for near in get_close_matches(_tail(wanted), tails, n=n, cutoff=0.75):
        found += tails[near]
    return tuple(dict.fromkeys(found))[:n]


def _tail(word: str) -> str:
    return word.replace("/", ".").rsplit(".", 1)[-1]


def _singulars(word: str) -> Iterator[str]:
    """The word itself, then what it may be the plural of."""
    yield word
    if word.endswith("ies"):
        yield word[:-3] + "y"
    if word.endswith("es"):
        yield word[:-2]
    if word.endswith("s"):
        yield word[:-1]


@cache
def _by_last_segment() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name in names():
        last = name.rsplit("/", 1)[1].lower()
        found[last] = (*found.get(last, ()), name)
    return found


@cache
def _without_hyphens() -> dict[str, str]:
    """`journalentry` -> `journal-entry`, for those who write it as one word or in camel case."""
    return {last.replace("-", ""): last for last in (*_by_last_segment(), *PREFERRED) if "::" not in last}


@cache
def _by_lower() -> dict[str, str]:
    return {name.lower(): name for name in names()}


def resolve(text: str) -> str:
    """What a person typed -> the full object name. `vendors`, `Vendor`, `accounts-payable/vendors` all answer
    `accounts-payable/vendor`.

    A unique last segment or its plural is enough. Names that only a company knows pass through unchanged:
    `platform-apps/nsp::x` (`nsp::x` is enough), and `app/document::Type` where the application has documents.

    Raises UnknownNameError naming the candidates where a last segment is ambiguous (`payment`), the nearest names
    where nothing answers."""
    wanted = text.strip()
    if wanted.startswith(("/objects/", "objects/")):  # from an href, where document types are percent-encoded
        wanted = unquote(wanted.removeprefix("/").removeprefix("objects/"))
    wanted = wanted.strip("/")
    if "::" in wanted:
        return _with_definition(text, wanted)
    spelt = wanted.lower().replace("_", "-").replace(" ", "-")
    if "/" in spelt:
        for form in _singulars(spelt):
            if form in _by_lower():
                return _by_lower()[form]
        raise UnknownNameError("object", text, nearest=nearest(spelt, names()))
    for form in _singulars(spelt):
        if form in PREFERRED:
            return PREFERRED[form]
        candidates = _by_last_segment().get(form, ())
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise _ambiguous(text, candidates)
    for form in _singulars(spelt):
        run_together = _without_hyphens().get(form.replace("-", ""))
        if run_together is not None:
            return resolve(run_together)
    near = nearest(spelt, (*PREFERRED, *names()), n=6)
    close = tuple(dict.fromkeys(PREFERRED.get(n, n) for n in near))[:3]
    raise UnknownNameError("object", text, nearest=close, advice="`tieout model --search TEXT` finds the names.")


def _with_definition(text: str, wanted: str) -> str:
    head, _, definition = wanted.partition("::")
    if head == "nsp" or head.startswith(PLATFORM):
        if not definition.strip() or "/" in definition:
            raise UnknownNameError("object", text, advice="A custom object is named platform-apps/nsp::its_name.")
        return wanted if head != "nsp" else PLATFORM + wanted
    if definition:
        if "/" in head:
            kept = _by_lower().get(documented(wanted).lower())
            if kept is not None:
                return f"{kept.partition('::')[0]}::{definition}"
        candidates = _by_last_segment().get(documented(wanted).rsplit("/", 1)[-1].lower(), ())
        if candidates and "/" not in head:
            raise _ambiguous(text, tuple(f"{name.partition('::')[0]}::{definition}" for name in candidates))
    known = [name.partition("::")[0] for name in names() if "::" in name]
    if not definition:
        advice = f"Name the transaction definition too, such as {(nearest(head, known) or known)[0]}::Sales Invoice."
        raise UnknownNameError("object", text, advice=advice)
    near = tuple(f"{name}::{definition}" for name in nearest(head, known))
    raise UnknownNameError("object", text, nearest=near)


def _ambiguous(text: str, candidates: tuple[str, ...]) -> UnknownNameError:
    error = UnknownNameError("object", text, nearest=candidates)
    error.message = f"{text!r} can mean {len(candidates)} objects."
    error.advice = f"Write {' or '.join(candidates)}."
    error.args = (error.message,)
    return error


def known(name: str) -> bool:
    """Whether the catalogue holds this full name."""
    return documented(name) in entries()
