"""From documents to requests: which way a document goes, which ones go together, their exact bytes and their key.

Knows bodies and positions, no ledger and no wire; `sending` sends what is made here.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, TypeVar, overload

import msgspec

from tieout.push.stage import CREATE
from tieout.rest import operations
from tieout.rest.attachments import ATTACHMENT, FOLDER
from tieout.rest.batch import MAX_BATCH, MAX_BODY, MAX_PATH
from tieout.store.ledger import Batch, Entry, Scope
from tieout.store.ledger_facts import Packed, now_text
from tieout.store.ledger_packed import unpack

if TYPE_CHECKING:
    from tieout.push.opening import Opened
    from tieout.push.settings import PushSettings
    from tieout.push.stage import Order, Staged
    from tieout.push.stage_lots import StagedLot

T = TypeVar("T")


class Way(msgspec.Struct, frozen=True):
    """What a request does with its records, and in which lines of the ledger that is written."""

    operation: str
    """The ledger's: of the whole push, or `update` and `append` for what is done to a posted record later."""
    step: int
    method: str
    path: str
    """Without keys, which a DELETE has in its path."""


@lru_cache(maxsize=1_000)
def way(operation: str, step: int, done: str, object: str) -> Way:
    """The way of an operation: `done` is create, update, append, delete, or the name of a workflow action.

    One object for the same arguments, so that requests can be told apart by identity."""
    path = operations.object_path(object)
    match done:
        case "create":
            return Way(operation, step, "POST", path)
        case "update" | "append":
            return Way(operation, step, "PATCH", path)
        case "delete":
            return Way(operation, step, "DELETE", path)
    return Way(operation, step, "POST", operations.workflow_path(object.partition("::")[0], done))


def ways(settings: PushSettings, object: str, actions: Sequence[str] = ()) -> list[Way]:
    """All ways that the documents of a push may go. Where rows say which actions follow, `actions` are those."""
    done = ["create", "update"] if settings.operation == "upsert" else [settings.operation]
    if "update" not in done and (settings.changes == "update" or settings.on_late_rows == "append"):
        done.append("update")
    found = [way(settings.operation, 0, each, object) for each in done]
    for step in settings.steps if settings.last_column is None else (*({"attach"} & {*settings.steps}), *actions):
        if step == "attach":
            found += [way(settings.operation, 0, "create", FOLDER), way(settings.operation, 0, "create", ATTACHMENT)]
        found.append(way(settings.operation, 0, "update" if step == "attach" else step, object))
    return found


class Outgoing(msgspec.Struct, gc=False):
    """A document on its way."""

    seq: int
    """Its place on the stage; -1 for what is not of this source."""
    record: Entry
    """What the ledger writes of it before it goes out; `attempt` is how often Intacct refused it before."""
    body: bytes
    way: Way
    key: str = ""
    """Of the record that it changes; "" where Intacct gives one."""

    @classmethod
    def of(cls, staged: Staged, operation: str, object: str, order: Order = CREATE) -> Outgoing:
        """`operation` is the push's own."""
        rows, totals = staged.texts()
        record = Entry(staged.source_id, staged.payload_hash, rows, totals, staged.entries, staged.attempt)
        line = order.done if order.step else operation
        return cls(staged.seq, record, staged.body, way(line, order.step, order.done, object), order.key)


class Bundle(Sequence[Outgoing]):
    """Documents of one way that go out in one request, in the order sent."""

    def __init__(self, outgoing: Sequence[Outgoing] = ()) -> None:
        self._outgoing = outgoing

    def __len__(self) -> int:
        return len(self._outgoing)

    @overload
    def __getitem__(self, at: int) -> Outgoing: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Outgoing]: ...
    def __getitem__(self, at: int | slice) -> Outgoing | Sequence[Outgoing]:
        return self._outgoing[at]

    @property
    def way(self) -> Way:
        return self._outgoing[0].way

    @property
    def seqs(self) -> Sequence[int]:
        """Their places on the stage."""
        return [each.seq for each in self._outgoing]

    @property
    def sources(self) -> Sequence[str]:
        """Their ids."""
        return [each.record.source_id for each in self._outgoing]

    @property
    def records(self) -> Sequence[Entry] | Packed:
        """What the ledger writes of them before they go out."""
        return [each.record for each in self._outgoing]

    @property
    def epoch(self) -> int:
        return max(each.record.attempt for each in self._outgoing)

    @property
    def keys(self) -> Sequence[str]:
        """Those that they have already, "" where Intacct gives one."""
        return [each.key for each in self._outgoing]

    def body(self) -> bytes:
        """Of the request."""
        return b"[" + b",".join(each.body for each in self._outgoing) + b"]"


