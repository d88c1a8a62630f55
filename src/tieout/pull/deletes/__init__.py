"""Which rows of a table Intacct no longer has. REST has no tombstones (REST reference 10.2)."""
