"""What lmad and magd recorded (docs/recording.md) does the same on their pure cores.

    python3 -m lib.recordings TIER NAME…    of scenarios that ran elsewhere (the guest), in testbed/results
"""

import json
import sys
from pathlib import Path

from .daemons import PROGRAMS, TESTBED
from .shell import run


def check(results: Path) -> None:
    """Every recording of one scenario; a restart keeps the one before it."""
    for path in sorted(results.glob("*.recording*")):
        with path.open() as file:
            program = json.loads(file.readline())["program"]
        outcome = run(str(PROGRAMS / program), "replay", str(path), check=False)
        assert outcome.returncode == 0, f"{path.name}: replay differs: {outcome.stderr}"


def main(tier: str, names: list[str]) -> int:
    failed = 0
    for name in names:
        try:
            check(TESTBED / "results" / tier / name)
        except AssertionError as error:
            print(f"FAIL {name} ({tier}, recordings)\n     {error}", flush=True)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
