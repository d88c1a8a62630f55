"""`python -m tieout` is the command line."""

import sys

from tieout.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
