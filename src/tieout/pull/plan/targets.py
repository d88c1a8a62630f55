"""What a run pulls: sections of the project, or objects named directly, each with the table it writes.

Every mistake that can be found without Intacct is found here. Asks nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from tieout import catalogue
from tieout.errors import ConfigurationError, UnknownNameError
from tieout.project.load import explained
from tieout.pull.destinations.open import open_destination
from tieout.pull.schema.names import table_name
from tieout.pull.settings import PullSettings

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.pull.destinations.base import Destination


_FOR_ONE = {
    "table": "One table cannot hold {} objects.",
    "where": "One filter does not fit {} objects.",
    "fields": "{} objects do not have the same fields.",
}


def settings_over(**given: object) -> dict[str, object]:
    """What goes before the settings of sections: what is given."""
    return {name: value for name, value in given.items() if value is not None}


REPORT = "tieout:report "
"""Before the service of a report, what a table of it is of."""
REPORTS = {
    "trial-balance": "general-ledger/trial-balance",
    "account-balance": "general-ledger/account-balance",
    "account-balance-by-dimension": "general-ledger/account-balance-by-dimension",
    "account-group-hierarchy": "general-ledger/account-group-hierarchy",
    "details": "general-ledger/details",
    "inventory-valuation": "inventory-control/inventory-valuation",
    "item-activity": "inventory-control/item-activity",
}
"""Short name -> report service (REST reference 7.8)."""

FILES_OF = "company-config/attachment"
"""The object whose records hold files."""


class Target(msgspec.Struct, frozen=True):
    """One section, or one object named directly."""

    name: str
    settings: PullSettings
    optional: bool = False
    """One of `all`: skipped, not failed, where the company has not subscribed to it or the user may not read it."""


def targets(
    project: Project,
    names: Sequence[str] | None,
    objects: Sequence[str] | None,
    over: Mapping[str, object],
    every: Mapping[str, str | None] | None = None,
) -> list[Target]:
    """`names` and `objects` as `pull` takes them; the settings in `over` go before what the sections say. `every`:
    object -> table of what the word `all` brings besides.

    Raises UnknownNameError and ConfigurationError."""
    sections = [name.removeprefix("pull.") for name in names or ()]
    if not sections and not objects and every is None:
        sections = list(project.names("pull"))
        if not sections:
            raise ConfigurationError(
                "Nothing says what to pull.",
                advice="Name objects (`tieout pull vendors bills`) or add [pull.NAME] sections to tieout.toml.",
            )
    found = [Target(name, project.section("pull", name, PullSettings)) for name in sections]
    found += [Target(name, PullSettings(object=name)) for name in objects or ()]
    named = {object_of(target.settings) for target in found} if every else set()
    found += [
        Target(name, PullSettings(object=name, table=table), optional=True)
        for name, table in (every or {}).items()
        if name not in named
    ]
    for option, sentence in _FOR_ONE.items():
        if option in over and len(found) > 1:
            raise ConfigurationError(sentence.format(len(found)), advice=f"Name one object or section with --{option}.")
    try:
        found = [msgspec.structs.replace(t, settings=_over(t.settings, over)) for t in found]
    except msgspec.ValidationError as error:
        keys, reason = explained(error, PullSettings)
        raise ConfigurationError(f"{'.'.join((*keys, ''))[:-1] or 'The settings'}: {reason}.") from None
    seen: dict[tuple[str, str], str] = {}
    for target in found:  # every name is looked up before anything is asked of Intacct
        place = _place(project, target.settings)
        if seen.get(place) == target.name:
            raise ConfigurationError(f"{target.name} is named twice.", advice="Name it once.")
        if place in seen:
            raise ConfigurationError(
                f"{seen[place]} and {target.name} both write table {place[1]}.", advice="Set `table` for one of them."
            )
        seen[place] = target.name
    _refuse_taken(project, found)
    return found


def written_twice(
    project: Project, written: Sequence[tuple[Target, Destination, Sequence[str]]]
) -> Iterator[tuple[Target, str, str]]:
    """`written`: targets of a run with the tables that each writes, its own one first. -> Tables of lines and files
    that are somebody else's: of whom, which table, who writes it or keeps it in the project file."""
    writers: dict[tuple[str, str], str] = {}
    for name in project.names("pull"):
        writers[_place(project, project.section("pull", name, PullSettings))] = name
    for target, destination, tables in written:
        writers[destination.identity(), tables[0].lower()] = target.name
    for target, destination, tables in written:
        for table in tables[1:]:
            writer = writers.setdefault((destination.identity(), table.lower()), target.name)
            if writer != target.name:
                yield target, table, writer


