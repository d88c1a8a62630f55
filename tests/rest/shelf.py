"""A query service of a few lines over rows that change between the pages: what a read has to get right, without ours.

Compares keys as numbers or as text, and where a test says so, otherwise in filters than in the order."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from tests.rest.conftest import json_reply
from tieout.rest.call import Reply, Request

Change = Callable[[dict[str, int]], object]

COMPARE: dict[str, Callable[[str], Any]] = {"numeric": int, "text": str}


class Shelf:
    """Rows {key: value}. After every page one of `changes` happens."""

    def __init__(
        self,
        rows: dict[str, int],
        *,
        order: str = "numeric",
        filter: str = "numeric",
        changes: list[Change] | None = None,
        most: int = 4000,
    ) -> None:
        self.rows = dict(rows)
        self.order, self.filter = COMPARE[order], COMPARE[filter]
        self.changes = list(changes or [])
        self.most = most
        self.stayed = set(rows)
        """Keys that were there all the time."""
        self.asked: list[dict[str, Any]] = []

    def __call__(self, request: Request) -> Reply:
        body = json.loads(request.body or b"")
        self.asked.append(body)
        found = [key for key in self.rows if self._holds(body, key)]
        for entry in reversed(body["orderBy"]):
            ((path, way),) = entry.items()
            found.sort(key=lambda key, path=path: self._sort(path, key), reverse=way == "desc")
        start, size = body["start"], min(body["size"], self.most)
        page = found[start - 1 : start - 1 + size]
        after = start + len(page) if start - 1 + len(page) < len(found) else None
        reply = json.dumps(
            {
                "ia::result": [{"key": key, "lineNumber": self.rows[key]} for key in page],
                "ia::meta": {"totalCount": len(found), "start": start, "pageSize": size, "next": after},
            }
        )
        if self.changes:
            self.changes.pop(0)(self.rows)
            self.stayed &= set(self.rows)
        return json_reply(200, reply)

    def _sort(self, path: str, key: str) -> Any:
        return self.order(key) if path == "key" else self.rows[key]

    def _holds(self, body: dict[str, Any], key: str) -> bool:
        filters = body.get("filters", [])
        text = body.get("filterExpression", "and")
        if text == "and":
            text = " and ".join(str(n) for n in range(1, len(filters) + 1)) or "True"
        truth = [self._one(entry, key) for entry in filters]
        return bool(eval(re.sub(r"\d+", lambda m: str(truth[int(m.group()) - 1]), text)))

    def _one(self, entry: dict[str, Any], key: str) -> bool:
        ((operator, operand),) = entry.items()
        ((path, value),) = operand.items()
        if operator == "$in":
            return key in value
        given, wanted = (self.filter(key), self.filter(value)) if path == "key" else (self.rows[key], int(value))
        return bool(
            {"$gt": given > wanted, "$lt": given < wanted, "$eq": given == wanted, "$gte": given >= wanted}[operator]
        )
