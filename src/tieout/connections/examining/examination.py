"""The order of the steps, and which of them is the ground of which: one whose ground failed is skipped and says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from tieout.connections.examining import company, local, network
from tieout.connections.examining.case import Case
from tieout.connections.examining.findings import Finding, refused
from tieout.errors import TieoutError


class Step(msgspec.Struct, frozen=True):
    """One step. `needs` are the steps without which it means nothing."""

    name: str
    run: Callable[[Case], Iterator[Finding]]
    needs: tuple[str, ...] = ()


STEPS = (
    Step("project", local.project),
    Step("state", local.state, ("project",)),
    Step("connection", local.connection, ("state",)),
    Step("key", local.key, ("connection",)),
    Step("application", local.application, ("connection",)),
    Step("sign-in", local.sign_in, ("connection",)),
    Step("dns", network.dns, ("connection",)),
    Step("tcp", network.tcp, ("dns",)),
    Step("tls", network.tls, ("tcp",)),
    Step("server", network.server, ("tls",)),
    Step("token", company.token, ("key", "application", "sign-in", "server")),
    Step("company", company.company, ("token",)),
    Step("level", company.level, ("token",)),
    Step("entity", company.entity, ("company",)),
    Step("read", company.objects, ("entity",)),
    Step("limits", company.limits, ("company",)),
)
TITLES = {
    "project": "Project",
    "state": "State database",
    "connection": "Connection",
    "key": "Master key",
    "application": "Application",
    "sign-in": "Sign-in",
    "dns": "Name of the host",
    "tcp": "Port",
    "tls": "Certificate",
    "server": "Server and clock",
    "token": "Token",
    "company": "Company",
    "level": "Level",
    "entity": "Entity",
    "read": "Objects",
    "create": "Objects",
    "limits": "Limits",
}


def examine(case: Case) -> Iterator[Finding]:
    """Every step in its order, each with one finding or more. Never raises for a fault that it looks for."""
    passed: set[str] = set()
    with case.closing():
        for step in STEPS:
            missing = next((need for need in step.needs if need not in passed), None)
            if missing is not None:
                yield Finding(step=step.name, status="skipped", said=f"needs {TITLES[missing]}")
                continue
            failed = False
            try:
                for finding in step.run(case):
                    failed = failed or finding.status == "failed"
                    yield finding
            except TieoutError as error:
                failed = True
                yield refused(step.name, error)
            if not failed:
                passed.add(step.name)
