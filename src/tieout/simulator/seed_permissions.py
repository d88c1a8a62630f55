"""What a role can be given: the permissions of a company, for clients that list them and assign them to roles.

Shape and rights are Sage's own (REST reference 9); which permissions there are, and their names, is our choice.
"""

from __future__ import annotations

from tieout.simulator.seed_group import Group

EVERYTHING = ["list", "readonly", "add", "modify", "delete"]
LOOKING = ["list", "readonly"]
PERMISSIONS = {
    "accountsPayable": ("vendors", "bills", "apPayments", "apAdjustments", "apTerms"),
    "accountsReceivable": ("customers", "invoices", "arPayments", "arAdjustments", "arTerms"),
    "generalLedger": ("accounts", "journals", "journalEntries", "reportingPeriods", "budgets"),
    "company": ("employees", "departments", "locations", "classes", "contacts", "attachments", "users", "roles"),
    "projects": ("projects", "tasks", "timesheets", "timeTypes"),
    "timeExpenses": ("expenseReports", "expenseTypes"),
    "cashManagement": ("checkingAccounts", "savingsAccounts", "creditCardAccounts", "creditCardTransactions"),
    "inventoryControl": ("items", "warehouses"),
}


def add_permissions(group: Group) -> None:
    for module, names in PERMISSIONS.items():
        for name in names:
            rights = LOOKING if name == "reportingPeriods" else EVERYTHING
            record = {"module": module, "name": name, "permissionGroup": "activitiesAndLists"}
            group.add("company-config/permission", record | {"allowedAccessRights": rights})
