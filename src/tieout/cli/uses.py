"""Which objects a project works with, and over which connection: read from its pull and push sections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tieout.connections import Connection
    from tieout.connections.examining import Use
    from tieout.project import Project


def uses_of(project: Project, connection: Connection | None, more: Sequence[str] = ()) -> list[Use]:
    """Each object once, by name: those of the sections that use `connection` (None: of all), and `more`.

    Raises ConfigurationError for a section that is wrong, UnknownNameError for an object that nobody knows."""
    from tieout import catalogue
    from tieout.connections.examining import Use
    from tieout.pull.settings import PullSettings
    from tieout.push.settings import PushSettings

    found = {catalogue.resolve(name): Use(object=catalogue.resolve(name)) for name in more}
    sections: dict[str, PullSettings | PushSettings] = {}
    sections |= {f"pull.{name}": project.section("pull", name, PullSettings) for name in project.names("pull")}
    sections |= {f"push.{name}": project.section("push", name, PushSettings) for name in project.names("push")}
    for name, section in sections.items():
        if isinstance(section, PullSettings) and section.report:  # no object's rights tell whether one may run it
            continue
        object = catalogue.resolve(section.object)
        if connection is not None and section.connection not in (None, connection.name):
            continue
        before = found.get(object, Use(object=object))
        creates = before.creates or name.startswith("push.")
        found[object] = Use(object=object, creates=creates, sections=(*before.sections, name))
    return [found[object] for object in sorted(found)]
