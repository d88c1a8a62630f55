"""The demo company's people and companies: employees, customers and vendors, each with a contact.

Names come from `seed_words`; what is bought from or sold to them is `seed_documents`.
"""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from tieout.simulator import seed_accounts as chart
from tieout.simulator import seed_words as words
from tieout.simulator.seed_group import Group, Party, Person, Record, draw, moment, stamps

CUSTOMERS, VENDORS, EMPLOYEES = 200, 120, 40
LEAVERS = (11, 23, 35)
DAYS_OF_TENURE = 2400
BENCHES = ("300", "310", "320", "320", "330", "310", "300", "210")
"""Departments of the employees, in turn; the first eight people manage the others."""


def _contact(
    group: Group, random: Random, identity: str, entity: str, company: str | None, person: tuple[str, str]
) -> Record:
    first, last = person
    city, state, code = random.choice(words.CITIES[entity])
    country, iso = words.COUNTRIES[entity]
    plain = f"{first}.{last}".encode("ascii", "ignore").decode().replace(" ", "").replace("'", "").lower()
    record: Record = {
        "id": identity,
        "printAs": company or f"{first} {last}",
        "companyName": company,
        "firstName": first,
        "lastName": last,
        "email1": f"{plain}@{'client' if company else 'northlight'}.example",
        "email2": "",
        "phone1": f"+{1 if iso != 'gb' else 44} 555 01{random.randrange(100):02} {random.randrange(1000):03}",
        "status": "active",
        "showInContactList": True,
        "mailingAddress": {
            "addressLine1": f"{random.randrange(1, 900)} {random.choice(words.STREETS)}",
            "addressLine2": f"Floor {random.randrange(2, 30)}" if random.random() < 0.3 else None,
            "city": city,
            "state": state,
            "postCode": code,
            "country": country,
            "isoCountryCode": iso,
        },
        "tax": {"isTaxable": True},
    }
    return group.add("company-config/contact", record)


def _person(random: Random) -> tuple[str, str]:
    return random.choice(words.FIRST_NAMES), random.choice(words.LAST_NAMES)


def add_employees(group: Group) -> None:
    """Forty people with their contacts; three have left. Personal fields are invented and cannot be real ones."""
    random = draw("employees")
    surnames = list(words.LAST_NAMES)
    random.shuffle(surnames)
    for position in range(EMPLOYEES):
        first, last = words.FIRST_NAMES[position], surnames[position]
        name = f"{first} {last}"
        entity = ("E110", "E110", "E120", "E110", "E130")[position % 5]
        hired = group.today - timedelta(days=400 + random.randrange(DAYS_OF_TENURE))
        left = group.today - timedelta(days=90 + 5 * position) if position in LEAVERS else None
        location = random.choice(group.offices[entity])
        department = group.ref("company-config/department", BENCHES[position % len(BENCHES)])
        contact = _contact(group, random, name, entity, None, (first, last))
        record = _personal(random, hired, left, us=entity == "E110") | {
            "id": f"EMP-{position + 1:03}",
            "name": name,
            "defaultCurrency": group.bases[entity],
            "location": location,
            "department": department,
            "employeeType": group.ref(
                "company-config/employee-type", "Part time" if position % 9 == 8 else "Full time"
            ),
            "primaryContact": contact,
        }
        if position >= len(BENCHES):
            record["manager"] = group.people[position % len(BENCHES)].ref
        changed = moment(random, left or hired + timedelta(days=random.randrange(100)))
        ref = group.add("company-config/employee", record, stamps(moment(random, hired - timedelta(days=7)), changed))
        group.people.append(Person(record, ref, contact, name, entity, location, department, hired, left))


def _personal(random: Random, hired: date, left: date | None, us: bool) -> Record:
    born = date(1962 + random.randrange(38), 1 + random.randrange(12), 1 + random.randrange(28))
    return {
        "jobTitle": random.choice(words.JOB_TITLES),
        "startDate": hired.isoformat(),
        "endDate": left.isoformat() if left else None,
        "status": "inactive" if left else "active",
        "terminationType": "voluntary" if left else None,
        "gender": None,
        "birthDate": born.isoformat(),
        "SSN": f"000{random.randrange(1000000):06}" if us else None,
        "isPlaceholderResource": False,
        "filePaymentService": "none",
        "preferredPaymentMethod": random.choice(("ach", "eft", None)),
        "postActualCostWithVariance": False,
        "mergePaymentRequests": True,
        "sendAutomaticPaymentNotification": False,
    }


