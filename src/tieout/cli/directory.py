"""Which commands exist, where they live and what `tieout --help` says of them. It imports none of them, so that help
stays instant.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One command: its name, the module and function behind it, and its line in the help."""

    name: str
    module: str
    function: str
    summary: str


SECTIONS: dict[str, tuple[Entry, ...]] = {
    "Start here": (
        Entry(
            "demo",
            "tieout.cli.local",
            "demo",
            "Show the whole job against a local Sage Intacct",
        ),
        Entry("simulate", "tieout.cli.local", "simulate", "Run a local Sage Intacct"),
        Entry("init", "tieout.cli.init", "init", "Make a project: tieout.toml with commented examples"),
        Entry("app", "tieout.cli.app", "apps", "List the applications of Sage's developer console"),
        Entry("app new", "tieout.cli.registering", "new", "Walk through the registration of one"),
        Entry("app show", "tieout.cli.app", "show", "Show one"),
        Entry("app secret", "tieout.cli.app", "secret", "Give one its new client secret"),
        Entry("app remove", "tieout.cli.app", "remove", "Forget one"),
        Entry("connect", "tieout.cli.connect", "connect", "Connect to an Intacct company, or to a simulator"),
        Entry("doctor", "tieout.cli.doctor", "doctor", "Examine a connection: what is wrong, and whose move it is"),
        Entry("checklist", "tieout.cli.checklist", "checklist", "Make the page for a customer's Sage administrator"),
    ),
    "Read": (
        Entry("query", "tieout.cli.query", "query", "Query an object: fields, filter, order; as table, CSV or JSON"),
        Entry("get", "tieout.cli.get", "get", "Show whole records by key or id, with their lines"),
        Entry("model", "tieout.cli.model", "model", "Show an object's fields, or list and search the objects"),
        Entry("drift", "tieout.cli.drift", "drift", "Show what changed in the definition of objects"),
    ),
    "Move": (
        Entry("pull", "tieout.cli.pull", "pull", "Copy objects into your database, then tie out"),
        Entry("push", "tieout.cli.push", "push", "Post your records to Intacct, then tie out"),
        Entry("failed", "tieout.cli.failed", "failed", "Show what was not posted: the reason, and whose move it is"),
        Entry("retry", "tieout.cli.retry", "retry", "Send the records that failed again, corrected or not"),
        Entry("verify", "tieout.cli.verify", "verify", "Prove that both sides agree: counts and exact sums"),
        Entry("compact", "tieout.cli.compact", "compact", "Rewrite tables of a Parquet folder, each row once"),
        Entry("changes", "tieout.cli.changes", "changes", "Show what changed in closed periods since a sign-off"),
        Entry("log", "tieout.cli.log", "log", "Search the requests that were made and what Intacct answered"),
    ),
    "Who may do what": (
        Entry("connections", "tieout.cli.connections", "connections", "List the connections, and what is wrong"),
        Entry("connections entities", "tieout.cli.connections", "entities", "List the entities of a company"),
        Entry("connections add", "tieout.cli.connections", "add", "Connect another entity over the same sign-in"),
        Entry("connections plan", "tieout.cli.planning", "plan", "Plan who connects which location"),
        Entry("connections revoke", "tieout.cli.revoke", "revoke", "Revoke a sign-in at Intacct"),
        Entry("connections offboard", "tieout.cli.offboard", "offboard", "Let an owner go: revoke, erase, receipt"),
        Entry("connections sweep", "tieout.cli.sweep", "sweep", "Renew every token that is due"),
        Entry("connections deliver", "tieout.cli.deliver", "deliver", "Tell the webhook what became of connections"),
        Entry("audit", "tieout.cli.audit", "audit", "Show, verify or export the audit log"),
        Entry("vault", "tieout.cli.vault", "status", "Show which key guards the secrets; make one, change keys"),
        Entry("vault status", "tieout.cli.vault", "status", "The same"),
        Entry("vault init", "tieout.cli.vault", "init", "Make a master key for this user"),
        Entry("vault rotate", "tieout.cli.vault", "rotate", "Change keys while everything goes on"),
    ),
    "About": (Entry("version", "tieout.cli.version", "version", "Show the version"),),
}

COMMANDS: dict[str, Entry] = {entry.name: entry for entries in SECTIONS.values() for entry in entries}

GLOBAL_OPTIONS: tuple[tuple[str, str], ...] = (
    ("--project PATH", "tieout.toml or its folder; else TIEOUT_PROJECT, else this folder"),
    ("--json", "Print the result, or the error, as JSON on standard output"),
    ("-q, --quiet", "No progress and no messages; errors and the result remain"),
    ("-h, --help", "Show this help, or that of a command"),
)


def find(name: str, rest: list[str]) -> tuple[Entry | None, list[str]]:
    """The command meant and its arguments: `app` followed by `new` is the command `app new`, if there is one."""
    if rest and (entry := COMMANDS.get(f"{name} {rest[0]}")):
        return entry, rest[1:]
    return COMMANDS.get(name), rest


def parts(name: str) -> list[Entry]:
    """The commands that are part of another one: `app new` of `app`."""
    return [entry for entry in COMMANDS.values() if entry.name.startswith(f"{name} ")]


def nearest(name: str) -> list[str]:
    """Commands that look like `name`, best first."""
    return difflib.get_close_matches(name, COMMANDS, n=2, cutoff=0.6)


def help_text() -> str:
    """What `tieout --help` prints."""
    lines = [
        "Usage: tieout COMMAND [OPTIONS]",
        "",
        "Connects systems to Sage Intacct, and proves that every record is accounted for.",
    ]
    for title, entries in SECTIONS.items():
        lines += ["", f"{title}:"]
        lines += [f"  {entry.name:<11} {entry.summary}" for entry in entries if " " not in entry.name]
    lines += ["", "Every command takes:"]
    lines += [f"  {option:<16} {text}" for option, text in GLOBAL_OPTIONS]
    lines += ["", "New here? Try `tieout demo`. Exit codes: docs/reference/exit-codes.md."]
    return "\n".join(lines) + "\n"
