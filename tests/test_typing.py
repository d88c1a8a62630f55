"""What a user's type checker sees: a program written in the usual ways is clean under mypy --strict."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import tieout
from tieout import AsyncIntacct, BatchResult, F, Filter, Intacct, Record, Row, TieoutError, simulated, simulated_async
from tieout.errors import CheckError, IntacctError, NotFoundError, Problem
from tieout.rest import CountingMeter, ProcessMemory, RefreshToken


def where(customers: list[str]) -> Filter:
    return (F("state") == "posted") & (F("totalTxnAmountDue") > 1000) | F("customer.id").in_(customers)


def read(intacct: Intacct, custom: str) -> Decimal:
    due = Decimal(0)
    rows: Iterable[Row] = intacct.query("invoices", ["id", "totalTxnAmountDue"], where(["C1"]), order_by=["-dueDate"])
    for row in rows:
        due += row["totalTxnAmountDue"]
        due += row.totalTxnAmountDue
        values: dict[str, Any] = row.as_dict()
        print(values, row.misfits)
    for page in intacct.query(custom, page_size=100, limit=10, private=True).pages():
        print(page.total, len(page.rows))
    total: int = intacct.count("accounts-receivable/invoice", "state = 'posted'")
    sums: dict[str, Decimal | None] = intacct.totals("bills", ["totalTxnAmount"])
    record: Record = intacct.get("platform-apps/nsp::thing", "7")
    print(total, sums, record.key, record["vendor.id"])
    for found in intacct.get_many("vendors", ["1", "2"]):
        if isinstance(found, IntacctError):
            print(found.status, found.error_id)
        else:
            print(found.key)
    return due


def write(intacct: Intacct, bodies: list[dict[str, object]]) -> list[str]:
    made = intacct.create("vendors", {"id": "V1", "name": "n", "creditLimit": Decimal("1.00")}, check=False)
    intacct.update("vendors", made.key, {"status": "inactive", "notes": None})
    intacct.delete("vendors", made.key)
    result: BatchResult = intacct.create_many("vendors", bodies)
    keys = [outcome.key for outcome in result if outcome.state == "posted" and outcome.key is not None]
    for record, outcome in result.failed:
        print(record["id"], outcome.error)
    return keys


def model(intacct: Intacct) -> Mapping[str, object]:
    found = intacct.model("vendors", max_age=60.0)
    return {path: field.enum for path, field in found.paths().items() if not field.read_only}


def errors(intacct: Intacct) -> list[Problem]:
    try:
        intacct.create("vendors", {"nmae": "n"})
    except CheckError as error:
        return list(error.problems)
    except NotFoundError:
        raise
    except TieoutError as error:
        print(error.advice, error.whose, error.exit_code)
    return []


async def awaited(intacct: AsyncIntacct) -> None:
    async with intacct:
        async for row in intacct.query("bills", ["id", "vendor.name"], F("state") == "posted"):
            print(row["vendor.name"])
        count: int = await intacct.count("bills")
        made = await intacct.create("vendors", {"id": "V1", "name": "n"})
        result = await intacct.create_many("vendors", [{"id": str(count), "name": made.key}])
        result.raise_if_any()
        async for page in intacct.with_entity("E110").query("bills").pages():
            print(page.rows)


def main() -> None:
    meter = CountingMeter()
    tokens = RefreshToken(client_id="c", client_secret="s", refresh_token="r")
    with Intacct(tokens=tokens, entity="E110", meter=meter, memory=ProcessMemory(age=60)) as intacct:
        read(intacct, "order-entry/document::Sales Invoice")
    with simulated("empty") as local:
        write(local.with_entity(None), [{"id": "1", "name": "n"}])
        errors(local)
        model(local)
    asyncio.run(awaited(simulated_async()))
    print(tieout.__version__)


if __name__ == "__main__":
    main()
"""

WRONG = """
from tieout import Intacct


def wrong(intacct: Intacct) -> None:
    intacct.query(7)
    intacct.create("vendors", "body")
    for row in intacct.query("vendors"):
        row.as_dict().nothing
    made: int = intacct.create("vendors", {})
"""


def check(tmp_path: Path, program: str) -> subprocess.CompletedProcess[str]:
    """mypy as a user runs it, against the installed package, with a cache of its own beside the project's."""
    pytest.importorskip("mypy", reason="the type checker is a development dependency")
    file = tmp_path / "program.py"
    file.write_text(program, encoding="utf-8")
    cache = Path(__file__).parents[1] / ".mypy_cache" / "users"
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(cache), str(file)]
    return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=240, check=False)


def test_a_users_program_is_clean_under_mypy_strict(tmp_path: Path) -> None:
    done = check(tmp_path, PROGRAM)
    assert done.returncode == 0, done.stdout + done.stderr


def test_mistakes_of_a_user_are_seen(tmp_path: Path) -> None:
    told = check(tmp_path, WRONG).stdout
    assert [line.partition(": error: ")[0][-2:].strip(":") for line in told.splitlines()[:-1]] == ["6", "7", "9", "10"]
