"""Workflow actions as exchanges: submit, approve, reverse and the like, for one record or many (REST reference 4.8).

Checks the names of actions and of what they take; which state allows which action only Intacct knows. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tieout import catalogue
from tieout.catalogue.actions import parameters_elsewhere
from tieout.errors import CheckError, ConfigurationError, Problem, UnknownNameError
from tieout.rest import operations
from tieout.rest.batch import BatchResult, Reference
from tieout.rest.desk import Desk
from tieout.rest.effects import Exchange
from tieout.rest.operations import key_problem
from tieout.rest.perform import perform
from tieout.rest.writing import check_each, listed, post_many

UNLISTED = ("cash-management/charge-payoff",)
"""Has a documented action, but no documented object of this name."""


def action(
    desk: Desk,
    object: str,
    key: str | int,
    name: str,
    parameters: Mapping[str, Any],
    *,
    idempotency_key: str | None = None,
) -> Exchange[Reference]:
    """Carry out one action on one record."""
    where, word = named(object, name)
    _check_parameters(where, word, [parameters], many=False)
    if reason := key_problem(key):
        raise ConfigurationError(f"{where} cannot {word}: {reason}.", advice="A key is Sage's system key, such as 46.")
    call = operations.action(where, str(key).strip(), word, parameters, idempotency_key=idempotency_key)
    return (yield from perform(desk.session, call))


def action_many(
    desk: Desk,
    object: str,
    items: Iterable[str | int | Mapping[str, Any]],
    name: str,
    parameters: Mapping[str, Any],
    *,
    atomic: bool = False,
    in_flight: int = 1,
) -> Exchange[BatchResult]:
    """Carry out one action on many records. An item is a key, or a mapping with `key` and what is this record's own;
    `parameters` go to all."""
    where, word = named(object, name)
    records = listed(items, "keys")
    bodies = [{**parameters, **(item if isinstance(item, Mapping) else {"key": item})} for item in records]
    check_each([key_problem(body.get("key")) for body in bodies], f"The list of {where} to {word}")
    bodies = [{**body, "key": str(body["key"]).strip()} for body in bodies]
    _check_parameters(where, word, bodies, many=True)
    path = operations.workflow_path(where, word)
    return (yield from post_many(desk, "POST", path, records, bodies, None, atomic=atomic, in_flight=in_flight))


def named(object: str, name: str) -> tuple[str, str]:
    """Object and action as the path spells them. `app/document::Type` is told what to do as `app/document`.

    Raises UnknownNameError with the nearest action where Sage documents others for the object."""
    found = object if object in UNLISTED else catalogue.resolve(object)
    word = name.strip().lower().replace("_", "-").replace(" ", "-")
    known = catalogue.actions(found)
    if found.startswith("platform-apps/"):
        return found, word  # only the company knows
    if word not in known:
        near = catalogue.nearest(word, known) or tuple(known)
        raise UnknownNameError(
            f"action of {found} named",
            name,
            nearest=near,
            advice="Intacct documents none for it; `raw` of the Python client sends what is not documented.",
        )
    return found.partition("::")[0], word


def _check_parameters(object: str, word: str, bodies: Sequence[Mapping[str, Any]], *, many: bool) -> None:
    """Refuses a name that is meant for another object, or nearly right. One that nobody documents is sent: Sage's
    printed bodies need not be complete."""
    known = catalogue.actions(object)
    if word not in known:
        return
    takes = known[word].parameters
    elsewhere = parameters_elsewhere(word)
    problems = []
    for at, body in enumerate(bodies):
        for name in body:
            near = catalogue.nearest(name, takes, n=1)
            if name in takes or (name == "key" and many) or not (near or name in elsewhere or name == "key"):
                continue
            reason = f"{word} of {object} does not take it; it takes {', '.join(takes) or 'nothing but the key'}"
            path = f"[{at}].{name}" if many else name
            problems.append(Problem(path=path, reason=reason, nearest=near[0] if near else ""))
    if problems:
        raise CheckError(f"The action {word} on {object}", problems)
