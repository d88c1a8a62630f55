"""The words the demo company is made of: people, companies, streets, phrases. It knows no object, key or date.

Some names are awkward on purpose (apostrophes, ampersands, quotes, `%` and `_`, non-Latin scripts), as real ones are.
"""

from __future__ import annotations

FIRST_NAMES = (
    "Amelia", "Noah", "Priya", "Liam", "Chloé", "Mateo", "Aisha", "Ethan", "Zoë", "Hiroshi",
    "Grace", "Oluwaseun", "Siobhán", "Lucas", "Nadia", "Björn", "Mei", "Daniel", "Françoise", "Tariq",
    "Hannah", "Samuel", "Ingrid", "Carlos", "Ruth", "Dmitri", "Leïla", "Owen", "Beatriz", "Kwame",
    "Isla", "Patrick", "Yuki", "Gareth", "Élodie", "Marcus", "Anjali", "Fergus", "Sofía", "Jack",
)  # fmt: skip

LAST_NAMES = (
    "Okafor", "O'Brien", "Nguyen", "Tremblay", "Patel", "García", "Schmidt", "D'Angelo", "Kowalski", "Tanaka",
    "MacLeod", "Adeyemi", "Ní Bhriain", "Bouchard", "Haddad", "Sørensen", "Chen", "Whitfield", "Lefèvre", "Rahman",
    "Goldberg", "Mensah", "Lindqvist", "Hernández", "Abbott", "Volkov", "Benali", "Pritchard", "Carvalho", "Boateng",
    "Fraser", "Gallagher", "Sato", "Llewellyn", "Moreau", "Johnson", "Iyer", "Campbell-Reid", "Muñoz", "Turner",
)  # fmt: skip

STEMS = (
    "Cedar Ridge", "Blue Harbor", "Ironwood", "Lakeshore", "Red Maple", "Summit", "Silver Birch", "Granite Peak",
    "Northgate", "Evergreen", "Copper Canyon", "Golden Prairie", "Bayview", "Stonebridge", "Clearwater", "Foxglove",
    "Highland", "Juniper", "Kingfisher", "Longmeadow", "Meridian", "Oakhurst", "Pinecrest", "Quarry Hill",
    "Riverbend", "Saltmarsh", "Thornbury", "Union Street", "Valleyfield", "Westbrook", "Yarrow", "Beacon",
)  # fmt: skip

TRADES = (
    "Health Systems", "Logistics", "Foods", "Credit Union", "Robotics", "Housing Trust", "Media", "Energy",
    "School District", "Biotech", "Furniture", "Insurance", "Hotels", "Publishing", "Airways", "Pharmacy",
)  # fmt: skip

MUTUALS = ("Credit Union", "Housing Trust", "School District")
"""Trades whose names carry no legal form."""

SUPPLIES = (
    "Office Supply", "Cloud Hosting", "Catering", "Staffing", "Legal", "Travel", "Telecom", "Printing",
    "Cleaning Services", "Training", "Security", "Utilities", "Realty", "Software", "Couriers", "Furniture Rental",
)  # fmt: skip

LEGAL_FORMS = {
    "E110": ("Inc.", "LLC", "Corp.", "& Co."),
    "E120": ("Ltd.", "Inc.", "Ltée"),
    "E130": ("Ltd", "plc", "LLP"),
}

AWKWARD_CUSTOMERS = (
    "L'Atelier Québécois inc.",
    "O'Hara & Sons Ltd",
    "Müller-Brandt GmbH (US Branch)",
    "Łódź Logistics sp. z o.o.",
    'The "Blue Door" Bakery',
    "50% More Media",
    "under_score Labs",
    "Smith, Jones & Partners",
    "株式会社さくら商事",
    "Ærø Shipping ApS",
    "Marks & Sparks & Daughters",
    "Société d'économie du Saguenay",
    "Dún Laoghaire Marine",
    "Hawaiʻi Reef Conservancy",
    "A.B.C. Holdings; Trustees",
    "back\\slash Software",
)

AWKWARD_VENDORS = (
    "McSweeney & O'Dowd LLP",
    "Café Münster",
    "Électricité du Nord",
    "100% Renewable Power",
    'Printers "R" Us',
    "Jürgen's Cloud_Hosting",
    "Ōtani Translation",
    "Brown, Brown & Browne",
)

STREETS = ("Main Street", "Park Avenue", "Harbour Road", "Mill Lane", "King Street", "Church Street", "Rue Saint-Paul")

CITIES = {
    "E110": (
        ("New York", "NY", "10017"),
        ("Austin", "TX", "78701"),
        ("Seattle", "WA", "98104"),
        ("Denver", "CO", "80202"),
    ),
    "E120": (("Toronto", "ON", "M5H 2N2"), ("Montréal", "QC", "H2Y 1C6"), ("Vancouver", "BC", "V6C 1A1")),
    "E130": (("London", "", "EC2V 7NQ"), ("Edinburgh", "", "EH2 4LH"), ("Cardiff", "", "CF10 1EP")),
}

COUNTRIES = {"E110": ("United States", "us"), "E120": ("Canada", "ca"), "E130": ("United Kingdom", "gb")}

JOB_TITLES = ("Consultant", "Senior Consultant", "Principal", "Analyst", "Project Manager", "Engineer", "Designer")

BILL_MEMOS = (
    "Monthly retainer",
    "As per contract, clause 4",
    "Travel & subsistence",
    "Licences – annual renewal",
    "Q&A workshop",
    "50% deposit",
    "Reimbursable: client project",
    "Freight",
)

INVOICE_MEMOS = (
    "Professional services",
    "Fixed fee milestone",
    "Advisory retainer",
    "Implementation – phase 2",
    "Expenses recharged at cost",
    "Training day",
)

TIME_NOTES = (
    "Workshop with the client's finance team",
    "Data migration & reconciliation",
    "Drafted the steering committee pack",
    "Fixed what UAT found",
    "Travel to site",
    "Réunion de démarrage",
    "Design review",
    "Wrote test cases",
)

LONG_NOTE = (
    "Agreed with the account manager: invoices go to the shared mailbox and a copy to the project sponsor; purchase "
    "order numbers must be quoted on every line, and disputed lines are settled separately so that the rest can be "
    "paid on time. Where work crosses a month end, time is split at midnight local time of the office that did the "
    "work. Rates are reviewed each January against the published index, with a floor of 0% and a cap of 4%.\n"
    "Second paragraph: the client's year ends in June; accruals are wanted by the third working day."
)
