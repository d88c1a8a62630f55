"""What follows once a record is there: files attached to it, workflow actions carried out on it.

Each step is a line of the ledger of its own, and goes only to records whose step before is done. It works from the
ledger, not from the source: what an earlier run left undone is done, whatever today's file holds.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tieout.errors import IntacctError, Problem
from tieout.push.dispatch.requests import Outgoing, Way, batches, way
from tieout.rest import operations
from tieout.rest.attachments import ATTACHMENT, FOLDER, container_id
from tieout.store.ledger import Batch, Entry, LedgerRecord, Result

if TYPE_CHECKING:
    from tieout.push.dispatch.sending import Sender
    from tieout.push.documents import Document
    from tieout.push.opening import Opened
    from tieout.push.settings import PushSettings
    from tieout.push.stage import Stage, Staged
    from tieout.store.leases import Lease
    from tieout.store.ledger import Ledger

ATTACH, LINK = "attach", "link"
"""Files go out in two steps: an attachment that holds them, and the record's pointer to it (REST reference 7.5)."""


def step_names(steps: Iterable[str]) -> tuple[str, ...]:
    """The steps of the ledger, the first of them number 1."""
    return tuple(name for step in steps for name in ((ATTACH, LINK) if step == ATTACH else (step,)))


def files_exist(settings: PushSettings, root: Path) -> Callable[[Sequence[Document]], None]:
    """A check of documents: the files that they want attached can be read."""

    def check(documents: Sequence[Document]) -> None:
        for document in documents:
            for name in document.files:
                if reason := _unreadable(_path(settings, root, name)):
                    row = document.rows[0]
                    where = f"row {row}, column {settings.attachment.column if settings.attachment else 'files'}"
                    document.problems.append(Problem(path=where, reason=f"{name!r} {reason}", row=row, value=name))

    return check


def announce(
    ledger: Ledger, settings: PushSettings, held: Lease, run_id: str, documents: Sequence[Staged], stage: Stage
) -> None:
    """Write down what is to follow for documents that are there or will be sent. What was done of it stays; of the
    rest the source of today decides: where there is nothing to attach that is done, and an action that the rows do not
    want any more is taken back."""
    steps = step_names(settings.steps)
    files = stage.files(documents) if ATTACH in steps else {}
    last = stage.last_steps(documents) if settings.last_column is not None else None
    for number, name in enumerate(steps, 1):
        wanted: list[Entry] = []
        idle: list[Entry] = []
        for document in documents:
            rows, _ = document.texts()
            entry = Entry(document.source_id, document.payload_hash, rows, "{}")
            if name in (ATTACH, LINK):
                goes = document.seq in files
            else:
                goes = last is None or name in _up_to(settings.actions, last.get(document.seq, ""))
            if name == ATTACH and goes:
                entry.facts = msgspec.json.encode({"files": files[document.seq]}).decode()
            (wanted if goes else idle).append(entry)
        lines = ledger.at(ledger.operation, number)
        if wanted:
            lines.announce(held, run_id, wanted)
        if name in (ATTACH, LINK) or ATTACH in steps[number:]:  # what comes later waits for its line
            lines.pass_over(held, run_id, idle)
        elif idle and not lines.is_empty():
            lines.withdraw(held, [entry.source_id for entry in idle])


def actions_wanted(settings: PushSettings, stage: Stage) -> Sequence[str]:
    """The actions that records of a source want, where their rows say so."""
    wanted: Sequence[str] = ()
    for last in stage.counts_of_last_steps():
        wanted = max(wanted, _up_to(settings.actions, last), key=len)
    return wanted


def _up_to(actions: Sequence[str], last: str) -> Sequence[str]:
    return actions[: actions.index(last) + 1] if last in actions else ()


