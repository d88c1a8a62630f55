"""The command line: one module per command. It asks the rooms, shows the answer and sets the exit code."""
