"""Carries workflow actions out: moves states, posts, reverses, reclassifies (REST reference 4.8).

Knows records and their lines. Which action is allowed from where is `actions`; requests are `workflows`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from tieout.catalogue.model import Model
from tieout.simulator import refusal, rules
from tieout.simulator.actions import ACTIONS, STATED, Action
from tieout.simulator.behaviour import Settings
from tieout.simulator.identity import Who
from tieout.simulator.payments import KINDS
from tieout.simulator.refusal import Refusal
from tieout.simulator.tables import RESERVED, Table
from tieout.simulator.values import Stored, parse_decimal
from tieout.simulator.writing import Writer

_COMES_ANEW = ("key", "id", "href")
_SIGNED = ("mount", "totalEntered", "txnTotalEntered", "txnTotalDue", "totalDue", "AmountDue", "AmountPaid")


class Mover:
    """Carries out one company's workflow actions. The caller holds the lock and the transaction."""

    def __init__(self, writer: Writer, settings: Settings) -> None:
        self._writer = writer
        self._rows = writer.rows
        self._tables = writer.rows.tables
        self._settings = settings

    def act(self, object: str, word: str, body: Mapping[str, Any], who: Who) -> dict[str, Any]:
        """`key`, `id`, `href` and `state` after the action. KeyError for one that Sage does not document; Refusal 400,
        404 or 422."""
        action = ACTIONS.get((object, word))
        if action is None:
            return self._stated(object, STATED[object, word], body, who)
        self._check_body(action, body)
        table, key = self._record(object, body, who)
        before = self._rows.values(table, key, ("state",)).get("state")
        if action.before and before not in action.before:
            raise Refusal.wrong_state("POST", table.object, str(key), str(before), _verb(word))
        if action.act == "reverse":
            return self._reverse(table, key, action, body, who)
        if action.act == "reclassify":
            return self._reclassify(table, key, action, body, who)
        if action.act == "release":
            self._rows.update(table, key, {"releaseToPay": True} | self._writer.stamps(table, who, created=False))
            return {**self._writer.reference(table, key), "releaseToPay": True}
        if action.act == "pdf":
            resource = f"objects/{object}&field=/downloadURL"
            url = f"/services/core/content/download?key={key!s}&resource={resource}"
            return {**self._writer.reference(table, key), "downloadURL": url}
        after = self._after(table, key, word, action)
        self._move(table, key, before, after, action, who)
        answer = action.answer or after
        return {**self._writer.reference(table, key), "state": answer if after == action.after else after}

    @staticmethod
    def _check_body(action: Action, body: Mapping[str, Any]) -> None:
        problems = [
            refusal.not_a_valid_field(f"/{name}") for name in body if name != "key" and name not in action.takes
        ]
        if action.date:
            given = body.get(action.date)
            if given is None and action.dated:
                problems.append(refusal.required_field(f"/{action.date}"))
            elif given is not None and not _is_day(given):
                problems.append(refusal.not_a_valid_value(f"/{action.date}", "a date YYYY-MM-DD"))
        if problems:
            raise Refusal.payload_errors(problems)

    def _record(self, object: str, body: Mapping[str, Any], who: Who) -> tuple[Table, Stored]:
        key = body.get("key")
        if not isinstance(key, str | int) or isinstance(key, bool) or key == "":
            raise Refusal.payload_errors([refusal.required_field("/key")])
        return self._writer.resolver.owning(object, str(key), who)

    def _stated(self, object: str, state: str, body: Mapping[str, Any], who: Who) -> dict[str, Any]:
        """An action of which only the answer is documented: the record takes that state where it has the word."""
        table, key = self._record(object, body, who)
        field = table.model.fields.get("state")
        if state and field is not None and (field.enum is None or state in field.enum):
            self._rows.update(table, key, {"state": state} | self._writer.stamps(table, who, created=False))
        return {**self._writer.reference(table, key), **({"state": state} if state else {})}

    # ---- moving -----------------------------------------------------------------------------------------------

    def _after(self, table: Table, key: Stored, word: str, action: Action) -> str:
        if table.object == rules.BILL and word == "submit" and self._settings.on("bill_approval"):
            return "submitted"
        if table.object == rules.AP_PAYMENT and word == "submit":
            method = str(self._rows.value(table, "paymentMethod", key) or "")
            printed = "check" in method.lower() or "cheque" in method.lower()
            return "submitted" if printed or self._settings.on("payment_approval") else "confirmed"
        return action.after

    def _move(self, table: Table, key: Stored, before: object, after: str, action: Action, who: Who) -> None:
        with self._writer.settler.owing(table, key):
            if action.posts:
                self._writer.settler.check_vendor(table, key)
            self._rows.update(table, key, {"state": after} | self._writer.stamps(table, who, created=False))
            self._writer.settler.follow(table, key, after)
            if action.posts:
                self._writer.settler.settle(table, key, "POST")
            if table.object in KINDS:
                self._writer.payments.effect(table, key, str(before), after, "POST")

    # ---- reversing --------------------------------------------------------------------------------------------

    def _reverse(self, table: Table, key: Stored, action: Action, body: Mapping[str, Any], who: Who) -> dict[str, Any]:
        paths = ("state", "postingDate", "createdDate", "invoiceDate", "paymentInformation.totalTxnAmountPaid")
        values = self._rows.values(table, key, paths)
        day = body.get(action.date)
        posted = next((values[path] for path in paths[1:4] if values.get(path) is not None), None)
        if day is not None and posted is not None and str(day) < str(posted):
            words = f"The {action.date} must be later than the posting date {posted}"
            raise Refusal.broken_rule("POST", table.object, words, target=f"/{action.date}", code="invalidDate")
        if day is not None:
            closed = self._writer.books
            closed.check_open("POST", table.object, f"/{action.date}", day, self._own_entity(table, key))
        with self._writer.settler.owing(table, key):
            if table.object in KINDS:
                self._writer.payments.effect(table, key, str(values["state"]), action.after, "POST")
            copy = self._turned(table, key, day, who)
            changes: dict[str, Any] = {"state": action.after} if "state" in table.columns else {}
            changes |= dict.fromkeys(_dues(table), "0.00") | self._writer.stamps(table, who, created=False)
            self._rows.update(table, key, changes)
            self._writer.settler.follow(table, key, action.after)
        word = action.answer or action.after
        chosen = self._settings.word("reversal_answer")
        new = chosen == "reversal" or (chosen == "documented" and word == "reversal")
        return {**self._writer.reference(table, copy if new and copy is not None else key), "state": word}

    def _own_entity(self, table: Table, key: Stored) -> set[str]:
        own = self._writer.books.entity_id(self._rows.values(table, key, ("entity.key",)).get("entity.key"))
        return {own} if own is not None else set()

    def _turned(self, table: Table, key: Stored, day: object, who: Who) -> Stored:
        """The reversal: the record again with its amounts turned round. None where the state has no word for it."""
        field = table.model.fields.get("state")
        if field is None or (field.enum is not None and "reversal" not in field.enum):
            return None
        given = {"state": "reversal"}
        for path in ("postingDate", "createdDate", "invoiceDate", "paidDate"):
            if path in table.columns and day is not None:
                given[path] = str(day)
        copy = self._copy(table, key, given, who, dict.fromkeys(_dues(table), "0.00"))
        for name, (child, ref) in table.lines.items():
            lines = self._tables.get(child)
            for line in self._rows.lines(table, name, key, ("key", f"{ref}.key")):
                stored = lines.columns["key"].encode(line["key"])
                self._copy(lines, stored, {f"{ref}.key": str(copy)}, who, {})
        return copy

    def _copy(self, table: Table, key: Stored, given: Mapping[str, Any], who: Who, zeroed: Mapping[str, Any]) -> Stored:
        values = self._rows.values(table, key, [path for path in table.columns if path not in _COMES_ANEW])
        values |= {path: _negated(value) for path, value in values.items() if _is_amount(path)}
        new = self._tables.next_key(table)
        own = {"key": str(new)} | ({"id": str(new)} if "id" in table.columns else {})
        values |= {**zeroed, **given, **own, **self._writer.stamps(table, who, created=True)}
        values |= self._writer.page(table, new)
        self._rows.insert(table, {path: value for path, value in values.items() if value is not None})
        return new

    # ---- reclassifying ----------------------------------------------------------------------------------------

    def _reclassify(
        self, table: Table, key: Stored, action: Action, body: Mapping[str, Any], who: Who
    ) -> dict[str, Any]:
        """New numbers, words, accounts and dimensions on a posted document; its amounts stay."""
        before = self._rows.values(table, key, _FIXED)
        changes = {name: value for name, value in body.items() if name not in ("key", "id")}
        self._writer.rewrite(table, key, changes, who)
        if self._rows.values(table, key, _FIXED) != before:
            words = "Reclassifying does not change amounts"
            raise Refusal.broken_rule("POST", table.object, words, target="/lines", code="invalidAmount")
        return {**self._writer.reference(table, key), "state": action.answer}


