"""Views over pulled tables that give them the names and shapes other people's tools expect. Knows no request."""
