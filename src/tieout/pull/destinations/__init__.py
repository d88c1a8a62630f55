"""Where rows go: each database one module, all behind one protocol. Knows nothing of Intacct."""