class Steps:
    """The steps of one run."""

    def __init__(self, settings: PushSettings, root: Path, sender: Sender, held: Lease, run_id: str) -> None:
        self._settings, self._root = settings, root
        self._sender, self._held, self._run_id = sender, held, run_id
        self._folders: set[str] = set()
        """Entities in which the folder of the attachments is known to be there."""

    def run(self, desks: Sequence[Opened], *, retry: bool) -> None:
        """Carry out every step that is due, one after the other: first of all records, then the next one. With `retry`
        also what Intacct refused before. Raises as `Sender.send` does."""
        for number, name in enumerate(step_names(self._settings.steps), 1):
            due = ((desk, out) for desk in desks for out in self._due(desk, number, name, retry=retry))
            self._sender.send(batches(due, most=self._settings.batch_size))

    def _due(self, desk: Opened, number: int, name: str, *, retry: bool) -> Iterator[Outgoing]:
        ledger = desk.ledger.at(desk.ledger.operation, number)
        going = self._way(desk, number, name)
        for mine, main in ledger.due(number - 1, retry=retry):
            rows = msgspec.json.encode(mine.rows).decode()
            entry = Entry(mine.source_id, mine.payload_hash, rows, "{}", attempt=mine.attempt)
            try:
                body = self._body(desk, name, mine, str(main.sage_key))
            except OSError as error:
                entry.error = msgspec.json.encode({"reason": f"a file cannot be read: {error}"}).decode()
                ledger.hold(self._held, self._run_id, [entry])
                continue
            yield Outgoing(-1, entry, body, going, str(main.sage_key) if going.method == "PATCH" else "")

    @staticmethod
    def _way(desk: Opened, number: int, name: str) -> Way:
        if name == ATTACH:
            return way(desk.ledger.operation, number, "create", ATTACHMENT)
        return way(desk.ledger.operation, number, "update" if name == LINK else name, desk.object)

    def _body(self, desk: Opened, name: str, mine: LedgerRecord, key: str) -> bytes:
        container = container_id(desk.object, key)
        if name == LINK:
            return operations.encode({"key": key, "attachment": {"id": container}})
        if name != ATTACH:
            return operations.encode({"key": key})
        setting = self._settings.attachment
        assert setting is not None
        names: Sequence[str] = (mine.facts or {}).get("files", ())
        files = [{"name": Path(each).name, "data": _base64(_path(self._settings, self._root, each))} for each in names]
        self._ensure_folder(desk, setting.into)
        return operations.encode(
            {"id": container, "name": setting.name or container, "folder": {"id": setting.into}, "files": files}
        )

    def _ensure_folder(self, desk: Opened, folder: str) -> None:
        """The folder in Intacct, made where there is none: once for each entity, and never twice."""
        if desk.entity in self._folders:
            return
        client = desk.client
        if not client.call(operations.find_keys(FOLDER, folder)):
            try:
                client.create(FOLDER, {"id": folder}, check=False)
            except IntacctError:
                if not client.call(operations.find_keys(FOLDER, folder)):  # not one that somebody else just made
                    raise
        self._folders.add(desk.entity)


class Tally:
    """Counts what became of steps in one run: told of each request, the latest word counts."""

    def __init__(self, steps: Sequence[str]) -> None:
        self._names = step_names(steps)
        self._posted: dict[str, tuple[int, int]] = {}
        """Batch -> (step, how many of it are done)."""

    def told(self, batch: Batch, results: Sequence[Result]) -> None:
        self._posted[batch.id] = (batch.step, sum(result.state == "posted" for result in results))

    def counts(self, desks: Sequence[Opened]) -> dict[str, dict[str, int]]:
        """Steps by outcome: those done in this run, and all that are not done yet as the ledgers have them."""
        found: dict[str, Counter[str]] = {name: Counter() for name in self._names}
        for step, posted in self._posted.values():
            if 0 < step <= len(self._names):
                found[self._names[step - 1]]["posted"] += posted
        for desk in desks:
            for step, state, count in desk.ledger.open_steps():
                if 0 < step <= len(self._names):
                    found[self._names[step - 1]]["unknown" if state == "sending" else state] += count
        return {name: dict(+counter) for name, counter in found.items() if +counter}


def _path(settings: PushSettings, root: Path, name: str) -> Path:
    assert settings.attachment is not None
    return root / settings.attachment.folder / name


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _unreadable(path: Path) -> str:
    try:
        with path.open("rb"):
            return ""
    except OSError as error:
        return f"cannot be attached: {error.strerror or 'it cannot be read'}"
