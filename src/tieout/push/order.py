"""Several pushes in the order in which their records need each other, one after the other.

What goes before what is told by the sections and the catalogue; the company is not asked. Knows no rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import msgspec

from tieout import catalogue
from tieout.catalogue.model import Node, Ref
from tieout.errors import ConfigurationError, TieoutError, UnknownNameError
from tieout.push.settings import PushSettings, settings_of

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.push.report import PushReport


class Pushed(msgspec.Struct, frozen=True):
    """What came of one push of several: its report, or why there is none."""

    name: str
    report: PushReport | None = None
    error: TieoutError | None = None
    waits_for: str = ""
    """The push that it needs and that failed as a whole: this one was not begun."""

    @property
    def exit_code(self) -> int:
        if self.error is not None:
            return self.error.exit_code
        return self.report.exit_code if self.report is not None else 1


def in_order(project: Project, names: Sequence[str] = ()) -> list[str]:
    """The pushes of a project, or some of them, so that each comes after those whose records its own refer to, and
    after those that it names in `after`; else as they are given. Raises ConfigurationError where they need each other
    in a ring, UnknownNameError for a push that is not there."""
    return list(_sorted(project, names))


def push_in_order(
    project: Project, names: Sequence[str], run: Callable[[str, dict[str, set[str]]], PushReport]
) -> Iterator[Pushed]:
    """Run pushes in order, each when it is asked for; `run` does one. One that needs another which failed as a whole is
    not begun; records that single ones refused are left to the checks of the next.

    `run` is also given the ids by object that earlier pushes would make, where nothing is sent, and adds its own."""
    needs = _sorted(project, names)
    coming: dict[str, set[str]] = {}
    failed: set[str] = set()
    for name, needed in needs.items():
        if missing := next((other for other in needed if other in failed), ""):
            failed.add(name)
            yield Pushed(name, waits_for=missing)
            continue
        try:
            done = Pushed(name, run(name, coming))
        except TieoutError as error:
            failed.add(name)
            done = Pushed(name, error=error)
        yield done


def _sorted(project: Project, names: Sequence[str]) -> dict[str, list[str]]:
    """Push -> the others of these that it needs, in the order in which they go."""
    chosen = list(dict.fromkeys(name.removeprefix("push.") for name in names or project.names("push")))
    settings = {name: settings_of(project, name) for name in chosen}
    said = {name: _said(project, name, settings[name]) for name in chosen}
    makes = {name: catalogue.resolve(settings[name].object) for name in chosen}
    needs: dict[str, list[str]] = {}
    for name in chosen:
        wanted = referred(settings[name])
        by_model = [o for o in chosen if o != name and makes[o] in wanted and makes[o] != makes[name]]
        # What a section says wins: `after` the other way round is how a ring of models is cut.
        needs[name] = [o for o in chosen if o in said[name] or (o in by_model and name not in said[o])]
    sorter = TopologicalSorter(needs)
    try:
        sorter.prepare()
    except CycleError as error:
        ring = " -> ".join(f"[push.{name}]" for name in reversed(error.args[1]))
        raise ConfigurationError(
            f"These pushes need each other in a ring: {ring}.",
            advice='Push them one by one, or say which comes first: after = ["NAME"] in the section of the later one.',
        ) from None
    order: dict[str, list[str]] = {}
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=chosen.index)
        order.update((name, needs[name]) for name in ready)
        sorter.done(*ready)
    return order


def _said(project: Project, name: str, settings: PushSettings) -> tuple[str, ...]:
    known = project.names("push")
    for other in settings.comes_after:
        if other not in known or other == name:
            near = catalogue.nearest(other, [each for each in known if each != name], 1)
            raise UnknownNameError(f"push for [push.{name}] to come after,", other, nearest=near)
    return settings.comes_after


def referred(settings: PushSettings) -> set[str]:
    """The objects that records of a push refer to, by its fields; where they are sent as they stand, by their model."""
    try:
        model = catalogue.load(catalogue.resolve(settings.object))
    except UnknownNameError:
        return set()  # an object of the company's own: only `after` can tell
    if settings.verbatim:
        return {ref.object for ref in model.refs.values() if ref.object and not ref.read_only}
    found = (_referred_at(model, path.split(".")) for path in settings.columns())
    return {object for object in found if object}


def _referred_at(node: Node, path: Sequence[str]) -> str:
    """The object of the reference that a path leads through; "" where it leads to a field."""
    here: Node = node
    for name in path:
        if (ref := here.refs.get(name)) is not None:
            return "" if ref.is_owner else ref.object or ""
        below = here.groups.get(name) or here.lists.get(name)
        if below is None:
            return ""
        owned = getattr(below, "object", None)
        try:
            here = catalogue.load(owned) if owned and not isinstance(below, Ref) else below
        except UnknownNameError:
            here = below
    return ""
