"""The columns of a table: which fields, of which type, under which name. Knows no database and no request."""
