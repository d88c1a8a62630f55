"""What follows once a record is there: files attached to it, workflow actions carried out on it.

Each step is a line of the ledger of its own, and goes only to records whose step before is done. It works from the
ledger, not from the source: what an earlier run left undone is done, whatever today's file holds.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tieout.errors import ConfigurationError, IntacctError, Problem, SourceError
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
    """A check of documents: the files that they want attached can be read. Keeps what each of them says, as a hash."""
    hash_of = _hashes(settings, root)

    def check(documents: Sequence[Document]) -> None:
        for document in documents:
            for name in document.files:
                found, reason = hash_of(name)
                if not reason:
                    document.hashes[name] = found
                else:
                    row = document.rows[0]
                    where = f"row {row}, column {settings.attachment.column if settings.attachment else 'files'}"
                    document.problems.append(
                        Problem(path=where, reason=f"{name!r} cannot be attached: {reason}", row=row, value=name)
                    )

    return check


def refuse_changed_files(settings: PushSettings, root: Path, stage: Stage, remade: str) -> None:
    """Raise SourceError where a file to be attached is not the one that was planned. `remade` is the command that makes
    the plan anew."""
    if ATTACH not in settings.steps:
        return
    hash_of = _hashes(settings, root)
    for name, planned in stage.files_of_sound():
        found, reason = hash_of(name)
        if found != planned:
            what = f"cannot be read ({reason})" if reason else "was changed"
            raise SourceError(
                f"The file {name!r}, which is to be attached, {what} since it was planned, so the plan is void. "
                "Nothing was sent.",
                advice=f"Look at the file, then make the plan anew: `{remade}`.",
            )


def announce(
    ledger: Ledger, settings: PushSettings, held: Lease, run_id: str, documents: Sequence[Staged], stage: Stage
) -> None:
    """Write down what is to follow for documents that are there or will be sent. What was done of it stays; of the
    rest the source of today decides: files that it did not name before are attached, an action that the rows do not
    want any more is taken back, and where there is nothing to do that is done."""
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
                entry.facts = _facts(list(files[document.seq]), files[document.seq])
            (wanted if goes else idle).append(entry)
        lines = ledger.at(ledger.operation, number)
        if wanted:
            if name == ATTACH and not lines.is_empty():
                _renew(lines, wanted, {d.source_id: files[d.seq] for d in documents if d.seq in files}, held, run_id)
            lines.announce(held, run_id, wanted)
        if name in (ATTACH, LINK) or ATTACH in steps[number:]:  # what comes later waits for its line
            lines.pass_over(held, run_id, idle)
        elif idle and not lines.is_empty():
            lines.withdraw(held, [entry.source_id for entry in idle])


def _renew(
    lines: Ledger, entries: Sequence[Entry], files: Mapping[str, Mapping[str, str]], held: Lease, run_id: str
) -> None:
    """Have attached what records name by now and their attachments do not hold, as it was checked by now."""
    known = lines.known([entry.source_id for entry in entries])
    fresh: list[Entry] = []
    checked_anew: list[Entry] = []
    for entry in entries:
        line = known.get(entry.source_id)
        if line is None:
            continue
        before, attached = line.facts or {}, _attached(line)
        sent = {name: sha for name, sha in before.get("sha256", {}).items() if name in attached}
        new = {name: sha for name, sha in files[entry.source_id].items() if name not in attached}
        if not new:
            continue
        entry = msgspec.structs.replace(entry, facts=_facts([*attached, *new], sent | new, attached))
        if before.get("files", ()) != [*attached, *new]:
            fresh.append(entry)
        elif before.get("sha256") != sent | new:
            checked_anew.append(entry)
    lines.renew(held, run_id, fresh)
    lines.restate(held, run_id, checked_anew)


def _attached(line: LedgerRecord) -> list[str]:
    """The files that an attachment holds, as far as this push put them there."""
    facts = line.facts or {}
    is_done = line.state == "posted" and line.batch_id is not None
    return list(facts.get("files" if is_done else "attached", ()))


def _facts(files: Sequence[str], hashes: Mapping[str, str], attached: Sequence[str] = ()) -> str:
    facts = {"files": files, "sha256": hashes}
    return msgspec.json.encode(facts | {"attached": attached} if attached else facts).decode()


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
        also what Intacct refused before, and in any case what it refused of a record that was changed since. Raises as
        `Sender.send` does."""
        for desk in desks:
            if desk.ledger.has_changes():
                desk.ledger.renew_refused(self._held)
        for number, name in enumerate(step_names(self._settings.steps), 1):
            due = ((desk, out) for desk in desks for out in self._due(desk, number, name, retry=retry))
            self._sender.send(batches(due, most=self._settings.batch_size))

    def _due(self, desk: Opened, number: int, name: str, *, retry: bool) -> Iterator[Outgoing]:
        ledger = desk.ledger.at(desk.ledger.operation, number)
        for mine, main in ledger.due(number - 1, retry=retry):
            rows = msgspec.json.encode(mine.rows).decode()
            entry = Entry(mine.source_id, mine.payload_hash, rows, "{}", attempt=mine.attempt)
            try:
                going, body, key = self._what(desk, number, name, mine, str(main.sage_key))
            except (OSError, ConfigurationError) as error:
                reason = f"a file cannot be read: {error}" if isinstance(error, OSError) else error.message
                entry.error = msgspec.json.encode({"reason": reason}).decode()
                ledger.hold(self._held, self._run_id, [entry])
                continue
            yield Outgoing(-1, entry, body, going, key)

    def _what(self, desk: Opened, number: int, name: str, mine: LedgerRecord, key: str) -> tuple[Way, bytes, str]:
        """How a step goes out for the record with this key: its way, its body, and what it changes."""
        operation = desk.ledger.operation
        container = container_id(desk.object, key)
        if name == LINK:
            body = operations.encode({"key": key, "attachment": {"id": container}})
            return way(operation, number, "update", desk.object), body, key
        if name != ATTACH:
            return way(operation, number, name, desk.object), operations.encode({"key": key}), ""
        setting = self._settings.attachment
        assert setting is not None
        facts = mine.facts or {}
        there = (mine.sage_key or self._find(desk, container)) if facts.get("attached") else None
        before: Sequence[str] = facts["attached"] if there else ()
        going_out = [each for each in facts.get("files", ()) if each not in before]
        files = self._files(going_out, facts.get("sha256", {}))
        if there:
            going = way(operation, number, "update", ATTACHMENT)
            desk.client.refuse_forbidden(going.method, going.path)
            return going, operations.encode({"key": there, "files": files}), there
        self._ensure_folder(desk, setting.into)
        body = operations.encode(
            {"id": container, "name": setting.name or container, "folder": {"id": setting.into}, "files": files}
        )
        return way(operation, number, "create", ATTACHMENT), body, ""

    def _files(self, names: Iterable[str], hashes: Mapping[str, str]) -> list[dict[str, str]]:
        """Files as they go out. Raises SourceError where one is not what was checked, OSError as reading it does."""
        found = []
        for name in names:
            content = _path(self._settings, self._root, name).read_bytes()
            checked = hashes.get(name)  # none where an older version wrote the line
            if checked and hashlib.sha256(content).hexdigest() != checked:
                raise SourceError(
                    f"{name!r} was changed after it was checked, so that it was not attached: look at it, then push "
                    "again, with a new plan where there was one"
                )
            found.append({"name": Path(name).name, "data": base64.b64encode(content).decode()})
        return found

    @staticmethod
    def _find(desk: Opened, container: str) -> str | None:
        """The key of an attachment; None where people took it away."""
        found = desk.client.call(operations.find_keys(ATTACHMENT, container))
        return found[0] if found else None

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


def _hashes(settings: PushSettings, root: Path) -> Callable[[str], tuple[str, str]]:
    """What tells the SHA-256 of a file by its name; else why it cannot be read."""

    @lru_cache(maxsize=1_000)  # many rows may name one file
    def hash_of(name: str) -> tuple[str, str]:
        try:
            with _path(settings, root, name).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest(), ""
        except OSError as error:
            return "", error.strerror or "it cannot be read"

    return hash_of
