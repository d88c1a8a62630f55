"""A plan on file: the checked records of one push, frozen under a hash, to be sent later exactly as they are.

The file is the stage itself with a head. Its digest is sealed with the installation's master key, so that nobody
without it can change a plan between the one who made it and the one who applies it.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tieout.errors import ConfigurationError, SourceError

if TYPE_CHECKING:
    from tieout.push.settings import PushSettings
    from tieout.push.stage import Stage
    from tieout.store.ledger import Scope, Seal

VERSION = 6
_CONTEXT = "push-plan"


class PlanHead(msgspec.Struct, kw_only=True):
    """What was planned: by whom, of which source, for which company. Moments are ISO 8601 in UTC."""

    version: int = VERSION
    push: str
    object: str
    mapping_sha256: str
    source: str
    source_sha256: str
    rows: int
    company: str
    environment: str
    entity: str
    planned_by: str
    planned_at: str
    to_send: int
    held: int
    derived_from: tuple[str, ...] = ()
    told_apart: int = 0
    unnamed: int = 0
    unused_columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be checked, and what looked wrong and was not refused."""
    retry: bool = False
    """Made by a retry: what Intacct refused goes out again also where it did not change."""
    again: tuple[str, ...] = ()
    """Records that people deleted in Intacct and that are posted once more."""
    is_returned: bool = False
    """Made of a corrected file that `tieout failed` wrote: `source` is where that lay."""

    @property
    def remade(self) -> str:
        """The command that makes such a plan."""
        if not self.retry:
            return f"tieout push {self.push} --plan FILE"
        source = f" --from {shlex.quote(self.source)}" if self.is_returned else ""
        return f"tieout retry {self.push}{source} --plan FILE"


def mapping_hash(settings: PushSettings) -> str:
    """SHA-256 over a whole [push.NAME] section: another mapping makes other records of the same source. Where a source
    file lies is no part of it: what it says has a hash of its own. Nor is which push goes before."""
    settings = msgspec.structs.replace(settings, after=())
    if isinstance(settings.source, str):
        settings = msgspec.structs.replace(settings, source=None)
    return hashlib.sha256(msgspec.json.encode(settings, order="deterministic")).hexdigest()


def save(stage: Stage, head: PlanHead, seal: Seal, owner: str, path: Path) -> str:
    """Write the plan, for its owner's eyes alone -> its digest. Raises SourceError where the file cannot be written or
    is there already."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        raise SourceError(f"{str(path)!r} is there already.", advice="Give the plan another name.") from None
    except OSError as error:
        raise SourceError(f"{str(path)!r} cannot be written: {error.strerror}.", advice="Name another file.") from None
    digest = _digest(stage, head)
    stage.copy_to(path)
    database = sqlite3.connect(path)
    try:
        with database:
            database.execute("create table plan (head blob not null, sealed blob not null)")
            sealed = seal.encrypt(digest.encode(), _CONTEXT, owner)
            database.execute("insert into plan values (?, ?)", (msgspec.json.encode(head), sealed))
    finally:
        database.close()
    return digest


def head_of(path: Path, name: str) -> PlanHead:
    """What a file says that was planned; `load` tells whether it was changed. Raises SourceError where it is none."""
    return _opened(path, name)[0]


def _opened(path: Path, name: str) -> tuple[PlanHead, bytes]:
    if not path.is_file():
        raise SourceError(f"There is no plan {str(path)!r}.", advice=f"Make one: `tieout push {name} --plan FILE`.")
    try:
        database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            row = database.execute("select head, sealed from plan").fetchone()
        finally:
            database.close()
        head, sealed = msgspec.json.decode(row[0], type=PlanHead), bytes(row[1])
    except (sqlite3.Error, msgspec.MsgspecError, ValueError, TypeError):
        raise _not_a_plan(path, name) from None
    _refuse_other_version(head, path)  # first: its tables may be others
    return head, sealed


def load(stage: Stage, path: Path, seal: Seal, name: str) -> PlanHead:
    """A plan into an empty stage. Raises SourceError where the file is none, or is not as it was written."""
    head, sealed = _opened(path, name)
    try:
        stage.copy_from(path)
    except sqlite3.Error:
        raise _not_a_plan(path, name) from None
    try:
        digest = seal.decrypt(sealed, _CONTEXT).decode()
    except ConfigurationError:
        raise SourceError(
            f"The plan {str(path)!r} was made with another master key, or was changed.",
            advice=f"Make it anew with this installation: `{head.remade}`.",
        ) from None
    if digest != _digest(stage, head):
        raise SourceError(
            f"The plan {str(path)!r} was changed after it was made. Nothing was sent.",
            advice="Find out who changed it, and make a new plan.",
        )
    return head


def _refuse_other_version(head: PlanHead, path: Path) -> None:
    if head.version != VERSION:
        raise SourceError(
            f"The plan {str(path)!r} was made by another version of tieout.",
            advice=f"Make it anew: `{head.remade}`.",
        )


def refuse_other(head: PlanHead, name: str, settings: PushSettings, scope: Scope) -> None:
    """Raise ConfigurationError where the plan is not one of this push, as the project says it now."""
    differs = [
        (head.push != name, f"it is a plan of push {head.push}"),
        (head.mapping_sha256 != mapping_hash(settings), f"[push.{name}] was changed since"),
        ((head.company, head.environment) != (scope.company, scope.environment), f"it is for {head.company}"),
        (head.entity != scope.entity, f"it is for entity {head.entity or '(top level)'}"),
    ]
    for is_so, why in differs:
        if is_so:
            raise ConfigurationError(
                f"This plan cannot be applied: {why}. Nothing was sent.",
                advice=f"Make a new one: `{msgspec.structs.replace(head, push=name).remade}`.",
            )


def refuse_changed(head: PlanHead, sha256: str) -> None:
    """Raise SourceError where the source says something else by now."""
    if head.source_sha256 != sha256:
        raise SourceError(
            f"{head.source} was changed since it was planned, so the plan is void. Nothing was sent.",
            advice="Look at what changed, then make a new plan.",
        )


def refuse_alone(head: PlanHead, applied_by: str, name: str) -> None:
    """Raise ConfigurationError where the project wants two people and there is one."""
    if is_alone(head, applied_by):
        who = head.planned_by or "nobody named"
        raise ConfigurationError(
            f"[push.{name}] wants another person to apply a plan than the one who made it, and {who} made it.",
            advice=f"Let somebody else run `tieout push {name} --apply FILE`, with --by and their name.",
        )


def is_alone(head: PlanHead, by: str) -> bool:
    """Whether nobody can say that this is another person than the one who made the plan."""
    one, other = _plain_name(by), _plain_name(head.planned_by)
    return not one or not other or one == other


def _plain_name(name: str) -> str:
    """Without what a keyboard adds: a name with a space at its end is nobody else."""
    return " ".join(name.casefold().split())


def _digest(stage: Stage, head: PlanHead) -> str:
    digest = hashlib.sha256(msgspec.json.encode(head, order="deterministic"))
    for row in stage.raw():
        digest.update(msgspec.json.encode(row))
    return digest.hexdigest()


def _not_a_plan(path: Path, name: str) -> SourceError:
    return SourceError(f"{str(path)!r} is no plan of tieout.", advice=f"Make one: `tieout push {name} --plan FILE`.")
