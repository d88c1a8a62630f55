"""Ties out what was pulled, now, without pulling. What that is, destinations tell: each table's own state.

Knows sections only by where they write; a table needs none to be verified.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from tieout import catalogue
from tieout.errors import ConfigurationError, StoreError, TieoutError, UnknownNameError
from tieout.project.report import TieOutLine
from tieout.pull.destinations.base import Commit, Destination
from tieout.pull.destinations.batch import Batch
from tieout.pull.destinations.open import open_destination
from tieout.pull.destinations.state import TableState
from tieout.pull.failures import is_connection_wide
from tieout.pull.leasing import leased
from tieout.pull.plan.targets import table_of
from tieout.pull.proof.compare import unproven
from tieout.pull.proof.inspecting import How, Verified, inspect
from tieout.pull.proof.subject import Subject, subject_of
from tieout.pull.reading.clock import STAMP
from tieout.pull.reading.selection import Selection
from tieout.pull.settings import DEFAULT_DESTINATION, PullSettings
from tieout.pull.sources import Source, sources

if TYPE_CHECKING:
    from tieout.project import Project
    from tieout.rest import Intacct


class Holding(msgspec.Struct, kw_only=True):
    """One table that was pulled, or should have been."""

    object: str
    table: str
    destination: Destination
    pull: str
    """What to give `tieout pull` for it."""
    connection: str | None = None
    state: TableState | None = None
    damage: str = ""


class Holdings:
    """What a project's destinations hold. Reads the destinations once; asks nothing of Intacct."""

    def __init__(self, project: Project, destination: str | None = None) -> None:
        """Raises StoreError for a destination that cannot be read, ConfigurationError for a bad section."""
        sections = {name: project.section("pull", name, PullSettings) for name in project.names("pull")}
        urls = [destination or section.destination for section in sections.values()]
        urls.append(destination or DEFAULT_DESTINATION)
        every = [open_destination(project.root, url) for url in urls]
        self._places = {one.identity(): one for one in every}
        self.tables = [
            Holding(
                object=found.state.object,
                table=found.state.table,
                destination=one,
                pull=found.state.object,
                state=found.state,
                damage=found.damage,
            )
            for one in self._places.values()
            for found in one.tables()
            if not found.state.derived
        ]
        self.sections: dict[str, Holding] = {}
        for (name, section), one in zip(sections.items(), every, strict=False):
            if section.report:  # nothing in Intacct to count its rows against
                continue
            table = table_of(section)
            found = self._at(one, table)
            if found is None:
                found = Holding(object=catalogue.resolve(section.object), table=table, destination=one, pull=name)
            found.pull, found.connection = name, section.connection
            for line in self._lines(found):
                line.pull, line.connection = name, section.connection
            self.sections[name] = found

    @property
    def places(self) -> str:
        """The destinations, for a message."""
        return ", ".join(one.place for one in self._places.values())

    def names(self) -> tuple[str, ...]:
        """Every name that `find` answers to, aliases of objects apart."""
        every = [*self.sections, *(t.table for t in self.tables), *(t.object for t in self.tables)]
        return tuple(dict.fromkeys(every))

    def find(self, word: str) -> list[Holding]:
        """The tables a word means: a section, a table or an object, with their lines. Empty where it means none."""
        if word in self.sections:
            return [self.sections[word], *self._lines(self.sections[word])]
        found = [table for table in self.tables if table.table.lower() == word.lower()]
        if not found:
            try:
                object = catalogue.resolve(word)
            except UnknownNameError:
                return []
            found = [table for table in self.tables if table.object == object]
            found += [s for s in self.sections.values() if s.object == object and s.state is None]
        return [holding for main in found for holding in (main, *self._lines(main))]

    def every(self) -> list[Holding]:
        """Sections in the order of the file, then what was pulled without one."""
        found = [holding for name in self.sections for holding in self.find(name)]
        mains = [table for table in self.tables if not (table.state and table.state.parent)]
        found += [holding for main in mains for holding in (main, *self._lines(main))]
        return [*found, *self.tables]

    def _at(self, place: Destination, table: str) -> Holding | None:
        same = (t for t in self.tables if _same(t.destination, place) and t.table.lower() == table.lower())
        return next(same, None)

    def _lines(self, main: Holding) -> Iterator[Holding]:
        """Line tables of a table: those it names, pulled or not, and those that name it."""
        if main.state is None:
            return
        for name in main.state.lines:
            found = self._at(main.destination, name)
            if found is None:
                found = msgspec.structs.replace(main, object=f"{main.object} lines", table=name, state=None)
            yield found
        for table in self.tables:
            named = table.state is not None and table.state.parent.lower() == main.table.lower()
            if named and _same(table.destination, main.destination) and table.table not in main.state.lines:
                yield table


def _same(one: Destination, other: Destination) -> bool:
    return one.identity() == other.identity()


def verify(
    project: Project,
    names: Sequence[str] | None = None,
    *,
    connection: str | None = None,
    destination: str | None = None,
    required: bool = True,
    source: Source | None = None,
) -> list[TieOutLine]:
    """The lines of `verified`, looked at no closer than is usual."""
    found = verified(project, names, connection=connection, destination=destination, required=required, source=source)
    return found.lines


