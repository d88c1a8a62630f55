"""Intacct -> typed pages, in order, none missing. Knows no database."""
