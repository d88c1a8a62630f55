"""The demo company's frame: entities, locations, users and the small lists (accounts, journals, terms, items, types).

The tables come from `seed_accounts`; people and companies are `seed_parties`.
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from tieout.simulator import seed_accounts as chart
from tieout.simulator import seed_words as words
from tieout.simulator.seed_group import ENTITIES, LOCATIONS, USERS, Group, Record, draw, moment, stamps

OPENED = date(2015, 1, 5)


def add_entities(group: Group) -> None:
    """Entities, the locations they are in the location list, and the users who may enter them."""
    opened = "2015-01-05T15:00:00Z"
    for identity, name, currency in ENTITIES:
        country, _ = words.COUNTRIES[identity]
        record: Record = {
            "id": identity,
            "name": name,
            "status": "active",
            "federalId": f"{identity[1:]}-5550100",
            "startDate": OPENED.isoformat(),
            "operatingCountry": country[0].lower() + country[1:].replace(" ", ""),
            "defaultCountryForAddresses": country[0].lower() + country[1:].replace(" ", ""),
            "firstFiscalMonth": "january",
            "firstTaxMonth": "january",
            "weekStart": "monday",
            "isRoot": False,
            "accountingType": "entity",
            "enableInterEntityRelationships": True,
            "isLimitedEntity": False,
        }
        ref = group.add("company-config/entity", record, stamps(opened))
        group.entities[identity] = {**ref, "name": name}
        group.bases[identity] = currency
        location: Record = {
            "id": identity,
            "name": name,
            "status": "active",
            "locationType": "entity",
            "baseCurrency": currency,
        }
        group.add("company-config/location", location, stamps(opened))
    for identity, places in LOCATIONS.items():
        parent = group.ref("company-config/location", identity)
        for location_id, name in places:
            record = {
                "id": location_id,
                "name": name,
                "status": "active",
                "locationType": "location",
                "baseCurrency": group.bases[identity],
                "parent": parent,
                "reportTitle": f"{name} office",
            }
            group.offices.setdefault(identity, []).append(group.add("company-config/location", record, stamps(opened)))
    _add_users(group, opened)


def _add_users(group: Group, opened: str) -> None:
    for identity, name, entity in USERS:
        allowed = [group.entities[entity]] if entity else []
        record: Record = {
            "id": identity,
            "userName": name,
            "accountEmail": f"{identity}@northlight.example",
            "userType": "business",
            "adminPrivileges": "off" if entity else "full",
            "status": "active",
            "webServices": {"isEnabled": True, "isRestricted": False},
            "entityAccess": {"allowUnrestrictedAccess": entity is None, "allowTopLevelAccess": entity is None},
            "entities": [{"key": ref["key"], "id": ref["id"]} for ref in allowed],
        }
        group.add("company-config/user", record, stamps(opened))


def add_lists(group: Group) -> None:
    """Departments, classes, accounts, journals, terms, items and types."""
    random = draw("lists")
    born = stamps("2015-01-06T15:00:00Z")
    for identity, name, parent in chart.DEPARTMENTS:
        record: Record = {"id": identity, "name": name, "status": "active", "reportTitle": name}
        if parent:
            record["parent"] = group.ref("company-config/department", parent)
        group.add("company-config/department", record, born)
    for identity, name in chart.CLASSES:
        group.add("company-config/class", {"id": identity, "name": name, "status": "active", "description": ""}, born)
    _add_accounts(group, random)
    for identity, name, adjustment in chart.JOURNALS:
        record = {
            "id": identity,
            "name": name,
            "status": "active",
            "isAdjustment": adjustment,
            "bookType": "accrual",
            "bookId": "Accrual",
            "disallowDirectPosting": identity in ("APJ", "ARJ"),
            "isBillable": False,
        }
        group.add("general-ledger/journal", record, born)
    _add_terms(group, born)
    _add_items_and_types(group, born)


def _add_items_and_types(group: Group, born: Record) -> None:
    for identity, name, price in chart.SERVICES:
        record: Record = {
            "id": identity,
            "name": name,
            "status": "active",
            "itemType": "nonInventory",
            "costMethod": "standard",
            "soDescription": name,
            "notes": "",
            "sales": {"isTaxable": False, "basePrice": f"{price / 100:.2f}"},
        }
        group.add("inventory-control/item", record, born)
    for name, kinds in (
        ("accounts-receivable/customer-type", ("Enterprise", "Mid-market", "Public sector", "Nonprofit")),
        ("accounts-payable/vendor-type", ("Supplier", "Subcontractor", "Landlord", "Government")),
        ("projects/project-type", ("Implementation", "Advisory", "Internal")),
        ("company-config/employee-type", ("Full time", "Part time")),
    ):
        for kind in kinds:
            group.add(name, {"id": kind, "status": "active"}, born)
    for kind in ("Regular", "Overtime", "Leave"):
        group.add(
            "time/time-type", {"id": kind, "status": "active", "glAccount": group.ref("general-ledger/account", "5000")}
        )


def _add_accounts(group: Group, random: Random) -> None:
    name = "general-ledger/account"
    retained: Record = {}
    tables = ((chart.BALANCE_SHEET, "balanceSheet"), (chart.INCOME_STATEMENT, "incomeStatement"))
    for table, kind in tables:
        for number, title, side in table:
            closing = "closingAccount" if kind == "incomeStatement" else "nonClosingAccount"
            record: Record = {
                "id": number,
                "name": title,
                "accountType": kind,
                "normalBalance": side,
                "closingType": "closedToAccount" if number == chart.RETAINED_EARNINGS else closing,
                "alternativeGLAccount": {"1200": "receivablesAccount", "2000": "payablesAccount"}.get(number, "none"),
                "status": "inactive" if number in chart.INACTIVE_ACCOUNTS else "active",
                "category": None,
                "disallowDirectPosting": number in ("1200", "2000"),
                "isTaxable": False,
                "requireDimensions": {"department": kind == "incomeStatement" and number >= "6000", "location": True},
            }
            if closing == "closingAccount":
                record["closeToGLAccount"] = retained
            changed = min(date(2016, 1, 4) + timedelta(days=random.randrange(3000)), group.yesterday)
            ref = group.add(name, record, stamps("2015-01-06T15:10:00Z", moment(random, changed)))
            if number == chart.RETAINED_EARNINGS:
                retained = ref


def _add_terms(group: Group, born: Record) -> None:
    for name, point, total in (
        ("accounts-receivable/term", "fromInvoiceDate", "invoiceTotal"),
        ("accounts-payable/term", "fromBillDate", "billTotal"),
    ):
        payable = name.startswith("accounts-payable")
        for identity, days, early, percent in chart.TERMS:
            amount: object = percent
            if payable and percent is not None:
                amount = f"{percent}.00"
            record: Record = {
                "id": identity,
                "description": f"{identity}, {percent}% if paid in {early} days" if percent else identity,
                "status": "active",
                "due": {"days": days, "from": point},
                "discount": {
                    "days": early,
                    "amount": amount,
                    "from": point if percent else None,
                    "unit": "percentage" if percent else None,
                    "calculateOn": total,
                },
                "penalty": {"cycle": "noPenalty"},
            }
            group.terms.setdefault(name, []).append((group.add(name, record, born), days))
