"""What a push does with its records beside creating them: update, upsert, delete, workflow actions; and which record
of Intacct each document means.

Decides before anything is sent, and asks Intacct in bulk. Knows stage and desks, no ledger line and no request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from tieout.errors import CheckError, ConfigurationError, Problem
from tieout.push.checks.check import Target, lacks
from tieout.push.dispatch import finding
from tieout.push.documents import ENCODER
from tieout.push.stage import CREATE, Order, Stage, Staged
from tieout.rest import operations
from tieout.rest.batch import MAX_BODY

if TYPE_CHECKING:
    from tieout.push.opening import Desks
    from tieout.push.settings import PushSettings

decode = msgspec.json.Decoder(dict[str, Any], float_hook=str).decode
"""A staged body, amounts as they are written."""
decode_exactly = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
"""The same to be written again: `10.50` stays `10.50`."""


def check_mapping(settings: PushSettings, name: str, target: Target) -> None:
    """Raise CheckError where no field says which record is meant."""
    if settings.operation == "create" or settings.verbatim:
        return
    mapped = settings.columns()
    if "key" in mapped or all(path in mapped for path in target.identify):
        return
    needs = " and ".join(target.identify)
    reason = f"nothing maps to {needs} or key, by which {settings.operation} finds its records"
    raise CheckError(f"[push.{name}]", [Problem(path=f"[push.{name}.fields]", reason=reason)])


def resolve(desks: Desks, stage: Stage, settings: PushSettings, target: Target) -> None:
    """Find the record of each document that is to be sent, and say what is done with it. One that means none, or
    several, or one that another document means too, is held.

    One query for up to 200 records without a key; nothing where a `key` is mapped, and for a create."""
    if settings.operation == "create":
        return
    resolving = _Resolving(settings, target)
    for chunk in stage.chunks("send"):
        fresh = stage.orders(chunk)
        waiting = [document for document in chunk if document.seq not in fresh]
        for entity in dict.fromkeys(document.entity for document in waiting):
            here = [document for document in waiting if document.entity == entity]
            stage.order(resolving.orders(desks.at(entity).client, here))
        held = [document for document in waiting if document.problems]
        for document in held:
            document.fate = "held"
        stage.update(held)


class _Resolving:
    def __init__(self, settings: PushSettings, target: Target) -> None:
        self._operation = settings.operation
        self._target = target
        self._create = Target(target.model, target.model_of) if settings.operation == "upsert" else None
        self._meant: dict[tuple[str, str], int] = {}
        """(entity, key) -> the first row that means it."""

    def orders(self, client: Any, documents: Sequence[Staged]) -> dict[int, Order]:
        bodies = {document.seq: decode(document.body) for document in documents}
        wanted: dict[int, tuple[str, ...]] = {}
        orders: dict[int, Order] = {}
        for document in documents:
            body = bodies[document.seq]
            key = finding.value_at(body, "key")
            if key:
                self._mean(document, key, body, orders)
                continue
            values = finding.values_of(body, self._target.identify)
            if values:
                wanted[document.seq] = values
            else:
                names = " and ".join(self._target.identify)
                _hold(document, names, f"is blank, and so is key: nothing says which record is meant to {self._verb}")
        found = finding.find(client, self._target.model.name, self._target.identify, set(wanted.values()))
        for document in documents:
            if document.seq in wanted:
                keys = [str(row["key"]) for row in found[wanted[document.seq]]]
                self._found(document, wanted[document.seq], keys, bodies[document.seq], orders)
        return orders

    @property
    def _verb(self) -> str:
        return {"upsert": "change"}.get(self._operation, self._operation)

    def _found(
        self,
        document: Staged,
        values: tuple[str, ...],
        keys: Sequence[str],
        body: Mapping[str, Any],
        orders: dict[int, Order],
    ) -> None:
        names, text = " and ".join(self._target.identify), " and ".join(map(repr, values))
        if len(keys) > 1:
            _hold(document, names, f"{text} is that of {len(keys)} records: keys {', '.join(keys[:3])}")
        elif keys:
            self._mean(document, keys[0], body, orders)
        elif self._create is None:
            _hold(document, names, f"{text} is that of no {self._target.model.name} in Intacct")
        else:
            for lack in lacks(self._create, body):
                _hold(document, lack.path, f"is missing: there is no such record yet, and {lack.reason}")
            self._once(document, ("", "\0".join(values)), text)
            orders[document.seq] = CREATE

    def _mean(self, document: Staged, key: str, body: Mapping[str, Any], orders: dict[int, Order]) -> None:
        if reason := operations.key_problem(key):
            _hold(document, "key", reason)
            return
        done = "update" if self._operation == "upsert" else self._operation
        if done == "update" and not set(body) - {"key", *(path.partition(".")[0] for path in self._target.identify)}:
            _hold(document, "key", "says which record is meant, but nothing is to be changed in it")
        self._once(document, (document.entity, key), f"key {key}")
        orders[document.seq] = Order(done, 0, key)

    def _once(self, document: Staged, which: tuple[str, str], text: str) -> None:
        first = self._meant.setdefault(which, document.seq)
        if first != document.seq:
            _hold(document, " and ".join(self._target.identify), f"{text} is meant by row {first} too")


def _hold(document: Staged, path: str, reason: str) -> None:
    row = document.rows[0]
    document.problems.append(Problem(path=f"row {row}, {path}", reason=reason, row=row))


def body_for(order: Order, body: bytes, target: Target) -> bytes:
    """What goes out for a document: a record that is new as it stands; a change under its key, without what only says
    which record is meant."""
    if order.body:
        return order.body
    if order.done == "create":
        return body
    if order.done == "delete":
        return b""
    record = decode_exactly(body)
    for path in ("key", *target.identify):
        drop(record, path.split("."))
    for path in target.create_only(record):
        drop(record, path.split("."))
    return ENCODER.encode({"key": order.key, **record})


def drop(record: dict[str, Any], path: Sequence[str]) -> None:
    """Take the value at a path out of a body, and what it leaves empty."""
    name, *rest = path
    if not rest:
        record.pop(name, None)
    elif isinstance(below := record.get(name), dict):
        drop(below, rest)
        if not below:
            del record[name]


def refuse_what_does_not_fit(stage: Stage, settings: PushSettings) -> list[str]:
    """With `atomic`, the documents of an entity are one request: raise ConfigurationError where they do not fit one.
    Where one of them is held or was refused, none is sent -> why, for each such entity."""
    if not settings.atomic:
        return []
    sizes: dict[str, list[int]] = {}
    for chunk in stage.chunks("send"):
        for document in chunk:
            found = sizes.setdefault(document.entity, [0, 0])
            found[0] += 1
            found[1] += len(document.body) + 1
    for count, size in sizes.values():
        if count > settings.batch_size or size > MAX_BODY:
            raise ConfigurationError(
                f"{count:,} records of {size:,} bytes do not fit one request, and with atomic = true they cannot be "
                f"cut: one holds {settings.batch_size} records and {MAX_BODY:,} bytes.",
                advice="Split the source, or leave atomic out. Nothing was sent.",
            )
    reasons = []
    for entity, fate, count, _ in stage.counts():
        if entity in sizes and fate in ("held", "failed", "changed", "unknown"):
            where = f" of entity {entity}" if entity else ""
            are = "is" if count == 1 else "are"
            reasons.append(f"atomic = true: no record{where} was sent, because {count} {are} {fate}.")
            stage.keep_back(entity)
    return reasons
