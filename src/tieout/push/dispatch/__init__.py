"""Documents -> requests -> outcomes: batches under the ledger, several at once, and what an unanswered one came to."""