def _names(
    random: Random, awkward: tuple[str, ...], count: int, trades: tuple[str, ...], entities: list[str]
) -> list[str]:
    pairs = [(stem, trade) for stem in words.STEMS for trade in trades]
    random.shuffle(pairs)
    names = []
    for position in range(count):
        if position % 12 == 7 and position // 12 < len(awkward):
            names.append(awkward[position // 12])
        else:
            stem, trade = pairs[position]
            form = random.choice(words.LEGAL_FORMS[entities[position]])
            names.append(f"{stem} {trade}" if trade in words.MUTUALS else f"{stem} {trade} {form}")
    return names


def _entities(random: Random, count: int) -> list[str]:
    return random.choices(("E110", "E120", "E130"), (5, 3, 2), k=count)


def _add_party(group: Group, random: Random, name: str, record: Record, entity: str, terms: str) -> Party:
    """Give a customer or vendor its contact, term, owner and stamps, and put it on its shelf."""
    contact = _contact(group, random, f"{record['name']}({record['id']})", entity, str(record["name"]), _person(random))
    term = random.choice(group.terms[terms])
    created = group.start - timedelta(days=random.randrange(1, 1500))
    private = int(group.next_key(name)) % 11 == 5
    record["term"] = term[0]
    if private:
        record["entity"] = group.owner(entity)
    changed = moment(random, min(created + timedelta(days=random.randrange(1500)), group.yesterday))
    ref = group.add(name, record, stamps(moment(random, created), changed))
    return Party(record, ref, contact, entity, str(record["currency"]), private, term)


def _status(position: int, inactive_every: int, dormant: int) -> str:
    if position % inactive_every == inactive_every - 1:
        return "inactive"
    return "activeNonPosting" if position == dormant else "active"


def add_customers(group: Group) -> None:
    """Two hundred customers: five inactive, some entity-owned (private), some with a parent."""
    random = draw("customers")
    entities = _entities(random, CUSTOMERS)
    types = tuple(group.refs["accounts-receivable/customer-type"].values())
    for position, name in enumerate(_names(random, words.AWKWARD_CUSTOMERS, CUSTOMERS, words.TRADES, entities)):
        entity = entities[position]
        health, score = random.choices((("healthy", 85), ("atRisk", 55), ("escalated", 25)), (8, 2, 1))[0]
        notes = random.choice((None, "", "Key account", "Send PO first"))
        record: Record = {
            "id": f"C-{1001 + position}",
            "name": name,
            "status": _status(position, 40, 60),
            "currency": "EUR" if random.random() < 0.04 else group.bases[entity],
            "creditLimit": random.choice((None, 10000, 25000, 50000, 100000.5)),
            "customerRestriction": "unrestricted",
            "deliveryOptions": random.choice(("print", "email", "both")),
            "overridePriceList": "customer",
            "advanceBillByType": random.choice(("", "", "days", "months")),
            "emailOptIn": random.random() < 0.6,
            "isOnHold": random.random() < 0.03,
            "isOneTimeUse": False,
            "taxId": random.choice(("", None, f"{random.randrange(10, 99)}-{random.randrange(10**6, 10**7)}")),
            "notes": words.LONG_NOTE if position % 17 == 3 else notes,
            "customerAccountHealth": {
                "churnRisk": health == "escalated",
                "healthScore": score + random.randrange(15),
                "healthStatus": health,
            },
            "customerType": random.choice(types),
            "salesRepresentative": random.choice(group.people).ref,
        }
        if position % 25 == 20 and not group.customers[position - 5].private:
            record["parent"] = group.customers[position - 5].ref
        party = _add_party(group, random, "accounts-receivable/customer", record, entity, "accounts-receivable/term")
        record["contacts"] = dict.fromkeys(("default", "primary", "billTo", "shipTo"), party.contact)
        group.customers.append(party)


def add_vendors(group: Group) -> None:
    """A hundred and twenty vendors: four inactive, some entity-owned, a few paid in another currency."""
    random = draw("vendors")
    entities = _entities(random, VENDORS)
    types = tuple(group.refs["accounts-payable/vendor-type"].values())
    for position, name in enumerate(_names(random, words.AWKWARD_VENDORS, VENDORS, words.SUPPLIES, entities)):
        entity = entities[position]
        notes = random.choice((None, "", "W-9 on file", "Pay by wire only"))
        record: Record = {
            "id": f"V-{2001 + position}",
            "name": name,
            "status": _status(position, 30, 50),
            "state": "a",
            "currency": random.choice(("EUR", "USD", "GBP")) if random.random() < 0.06 else group.bases[entity],
            "notes": words.LONG_NOTE if position == 42 else notes,
            "vendorType": random.choice(types),
            "defaultExpenseGLAccount": group.ref("general-ledger/account", random.choice(chart.EXPENSES)),
        }
        record |= _payment_habits(random) | _reporting(random, name, us=entity == "E110")
        party = _add_party(group, random, "accounts-payable/vendor", record, entity, "accounts-payable/term")
        record["contacts"] = dict.fromkeys(("default", "primary", "payTo", "returnTo"), party.contact)
        group.vendors.append(party)


def _payment_habits(random: Random) -> Record:
    return {
        "creditLimit": random.choice((None, 5000, 20000, 75000.25)),
        "vendorAccountNumber": random.choice((None, "", f"NL-{random.randrange(10000, 99999)}")),
        "vendorRestriction": "unrestricted",
        "billingType": random.choice(("openItem", "openItem", "balanceForward", None)),
        "paymentPriority": random.choice(("normal", "normal", "high", "low", None)),
        "preferredPaymentMethod": random.choice(("ACH", "EFT", "printedCheck", None)),
        "filePaymentService": "none",
        "isOnHold": random.random() < 0.02,
        "isOneTimeUse": False,
        "isIndividualPerson": False,
        "doNotPay": False,
        "alwaysCreateBill": False,
        "mergePaymentRequests": True,
        "sendPaymentNotification": random.random() < 0.5,
        "defaultLeadTime": random.choice((None, 0, 3, 10)),
        "discountPercent": random.choice((None, 0, 2.5)),
        "ach": {"enablePayments": False, "accountType": None, "remittanceType": None},
    }


def _reporting(random: Random, name: str, us: bool) -> Record:
    reported = us and random.random() < 0.2
    return {
        "taxId": f"00-{random.randrange(10**6, 10**7)}" if reported else None,
        "form1099": {
            "is1099Eligible": reported,
            "type": "NEC" if reported else None,
            "box": "1" if reported else None,
            "nameOn1099": name if reported else None,
        },
    }
