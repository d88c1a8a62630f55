"""What a run is to do: which tables, over which connections, and why so much of each is read."""
