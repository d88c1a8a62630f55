"""The demo company's journal entries: two years of them, every one with debits equal to credits.

The recurring entries are `seed_accounts`' table; bills and invoices are `seed_documents`.
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from tieout.simulator import seed_accounts as chart
from tieout.simulator.seed_group import Group, Record, creator, document_days, draw, moment, money, skewed, stamps

ENTRIES_A_MONTH = 25


def add_journal_entries(group: Group) -> None:
    """About twenty-five entries a month, two to six lines each."""
    random = draw("journal entries")
    sequences: dict[str, int] = {}
    name = "general-ledger/journal-entry"
    for day in document_days(group, random, ENTRIES_A_MONTH):
        journal, title, shares = random.choice(chart.RECURRING_ENTRIES)
        entity = random.choices(("E110", "E120", "E130"), (5, 3, 2))[0]
        owned = group.owner(entity) if random.random() < 0.2 else None
        sequences[journal] = sequences.get(journal, 0) + 1
        fresh = (group.today - day).days < 30
        state = "draft" if fresh and random.random() < 0.15 else "posted"
        made = moment(random, day)
        changed = moment(random, min(day + timedelta(days=random.randrange(6)), group.yesterday))
        entry: Record = {
            "txnNumber": sequences[journal],
            "glJournal": group.ref("general-ledger/journal", journal),
            "postingDate": day.isoformat(),
            "description": f"{title} – {day:%B %Y}",
            "referenceNumber": random.choice((None, "", f"{journal}-{sequences[journal]:04}")),
            "moduleName": "2.GL",
            "state": state,
            "txnSource": None,
            "baseLocation": group.ref("company-config/location", entity),
        }
        if owned is not None:
            entry["entity"] = owned
        line_audit = stamps(made, user=creator(owned), twins=False)
        lines = _lines(group, random, entity, day, (title, shares))
        for line in lines:
            line |= {"state": state, "journalEntry": _ref(group.next_key(name)), "audit": line_audit}
        entry["lines"] = lines
        group.add(name, entry, stamps(made, changed, user=creator(owned), twins=False))


def _ref(key: str) -> Record:
    return {"key": key, "id": key}


def _lines(
    group: Group, random: Random, entity: str, day: date, kind: tuple[str, tuple[tuple[str, str, int], ...]]
) -> list[Record]:
    title, shares = kind
    unit, base = skewed(random, 2, 900), group.bases[entity]
    location = random.choice(group.offices[entity])
    lines: list[Record] = []
    for position, (account, side, share) in enumerate(shares, start=1):
        line: Record = {
            "lineNumber": position,
            "glAccount": group.ref("general-ledger/account", account),
            "txnType": side,
            "txnAmount": money(unit * share),
            "baseAmount": money(unit * share),
            "entryDate": day.isoformat(),
            "accountingPeriod": day.month,
            "description": random.choice((None, "", title)),
            "documentId": None,
            "isBillable": False,
            "isBilled": False,
            "currency": {
                "baseCurrency": base,
                "txnCurrency": base,
                "exchangeRateDate": day.isoformat(),
                "exchangeRateTypeId": None,
                "exchangeRate": 1,
            },
            "dimensions": {
                "location": location,
                "department": group.ref("company-config/department", random.choice(chart.DEPARTMENTS)[0]),
            },
        }
        group.number(line, "general-ledger/journal-entry-line")
        lines.append(line)
    return lines
