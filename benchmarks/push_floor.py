"""Records a second of `tieout push` beside a hand-written loop that does the same work, on this machine, in this run:
customers of a CSV file, 500 a request, a durable ledger on SQLite and on PostgreSQL, a responder in another process.

Same work: every value checked, the request's bytes sealed in the ledger and committed before they are sent, every key
and id committed after. The product also asks for the model, stages what it read, looks for repeated ids and writes a
report; at the end it reads every record back and ties out. Two figures: until the last record was posted, and until
all of it was tied out.
Nothing here is asserted: figures, not tests.

    python benchmarks/push_floor.py [--records 100000] [--rounds 3] [--state sqlite postgresql]
    python benchmarks/push_floor.py --standing 10000  # rows of the ledger are written while sending, but the last
    python benchmarks/push_floor.py --memory          # also the memory of a push of 1,000,000 records
    python benchmarks/push_floor.py --latency 1.0     # also 6 requests at a time beside one, each answer that late
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import httpx2
import msgspec
import psycopg

from floors import push as floor
from floors import responder
from floors.customers import COLUMNS, OBJECT, write
from tieout.connections import open_connections
from tieout.project import Project, load
from tieout.push import push
from tieout.push.dispatch import sending

GOAL = 0.5
"""Of the floor's records a second."""
MEMORY_GOAL = 300
"""MB at 1,000,000 records."""
IN_FLIGHT = 6
IN_FLIGHT_GOAL = 5.5
LATE_BATCHES = 30
"""Requests of the run with late answers: as many waits one at a time, five rounds of them beside each other. With few,
the first round, whose requests begin one after the other, weighs more than it does in a push worth waiting for."""
ONE_MILLION = 1_000_000
WARM_UP = 2_000


class Took(NamedTuple):
    """Seconds of one push, from its call."""

    checked: float
    """Until the first request."""
    posted: float
    """Until the ledger held the key of the last record."""
    whole: float
    """Until everything was read back and tied out."""
    cpu: float
    """Of this process, for the whole."""


class Bench(NamedTuple):
    """Where the records come from and go to."""

    origin: str
    file: Path
    records: int


@contextmanager
def connected(bench: Bench, state: str) -> Iterator[Project]:
    """A project of its own with an empty ledger, connected to the responder."""
    with (
        floor.database() if state == "postgresql" else nullcontext("sqlite:///tieout.db") as url,
        tempfile.TemporaryDirectory() as folder,
    ):
        fields = "".join(f'"{path}" = "{column}"\n' for column, path in COLUMNS.items())
        (Path(folder) / "tieout.toml").write_text(
            f'[state]\nurl = "{url}"\n[push.customers]\nobject = "{OBJECT}"\nsource = "{bench.file}"\n'
            f'id = "Customer"\n[push.customers.fields]\n{fields}'
        )
        project = load(Path(folder))
        connections = open_connections(project)
        connections.add_simulator("demo", bench.origin)
        connections.store.close()
        yield project


def pushed(project: Project, records: int, concurrency: int | None = None) -> Took:
    """One push, which has to post every record and to tie out."""
    moments: list[float] = []
    began, cpu = time.perf_counter(), time.process_time()

    def note(done: int, total: int) -> None:
        """Told once before the first request, then after each."""
        moments.append(time.perf_counter() - began)

    report = push(project, "customers", concurrency=concurrency, progress=note)
    whole, cpu = time.perf_counter() - began, time.process_time() - cpu
    lines = report.tie_out
    if report.posted != records or not lines or not all(line.ties for line in lines):
        raise SystemExit(f"the product did not do the work: {report}")
    return Took(moments[0], moments[-1], whole, cpu)


def product(bench: Bench, state: str, concurrency: int | None = None) -> Took:
    with connected(bench, state) as project:
        return pushed(project, bench.records, concurrency)


def requests(bench: Bench) -> int:
    """How many batches the responder took since it was last asked."""
    return int(httpx2.get(bench.origin + responder.COUNT, trust_env=False).raise_for_status().json())


@contextmanager
def bench(records: int, latency: float = 0.0) -> Iterator[Bench]:
    """A file of so many customers and a responder that takes them."""
    with tempfile.TemporaryDirectory() as folder, responder.start(records, latency) as origin:
        file = Path(folder) / "customers.csv"
        write(file, records)
        yield Bench(origin, file, records)


