"""`python -m tieout` is the command line. Imports so little before it listens that Ctrl-C finds it ready."""

import sys


def main() -> int:
    """The command line, calm from the first import on."""
    try:
        from tieout.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
