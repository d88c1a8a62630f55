"""Cells -> values of fields: the [fields] table, its words, and what they do to a row.

What must be looked up in Intacct is a promise, which `lookups` fills for many documents at once."""
