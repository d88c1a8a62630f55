"""The demo company's chart of accounts, journals, terms and other small lists, as tables. It makes no records.

Words are Sage's (REST reference 9.4): `closingType`, `accountType`, journal `bookType`, the AP and AR term words.
"""

from __future__ import annotations

RETAINED_EARNINGS = "3900"

BALANCE_SHEET: tuple[tuple[str, str, str], ...] = (
    ("1000", "Cash - Operating USD", "debit"),
    ("1010", "Cash - Payroll USD", "debit"),
    ("1020", "Cash - Operating CAD", "debit"),
    ("1030", "Cash - Operating GBP", "debit"),
    ("1050", "Petty Cash", "debit"),
    ("1060", "Undeposited Funds", "debit"),
    ("1100", "Short-term Investments", "debit"),
    ("1200", "Accounts Receivable", "debit"),
    ("1210", "Unbilled Receivables", "debit"),
    ("1290", "Allowance for Doubtful Accounts", "credit"),
    ("1300", "Prepaid Expenses", "debit"),
    ("1310", "Prepaid Insurance", "debit"),
    ("1320", "Prepaid Software", "debit"),
    ("1400", "Employee Advances", "debit"),
    ("1410", "Inter-entity Receivable", "debit"),
    ("1420", "Recoverable GST/HST", "debit"),
    ("1430", "Recoverable VAT", "debit"),
    ("1500", "Computer Equipment", "debit"),
    ("1510", "Furniture & Fixtures", "debit"),
    ("1520", "Leasehold Improvements", "debit"),
    ("1590", "Accumulated Depreciation", "credit"),
    ("1600", "Right-of-use Assets", "debit"),
    ("1700", "Goodwill", "debit"),
    ("1800", "Security Deposits", "debit"),
    ("2000", "Accounts Payable", "credit"),
    ("2010", "Accrued Expenses", "credit"),
    ("2020", "Credit Cards Payable", "credit"),
    ("2100", "Accrued Payroll", "credit"),
    ("2110", "Payroll Taxes Payable", "credit"),
    ("2120", "Pension Contributions Payable", "credit"),
    ("2200", "Sales Tax Payable", "credit"),
    ("2210", "GST/HST Payable", "credit"),
    ("2220", "VAT Payable", "credit"),
    ("2300", "Deferred Revenue", "credit"),
    ("2310", "Customer Deposits", "credit"),
    ("2400", "Inter-entity Payable", "credit"),
    ("2500", "Current Lease Liability", "credit"),
    ("2600", "Long-term Debt", "credit"),
    ("2610", "Long-term Lease Liability", "credit"),
    ("3000", "Common Stock", "credit"),
    ("3100", "Additional Paid-in Capital", "credit"),
    ("3200", "Dividends", "debit"),
    (RETAINED_EARNINGS, "Retained Earnings", "credit"),
)

INCOME_STATEMENT: tuple[tuple[str, str, str], ...] = (
    ("4000", "Consulting Revenue", "credit"),
    ("4010", "Advisory Revenue", "credit"),
    ("4020", "Implementation Revenue", "credit"),
    ("4030", "Training Revenue", "credit"),
    ("4040", "Managed Services Revenue", "credit"),
    ("4100", "Reimbursable Expense Revenue", "credit"),
    ("4900", "Discounts & Credits", "debit"),
    ("5000", "Direct Labor", "debit"),
    ("5010", "Subcontractors", "debit"),
    ("5020", "Project Travel", "debit"),
    ("5030", "Project Software", "debit"),
    ("5040", "Reimbursable Expenses", "debit"),
    ("6000", "Salaries", "debit"),
    ("6010", "Bonuses", "debit"),
    ("6020", "Payroll Taxes", "debit"),
    ("6030", "Health Insurance", "debit"),
    ("6040", "Pension Expense", "debit"),
    ("6050", "Recruiting", "debit"),
    ("6060", "Training & Certification", "debit"),
    ("6100", "Rent", "debit"),
    ("6110", "Utilities", "debit"),
    ("6120", "Cleaning & Maintenance", "debit"),
    ("6130", "Security", "debit"),
    ("6200", "Telephone & Internet", "debit"),
    ("6210", "Cloud Hosting", "debit"),
    ("6220", "Software Subscriptions", "debit"),
    ("6230", "IT Equipment < $1,000", "debit"),
    ("6300", "Office Supplies", "debit"),
    ("6310", "Printing", "debit"),
    ("6320", "Postage & Couriers", "debit"),
    ("6400", "Travel", "debit"),
    ("6410", "Meals & Entertainment", "debit"),
    ("6500", "Marketing", "debit"),
    ("6510", "Events & Sponsorship", "debit"),
    ("6600", "Legal Fees", "debit"),
    ("6610", "Accounting & Audit", "debit"),
    ("6620", "Other Professional Fees", "debit"),
    ("6700", "Insurance", "debit"),
    ("6710", "Bank Charges", "debit"),
    ("6720", "Bad Debt", "debit"),
    ("6800", "Depreciation", "debit"),
    ("6810", "Amortization", "debit"),
    ("6900", "Dues & Subscriptions", "debit"),
    ("6910", "Charitable Donations", "debit"),
    ("7000", "Interest Income", "credit"),
    ("7100", "Interest Expense", "debit"),
    ("7200", "Foreign Exchange Gain/Loss", "credit"),
    ("8000", "Income Tax Expense", "debit"),
)

