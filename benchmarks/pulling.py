"""One pull of all bills, as `tieout pull bills` runs it, without the command line around it. For the benchmarks."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from tieout import Intacct
from tieout.project import Project
from tieout.pull import PullReport
from tieout.pull.run import pull
from tieout.pull.sources import Source

CREDENTIALS = {"client_id": "demo-client", "client_secret": "demo-secret", "user": "admin", "company": "demo"}


def pulled(base_url: str, folder: Path, destination: str, concurrency: int | None = None) -> PullReport:
    """A pull into a destination below the folder."""
    with Intacct(base_url=base_url, concurrency=concurrency, **CREDENTIALS) as client:
        source = Source(client, "demo")
        (report,) = pull(Project(folder), objects=["accounts-payable/bill"], destination=destination, source=source)
    return report


def several(base_url: str, folder: Path, destination: str, tables: int, *, abreast: bool) -> int:
    """Pulls of all bills into so many tables: in one run, or in a run each. -> rows"""
    sections = [
        f"[pull.t{n}]\nobject = 'accounts-payable/bill'\ntable = 'bill_{n}'\ndestination = '{destination}'\n"
        for n in range(tables)
    ]
    project = Project(folder, folder / "tieout.toml", "".join(sections))
    names = [f"t{n}" for n in range(tables)]
    with Intacct(base_url=base_url, concurrency=6, **CREDENTIALS) as client:
        runs = [names] if abreast else [[name] for name in names]
        reports = [report for run in runs for report in pull(project, run, source=Source(client, "demo"))]
    if not all(report.ties and report.new == report.rows_read for report in reports):
        raise SystemExit(f"the product did not do the work: {reports}")
    return sum(report.new for report in reports)


def product(base_url: str, folder: Path, destination: str) -> int:
    """The same into an empty destination. -> rows."""
    report = pulled(base_url, folder, destination)
    if not report.ties or report.new != report.rows_read:
        raise SystemExit(f"the product did not do the work: {report}")
    return report.new


def peak() -> float:
    """The most memory this program held so far, in MB."""
    try:
        # ru_maxrss of a process begins, on Linux, with that of the one that started it.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        unit = 1024 * 1024 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