_FIXED = ("totalTxnAmount", "totalBaseAmount", "txnCurrency.totalEntered", "baseCurrency.totalAmountEntered")


def _verb(word: str) -> str:
    """`submit` -> `submitted`, for a sentence."""
    irregular = {"submit": "submitted", "print": "printed", "reclassify": "reclassified"}
    return irregular.get(word, word + ("d" if word.endswith("e") else "ed"))


def _is_day(value: object) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _is_amount(path: str) -> bool:
    name = path.rpartition(".")[2]
    return (not path.startswith(RESERVED) and name.endswith(_SIGNED)) or name.startswith("total")


def _negated(value: Any) -> Any:
    number = parse_decimal(value) if isinstance(value, str) else None
    return value if number is None else f"{-number if number else number:f}"


def _dues(table: Table) -> list[str]:
    """Columns with what is still due: nothing, of what is reversed."""
    names = ("totalTxnAmountDue", "totalBaseAmountDue", "txnTotalDue", "totalDue")
    own = (path for path in table.columns if path.rpartition(".")[2] in names)
    return [path for path in own if "." not in path or path.partition(".")[0] in table.model.groups]


def documented(object: str, word: str, model: Model | None) -> bool:
    """Whether there is such an action."""
    return model is not None and ((object, word) in ACTIONS or (object, word) in STATED)