def with_files(targets: Sequence[Target], folder: str | None) -> list[Target]:
    """The targets, those of attachments with a folder for their files where one is given beside the sections.

    Raises ConfigurationError where files are asked of something else."""
    for target in targets:
        if target.settings.files is not None and not _holds_files(target):
            raise ConfigurationError(
                f"{target.name} has no files of its own.", advice=f"`files` goes with object = {FILES_OF!r}."
            )
    if folder is None:
        return list(targets)
    if not any(_holds_files(target) for target in targets):
        raise ConfigurationError(
            "There are no attachments among what is pulled.", advice="Run `tieout pull attachments --files DIR`."
        )
    replace = msgspec.structs.replace
    return [replace(t, settings=replace(t.settings, files=folder)) if _holds_files(t) else t for t in targets]


def _holds_files(target: Target) -> bool:
    # What `all` brings is named in full, and perhaps not known to the catalogue.
    settings = target.settings
    return (settings.object if target.optional else object_of(settings)) == FILES_OF


def _over(settings: PullSettings, over: Mapping[str, object]) -> PullSettings:
    """Raises msgspec.ValidationError."""
    if settings.report:  # among others that a layout is asked for
        over = {name: value for name, value in over.items() if name != "layout"}
    return msgspec.convert({**_members(settings), **over}, PullSettings)


def _members(settings: PullSettings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in settings.__struct_fields__}


def _refuse_taken(project: Project, targets: Sequence[Target]) -> None:
    """What a section keeps in a table, with its own filter and fields, nothing else may overwrite."""
    sections = {name: project.section("pull", name, PullSettings) for name in project.names("pull")}
    for target in targets:
        place = _place(project, target.settings)
        for name, section in sections.items():
            if name == target.name or _place(project, section) != place or _same(section, target.settings):
                continue
            raise ConfigurationError(
                f"[pull.{name}] keeps table {place[1]}, with settings of its own, so {target.name} is not pulled into "
                "it.",
                advice=f"`tieout pull {name}` runs the section; --table NAME or --destination URL writes elsewhere.",
            )


def _same(one: PullSettings, other: PullSettings) -> bool:
    """Whether both bring the same rows and columns."""
    return object_of(one) == object_of(other) and (
        (one.fields, one.where, one.private, one.lines, one.types)
        == (other.fields, other.where, other.private, other.lines, other.types)
    )


def _place(project: Project, settings: PullSettings) -> tuple[str, str]:
    return open_destination(project.root, settings.destination).identity(), table_of(settings).lower()


def table_of(settings: PullSettings) -> str:
    """The table a section writes."""
    return settings.table or table_name(object_of(settings))


def object_of(settings: PullSettings) -> str:
    """The object in full, or `tieout:report` and the report's service, as states have it. Raises UnknownNameError."""
    return f"{REPORT}{service_of(settings.report)}" if settings.report else catalogue.resolve(settings.object)


def service_of(name: str) -> str:
    """A report by its short name or in full. Raises UnknownNameError."""
    if name in REPORTS.values():
        return name
    if name not in REPORTS:
        raise UnknownNameError("report", name, nearest=catalogue.nearest(name, list(REPORTS)))
    return REPORTS[name]
