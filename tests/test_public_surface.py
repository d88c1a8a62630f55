"""What `import tieout` gives, and what it must not cost."""

from __future__ import annotations

import subprocess
import sys

import tieout

HEAVY = (
    "httpx2",
    "sqlalchemy",
    "duckdb",
    "pyarrow",
    "starlette",
    "uvicorn",
    "typer",
    "rich",
    "alembic",
    "cryptography",
)


def test_every_public_name_is_there_and_listed() -> None:
    assert [getattr(tieout, name) for name in tieout.__all__]
    assert dir(tieout) == sorted(tieout.__all__)


def test_the_rooms_of_pull_and_push_are_reached_by_importing_tieout_alone() -> None:
    program = "import sys, tieout; print('tieout.pull' in sys.modules, tieout.pull.pull, tieout.push.push)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False <function pull")


def test_importing_loads_no_http_client_database_or_web_framework() -> None:
    program = (
        "import sys, tieout; before = [m for m in sys.modules if m.startswith('tieout.')];"
        "from tieout import Intacct, F;"
        f"print(before, [m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"


def test_the_blocking_client_loads_no_event_loop_and_no_list_of_names() -> None:
    slow = ("asyncio", "ssl", "importlib.resources", "email.utils", "tieout.catalogue.object_names")
    program = f"import sys; from tieout import Intacct; print([m for m in {slow!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
