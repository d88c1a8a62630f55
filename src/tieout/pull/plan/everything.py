"""`tieout pull all`: which objects that is, which table each gets, and what is skipped instead of failing.

Lines come with their documents, and document types with the documents they are types of. Knows the model service's
list (REST reference 6) and words of refusals (8.5); reads no rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from tieout import catalogue
from tieout.errors import ForbiddenError, IntacctError, NotAuthorisedError, NotFoundError, TieoutError, UnknownNameError
from tieout.pull.failures import is_connection_wide
from tieout.pull.schema.names import shorten, table_name

if TYPE_CHECKING:
    from tieout.pull.destinations.base import Destination
    from tieout.pull.plan.targets import Target
    from tieout.pull.report import PullReport, TableRead
    from tieout.pull.sources import Source
    from tieout.rest import Intacct
    from tieout.rest.operations import Listed

ALL: Final = "all"
"""The word that means every object."""
AT_THE_DOOR = frozenset({"GW-0011", "XL03000006"})
"""Refusals of the application as a whole, whatever it asks for (REST reference 1.8)."""
_NOT_THERE = ("not a valid object", "not subscribed", "subscription", "not installed", "not enabled")
_NOT_PERMITTED = ("permission", "not authorized", "not authorised", "access denied")


class Skip(msgspec.Struct, frozen=True):
    """Why an object of `all` is not pulled, and what makes it come."""

    reason: str
    fix: str


def every_object(client: Intacct) -> list[str]:
    """The objects of their own that the company lists and whose paths can be read. Free of charge."""
    from tieout.rest.operations import list_models

    listed = client.call(list_models())
    return chosen(listed)


def chosen(listed: Iterable[Listed]) -> list[str]:
    """Of a company's list of models, in its order: without owned objects, without those that cannot be read, without
    types of documents that come with all documents, without templates of names."""
    roots = [m.name for m in listed if m.kind == "rootObject" and "GET" in m.methods and "{" not in m.name]
    known = set(roots)
    return [name for name in dict.fromkeys(roots) if "::" not in name or name.partition("::")[0] not in known]


def tables(objects: Collection[str]) -> dict[str, str | None]:
    """object -> its table: None for the usual one, with the application before it where several objects of this
    company or of Sage's documentation would share one."""
    usual = Counter(table_name(name) for name in {*objects, *_documented()})

    def table(name: str) -> str | None:
        if usual[table_name(name)] > 1:
            return _full(name)
        return None if _known(name) else table_name(name)

    return {name: table(name) for name in objects}


def as_held(named: Mapping[str, str | None], to: Destination, source: Source) -> dict[str, str | None]:
    """object -> table, but what was pulled by itself before, under the usual name, keeps its table."""
    company, entity = source.company, source.client.entity or ""
    states = [found.state for found in to.tables()]
    held = {(s.object, s.table) for s in states if (s.company, s.entity) == (company, entity)}
    return {
        name: usual if (name, usual := table_name(name)) in held and (name, table) not in held else table
        for name, table in named.items()
    }


def skip_for(error: TieoutError, object: str) -> Skip | None:
    """What a refusal of one object means for `all`; None where it is a failure: of this object, or of everything."""
    if is_connection_wide(error):
        return None
    application = object.partition("/")[0].replace("-", " ")
    absent = Skip(
        f"not subscribed: this company has no {object}",
        f"Ask your Sage administrator to subscribe to {application} (Company > Admin > Subscriptions).",
    )
    forbidden = Skip(
        f"not permitted: the user may not read {object}",
        f"Ask your Sage administrator for permission to list and view it in {application} (Company > Admin > Users).",
    )
    if isinstance(error, UnknownNameError) and error.kind == "object":
        unknown = Skip(f"not known: this version of tieout has no {object}", "Upgrade tieout.")
        return absent if _known(object) else unknown
    if not isinstance(error, IntacctError) or error.error_id in AT_THE_DOOR:
        return None
    if isinstance(error, ForbiddenError):
        return forbidden
    said = " ".join([error.message, *(detail.message for detail in error.details)]).lower()
    if isinstance(error, NotFoundError) or error.code == "unknownObject" or any(word in said for word in _NOT_THERE):
        return absent
    if any(word in said for word in _NOT_PERMITTED):
        return forbidden
    if error.error_id == "REST-1106" and error.placeholders.get("FIELD") == "key":
        return Skip(f"not queryable: {object} cannot be asked for its keys", "Read it with `tieout get`.")
    return None


def excuse(report: TableRead, destination: Destination) -> None:
    """Turn the error of an object of `all` into a skip, where it is one. A table that was pulled before and can no
    longer be read stays a failure: its copy would grow old unnoticed."""
    found = skip_for(report.error, report.object) if report.error is not None else None
    if found is not None and destination.state(report.table) is None:
        report.error, report.skipped, report.fix = None, found.reason, found.fix


def refuse_nothing(targets: Sequence[Target], reports: Sequence[PullReport]) -> None:
    """Raises NotAuthorisedError where nothing of `all` could be read: that is no pull."""
    if any(target.optional for target in targets) and all(report.skipped for report in reports):
        raise NotAuthorisedError(
            f"Not one of the company's {len(reports):,} objects could be read: {reports[0].skipped}.",
            advice=reports[0].fix,
        )


def _documented() -> list[str]:
    """Documented objects that are not owned by others: which tables they would have is the same everywhere."""
    return [name for name in catalogue.names() if "{" not in name and catalogue.owner(name) is None]


def _known(name: str) -> bool:
    """Whether commands take it: documented, or a name that only a company knows."""
    return "::" in name or name in catalogue.names()


def _full(name: str) -> str:
    return shorten("_".join("".join(c if c.isalnum() else " " for c in name).split()).lower())