INACTIVE_ACCOUNTS = ("1050", "6910")

EXPENSES = tuple(number for number, _, _ in INCOME_STATEMENT if "5010" <= number <= "6620" and number[:2] != "60")
REVENUES = ("4000", "4010", "4020", "4030", "4040", "4100")

JOURNALS: tuple[tuple[str, str, bool], ...] = (
    ("GJ", "General Journal", False),
    ("PYRJ", "Payroll Journal", False),
    ("APJ", "Accounts Payable Journal", False),
    ("ARJ", "Accounts Receivable Journal", False),
    ("CDJ", "Cash Disbursements Journal", False),
    ("CRJ", "Cash Receipts Journal", False),
    ("FAJ", "Fixed Assets Journal", False),
    ("ADJ", "Adjusting Entries", True),
)

TERMS: tuple[tuple[str, int, int | None, int | None], ...] = (
    ("Due on receipt", 0, None, None),
    ("Net 15", 15, None, None),
    ("Net 30", 30, None, None),
    ("Net 45", 45, None, None),
    ("Net 60", 60, None, None),
    ("2/10 Net 30", 30, 10, 2),
)
"""Id, days, discount days, discount percent."""

RECURRING_ENTRIES: tuple[tuple[str, str, tuple[tuple[str, str, int], ...]], ...] = (
    ("PYRJ", "Payroll", (("6000", "debit", 64), ("6020", "debit", 9), ("2100", "credit", 58), ("2110", "credit", 15))),
    ("GJ", "Pension contributions", (("6040", "debit", 10), ("2120", "credit", 10))),
    ("FAJ", "Depreciation", (("6800", "debit", 10), ("1590", "credit", 10))),
    ("GJ", "Amortize prepaid insurance", (("6700", "debit", 10), ("1310", "credit", 10))),
    ("GJ", "Amortize prepaid software", (("6220", "debit", 10), ("1320", "credit", 10))),
    ("GJ", "Recognize deferred revenue", (("2300", "debit", 30), ("4040", "credit", 20), ("4010", "credit", 10))),
    (
        "GJ",
        "Allocate rent by department",
        (
            ("6100", "debit", 20),
            ("6100", "debit", 15),
            ("6100", "debit", 10),
            ("6110", "debit", 5),
            ("2010", "credit", 50),
        ),
    ),
    ("ADJ", "Accrue professional fees", (("6610", "debit", 6), ("6600", "debit", 4), ("2010", "credit", 10))),
    (
        "CDJ",
        "Card settlement & bank charges",
        (
            ("2020", "debit", 40),
            ("6710", "debit", 1),
            ("6410", "debit", 3),
            ("6400", "debit", 6),
            ("1000", "credit", 49),
            ("7200", "credit", 1),
        ),
    ),
)
"""Journal, description, lines of (account, debit or credit, share of the amount): shares of both sides are equal."""

SERVICES: tuple[tuple[str, str, int], ...] = (
    ("CONS-HR", "Consulting, hour", 18500),
    ("CONS-SR-HR", "Senior consulting, hour", 24000),
    ("PM-HR", "Project management, hour", 21000),
    ("ENG-HR", "Engineering, hour", 19500),
    ("DESIGN-DAY", "Design, day", 132000),
    ("TRAIN-DAY", "Training, day", 210000),
    ("ADV-RET", "Advisory retainer, month", 450000),
    ("MS-GOLD", "Managed service Gold, month", 380000),
    ("MS-SILVER", "Managed service Silver, month", 190000),
    ("EXP", "Reimbursable expenses", 100),
    ("AUDIT-READY", "Audit readiness review", 975000),
    ("WS-ONSITE", "On-site workshop", 320000),
)
"""Item id, name, base price in cents."""

DEPARTMENTS: tuple[tuple[str, str, str], ...] = (
    ("100", "Executive", ""),
    ("200", "Finance", ""),
    ("210", "Accounting", "200"),
    ("300", "Consulting", ""),
    ("310", "Advisory", "300"),
    ("320", "Engineering", "300"),
    ("330", "Design & Research", "300"),
    ("400", "Sales & Marketing", ""),
    ("500", "People", ""),
    ("600", "Information Technology", ""),
)

CLASSES: tuple[tuple[str, str], ...] = (
    ("PUB", "Public sector"),
    ("FIN", "Financial services"),
    ("HLT", "Health care"),
    ("RET", "Retail & consumer"),
    ("NPO", "Nonprofits"),
)

TASKS = ("Discovery", "Design", "Build", "Testing", "Training", "Project management")