class Whole(Bundle):
    """A lot of the stage. Its documents are told apart only where somebody asks for one."""

    def __init__(self, lot: StagedLot, going: Way) -> None:
        super().__init__()
        self._lot, self._way = lot, going

    def __len__(self) -> int:
        return len(self._lot.seqs)

    @overload
    def __getitem__(self, at: int) -> Outgoing: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Outgoing]: ...
    def __getitem__(self, at: int | slice) -> Outgoing | Sequence[Outgoing]:
        if not self._outgoing:
            entries = unpack(self._lot.records.data)
            found = zip(self._lot.seqs, entries, self._lot.bodies(), strict=True)
            self._outgoing = [Outgoing(seq, entry, body, self._way) for seq, entry, body in found]
        return self._outgoing[at]

    @property
    def way(self) -> Way:
        return self._way

    @property
    def seqs(self) -> Sequence[int]:
        return self._lot.seqs

    @property
    def sources(self) -> Sequence[str]:
        return self._lot.records.ids

    @property
    def records(self) -> Packed:
        return self._lot.records

    @property
    def epoch(self) -> int:
        return 0

    @property
    def keys(self) -> Sequence[str]:
        return ()

    def body(self) -> bytes:
        return self._lot.body


class _Waiting(msgspec.Struct):
    desk: Opened
    way: Way
    outgoing: list[Outgoing] = []
    size: int = 2
    keys: set[str] = set()

    def empty(self) -> list[Outgoing]:
        """What was waiting, as one request."""
        ready, self.outgoing, self.size, self.keys = self.outgoing, [], 2, set()
        return ready


def batches(
    documents: Iterable[tuple[Opened, Outgoing]], *, most: int = MAX_BATCH, largest: int = MAX_BODY
) -> Iterator[tuple[Opened, Bundle]]:
    """Documents in requests of one entity and one way each, of at most `most` records and `largest` bytes, in the order
    given. No record is changed twice in one request.

    A single record over the limit makes a request of its own: Intacct decides."""
    waiting: dict[tuple[int, int], _Waiting] = {}
    group: _Waiting | None = None
    for desk, outgoing in documents:
        going = outgoing.way
        if group is None or group.desk is not desk or group.way is not going:
            group = waiting.setdefault((id(desk), id(going)), _Waiting(desk, going))
        if going.method == "DELETE":
            size, room = len(outgoing.key) + 1, MAX_PATH - len(going.path)
        else:
            size, room = len(outgoing.body) + 1, largest
        if group.outgoing and (group.size + size > room or outgoing.key in group.keys):
            yield desk, Bundle(group.empty())
        group.outgoing.append(outgoing)
        group.size += size
        if outgoing.key:
            group.keys.add(outgoing.key)
        if len(group.outgoing) >= most:  # at once: what comes next may depend on what becomes of these
            yield desk, Bundle(group.empty())
    for group in waiting.values():
        if group.outgoing:
            yield group.desk, Bundle(group.outgoing)


def make_batch(scope: Scope, object: str, outgoing: Bundle, *, atomic: bool = False) -> Batch:
    """The request for some documents of one way: its exact bytes and its idempotency key, which a DELETE has not.

    `object` is the push's, whatever the path leads to."""
    going, epoch = outgoing.way, outgoing.epoch
    if going.method == "DELETE":
        path = operations.object_path(_object_in(going.path), outgoing.keys)
        body, key = b"", ""
    else:
        path, body = going.path, outgoing.body()
        key = idempotency_key(scope, going, epoch, outgoing.sources, body)
    return Batch(
        id=str(uuid.uuid4()),
        object=object,
        method=going.method,
        path=path,
        body=body,
        idempotency_key=key,
        epoch=epoch,
        count=len(outgoing),
        created_at=now_text(),
        operation=going.operation,
        step=going.step,
        atomic=atomic,
        # What an action answers may be another record: the one that reverses (REST reference 4.8).
        keys=tuple(key or None for key in outgoing.keys) if going.method != "POST" else (),
    )


def idempotency_key(scope: Scope, going: Way, epoch: int, sources: Sequence[str], body: bytes) -> str:
    """64 hex digits over whose request it is, which records it carries, and every byte of it.

    The source ids are in it because two different records may well have the same content: under one key Intacct
    would answer the second with the first one's result. The epoch is in it because Intacct also replays a failure,
    and the step because a record may be changed back and changed again."""
    facts = [scope.company, scope.environment, scope.entity, scope.push, going.method, going.path, epoch, list(sources)]
    if going.step:
        facts += [going.operation, going.step]
    return hashlib.sha256(msgspec.json.encode(facts) + b"\n" + body).hexdigest()


def halves(outgoing: Bundle) -> tuple[Bundle, Bundle]:
    """The same documents in two requests, under the next epoch: the first one's refusal is definite."""
    again = [
        msgspec.structs.replace(each, record=msgspec.structs.replace(each.record, attempt=each.record.attempt + 1))
        for each in outgoing
    ]
    half = len(again) // 2
    return Bundle(again[:half]), Bundle(again[half:])


def _object_in(path: str) -> str:
    from urllib.parse import unquote

    return unquote(path.removeprefix("/objects/"))


def object_of(batch: Batch) -> str:
    """The object whose records a request makes or changes; "" for a workflow action."""
    if not batch.path.startswith("/objects/"):
        return ""
    application, _, rest = batch.path.removeprefix("/objects/").partition("/")
    return _object_in(f"/objects/{application}/{rest.partition('/')[0]}")


def chunks(items: Iterable[T], size: int = MAX_BATCH) -> Iterator[list[T]]:
    """Items in pieces that one request takes (REST reference 4.3)."""
    coming = iter(items)
    while piece := list(islice(coming, size)):
        yield piece