def compare(asked: argparse.Namespace) -> None:
    """Floor and product in turn, on each state database."""
    print(f"{asked.records:,} customers of {len(COLUMNS)} columns, {floor.BATCH} a request; records a second\n")
    print(
        f"{'':<18}{'floor':>9}{'posted':>9}{'ratio':>7}{'tied out':>10}{'ratio':>7}"
        f"{'floor CPU us':>14}{'tieout CPU us':>15}{'check/send/prove s':>22}"
    )
    with bench(WARM_UP) as small, bench(asked.records) as full:
        for state in asked.state:
            floor.RUNS[state](small.origin, small.file, WARM_UP)  # imports and the file cache, outside the figures
            product(small, state)
            requests(full)
            rounds = []
            for number in range(1, asked.rounds + 1):
                bare = floor.RUNS[state](full.origin, full.file, full.records)
                beside = requests(full)
                took = product(full, state)
                sent = requests(full)
                if sent != beside:
                    print(f"{'':<18}the floor sent {beside:,} requests, the product {sent:,}")
                rounds.append((*bare, *took))
                show(f"{state} {number}", full.records, *rounds[-1])
            medians = (statistics.median(column) for column in zip(*rounds, strict=True))
            show(f"{state} median", full.records, *medians)
            print(f"{'':<18}goal {GOAL}; {sent:,} requests, {-(-full.records // floor.BATCH):,} are needed")


def show(
    name: str, records: int, bare: float, bare_cpu: float, checked: float, posted: float, whole: float, cpu: float
) -> None:
    parts = f"{checked:.1f} / {posted - checked:.1f} / {whole - posted:.1f}"
    print(
        f"{name:<18}{records / bare:>9,.0f}{records / posted:>9,.0f}{bare / posted:>7.2f}"
        f"{records / whole:>10,.0f}{bare / whole:>7.2f}"
        f"{bare_cpu / records * 1e6:>14,.1f}{cpu / records * 1e6:>15,.1f}{parts:>22}",
        flush=True,
    )


def memory(records: int, state: str) -> None:
    """The most that a push of so many records held, in a process of its own."""
    with bench(records) as made, connected(made, state) as project:
        command = [sys.executable, __file__, "--child", str(project.root), "--records", str(records)]
        told = msgspec.json.decode(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    print(
        f"{records:,} records, {state}: {told['before']:,.0f} MB before, {told['peak']:,.0f} MB at most, "
        f"{records / told['posted']:,.0f} posted and {records / told['whole']:,.0f} tied out a second "
        f"(goal {MEMORY_GOAL} MB)",
        flush=True,
    )


def child(folder: Path, records: int) -> None:
    """Push the project's records and print what it took."""
    before = peak()
    took = pushed(load(folder), records)
    print(msgspec.json.encode({"before": before, "peak": peak()} | took._asdict()).decode())


def peak() -> float:
    """The most memory this program held so far, in MB."""
    try:
        # ru_maxrss of a process begins, on Linux, with that of the one that started it.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        unit = 1024 * 1024 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def late(latency: float, state: str) -> None:
    """The same records with one request at a time and with several, where every answer is late."""
    with bench(LATE_BATCHES * floor.BATCH, latency) as made:
        one, several = (product(made, state, concurrency) for concurrency in (1, IN_FLIGHT))
    print(f"{made.records:,} records, {latency:g} s until each answer, {state}; seconds\n")
    print(f"{'':<32}{'1 at a time':>12}{f'{IN_FLIGHT} at a time':>13}{'ratio':>8}")
    for name, slow, fast in (
        ("sending", one.posted - one.checked, several.posted - several.checked),
        ("from the call to the last key", one.posted, several.posted),
        ("tied out", one.whole, several.whole),
    ):
        print(f"{name:<32}{slow:>12.1f}{fast:>13.1f}{slow / fast:>8.2f}", flush=True)
    print(f"{'':<32}goal {IN_FLIGHT_GOAL} for the sending")


def states(wanted: Sequence[str]) -> list[str]:
    """Those that are there: PostgreSQL where a server answers."""
    if "postgresql" in wanted:
        try:
            psycopg.connect(floor.POSTGRES, connect_timeout=3).close()
        except psycopg.OperationalError:
            print(f"no PostgreSQL answers at {floor.POSTGRES.rpartition('@')[2]} (set TIEOUT_TEST_POSTGRES)\n")
            return [state for state in wanted if state != "postgresql"]
    return list(wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--standing", type=int, default=sending.MOST_STANDING)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3, help="0 leaves the comparison with the floor out")
    parser.add_argument("--state", nargs="+", choices=[*floor.RUNS], default=[*floor.RUNS])
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    sending.MOST_STANDING = asked.standing
    for name in [name for name in os.environ if name.startswith("TIEOUT_")]:
        del os.environ[name]  # settings of the person who measures reach no project here
    if asked.child:
        child(asked.child, asked.records)
        return
    asked.state = states(asked.state)
    if asked.rounds:
        compare(asked)
        print()
    for records in (asked.records, ONE_MILLION) if asked.memory else (asked.records,):
        memory(records, asked.state[0])
    if asked.latency:
        late(asked.latency, asked.state[0])


if __name__ == "__main__":
    main()
