"""How long importing takes, in fresh interpreters: the package, its blocking client, and msgspec alone beside them.

python benchmarks/imports.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

STATEMENTS = {"import msgspec": None, "import tieout": 120, "from tieout import Intacct": 250}
"""Statement -> the goal in milliseconds."""
CLOCK = "import time; began = time.perf_counter(); {}; print((time.perf_counter() - began) * 1000)"


def took(statement: str) -> float:
    """Milliseconds of the statement alone; the interpreter's own start is not counted."""
    run = subprocess.run([sys.executable, "-c", CLOCK.format(statement)], capture_output=True, text=True, check=True)
    return float(run.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print(f"milliseconds, {rounds} fresh interpreters\n")
    print(f"{'':<30}{'least':>8}{'median':>8}{'goal':>8}")
    for statement, goal in STATEMENTS.items():
        times = [took(statement) for _ in range(rounds)]
        print(f"{statement:<30}{min(times):>8.0f}{statistics.median(times):>8.0f}{goal or '':>8}")


if __name__ == "__main__":
    main()