def verified(
    project: Project,
    names: Sequence[str] | None = None,
    *,
    connection: str | None = None,
    destination: str | None = None,
    required: bool = True,
    source: Source | None = None,
    how: How | None = None,
) -> Verified:
    """Compare what was pulled with Intacct, now, without pulling: count and exact sums, one transaction a table. Where
    they differ, the rows behind it are looked for, with a few dozen transactions at most.

    `names` are sections, tables or objects (`bills`); none means everything in the destinations of the project's
    sections and in the default one, also what was pulled without a section. `destination` is looked into instead of
    them. A section that was never pulled, or an object that Intacct refuses, is a line that says so.

    Raises UnknownNameError for a name that nothing pulled answers to; StoreError where nothing was pulled at all
    (unless `required` is False); BusyError where a table to repair is being written; NotAuthorisedError,
    UnreachableError; and if every table was refused, the first refusal.
    """
    holdings = Holdings(project, destination)
    wanted = chosen(holdings, names)
    if required and not holdings.tables:
        raise StoreError(
            f"Nothing was pulled yet: there are no tables in {holdings.places}.",
            advice="Run `tieout pull`, or name the destination with --destination.",
        )
    found = Verified()
    refusals: list[TieoutError] = []
    with sources(project, source) as reach:
        for holding in wanted:
            try:
                _verify(project, holding, connection, reach, how or How(), found)
            except TieoutError as error:
                if is_connection_wide(error):
                    raise
                refusals.append(error)
                name = subject_of(holding.object, holding.table)
                found.lines.append(unproven(name, "rows", _count(holding), str(error)))
    if refusals and all(line.ties is None for line in found.lines):
        raise refusals[0]
    return found


def chosen(holdings: Holdings, names: Sequence[str] | None) -> list[Holding]:
    found: list[Holding] = []
    for name in names or ():
        answers = holdings.find(name.removeprefix("pull."))
        if not answers:
            near = catalogue.nearest(name, list(holdings.names()))
            raise UnknownNameError(
                "pull named", name, nearest=near, advice=f"Nothing by that name was pulled into {holdings.places}."
            )
        found += answers
    found = found if names else holdings.every()
    return list({(one.destination.identity(), one.table.lower()): one for one in found}.values())


def _verify(
    project: Project,
    holding: Holding,
    connection: str | None,
    reach: Callable[[str | None], Source],
    how: How,
    into: Verified,
) -> None:
    state, name = holding.state, subject_of(holding.object, holding.table)
    if state is None:
        into.lines.append(unproven(name, "rows", None, f"never pulled: run `tieout pull {holding.pull}`"))
        return
    if holding.damage:
        damaged = TieOutLine(subject=name, what="rows", source=None, intacct=None, ties=False, note=holding.damage)
        into.lines.append(damaged)
        return
    client = client_for(project, state, connection or holding.connection, reach)
    if isinstance(client, str):
        into.lines.append(unproven(name, "rows", state.rows, client))
        return
    before = len(into.lines)
    inspect(subject_from(client, holding.destination, state), how, into)
    if any(line.ties is False for line in into.lines[before:]):
        _forget(project, holding)


def _forget(project: Project, holding: Holding) -> None:
    """What the table was last proven to hold is not believed by the next pull, where that can be written: somebody
    has changed the table by hand, perhaps."""
    state = holding.destination.state(holding.table)
    if state is None or state.proven is None:
        return
    after = msgspec.structs.replace(state, proven=None)
    now = datetime.now(UTC).strftime(STAMP)
    with suppress(TieoutError), leased(project, [(holding.destination, state.table)]):
        holding.destination.commit(Commit(before=state, after=after, batch=Batch.empty(state.columns), synced=now))


def client_for(
    project: Project, state: TableState, connection: str | None, reach: Callable[[str | None], Source]
) -> Intacct | str:
    """The client over which a table was pulled, or why the one that was named is not."""
    found = reach(connection or _matching(project, state, reach))
    if (found.company, found.client.entity or "") == (state.company, state.entity):
        return found.client
    level = f"entity {state.entity}" if state.entity else "the top level"
    return f"pulled from company {state.company}, {level}: name that connection with --connection"


def subject_from(client: Intacct, destination: Destination, state: TableState) -> Subject:
    """What a table says of itself: the columns that the last read kept up to date, filter and scope."""
    selection = Selection.read(state.selection)
    model = client.model(state.object)
    known = model.paths()
    kept = set(state.fields) or known
    return Subject(
        client=client,
        model=model,
        destination=destination,
        state=state,
        columns=[c for c in state.columns if c.path in known and c.path in kept],
        where=selection.where(),
        private=selection.private,
    )


def _matching(project: Project, state: TableState, reach: Callable[[str | None], Source]) -> str | None:
    """The connection a table without a section came over: the only one, else the first to the same company and
    entity. None leaves the choice to `reach`."""
    from tieout.connections import find, open_connections

    try:
        reach(None)
    except ConfigurationError:  # several
        connections = open_connections(project)
        try:
            names = connections.names()
        finally:
            connections.store.close()
        for name in names:
            found = find(project, name)
            if (found.company, found.entity or "") == (state.company, state.entity):
                return name
    return None


def _count(holding: Holding) -> int | None:
    return holding.state.rows if holding.state is not None else None
