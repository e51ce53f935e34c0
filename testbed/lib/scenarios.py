"""Runs the scenarios, each in a process of its own and bounded in time.

A scenario is a file of testbed/scenarios with `run(domain)`; what it asserts is in its docstring. It may set SECONDS
(bound natively; the guest gets more), SIGNALLING = False when its daemons need not send a mobility message, and GUEST =
False when it shows nothing of the kernel: then the guest, which is slow, runs it only when it is named. NATIVE = False:
it needs the guest's kernel. What it prints behind `figure: ` is shown. Several run
at once, since each mostly waits; one that measures how long something takes says ALONE = True and gets the machine for
itself, after the others. All that the daemons send on the core is captured and, natively, compared with tshark
(lib.crosscheck) when the scenario is over. What lmad and magd recorded is replayed on their pure cores.

A machine that stands still for a moment, as a shared or an emulated one does, drops packets and lets timers run out by
itself. A scenario that fails while it did so is run once more, by itself, and both runs are shown.
"""

import argparse
import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import crosscheck, recordings
from .daemons import TESTBED
from .domain import Domain
from .shell import IN_GUEST, PATIENCE
from .stalls import Stalls
from .topology import delete_run, RUNS

DEFAULT_SECONDS = 60
# Seconds that the machine may stand still without an excuse for a scenario that fails.
LONGEST_STALL = 0.3
# At once. The guest's emulated processors are busy with one: two took twice as long each.
JOBS = 1 if IN_GUEST else 2 * (os.cpu_count() or 1)
# Scenarios that run now.
children: set[subprocess.Popen] = set()


def scenario(name: str):
    return importlib.import_module(f"scenarios.{name}")


def bound_of(name: str) -> int:
    return getattr(scenario(name), "SECONDS", DEFAULT_SECONDS)


def names(tier: str) -> list[str]:
    every = sorted(path.stem for path in (TESTBED / "scenarios").glob("*.py") if path.stem != "__init__")
    return [name for name in every if getattr(scenario(name), "NATIVE" if tier == "native" else "GUEST", True)]


def run_one(name: str, results: Path) -> int:
    """In a process of its own."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped: the scenario took too long"))
    with Domain(results, records=True) as domain:
        try:
            scenario(name).run(domain)
            domain.signalling.stop()
            # The guest's processor is emulated; what it leaves is looked at outside.
            if not IN_GUEST:
                recordings.check(results)
                crosscheck.check(domain.signalling.path, crosscheck.is_required(scenario(name)))
        except AssertionError as error:
            where = traceback.extract_tb(error.__traceback__)
            lines = [frame.lineno for frame in where if "/scenarios/" in frame.filename]
            print(f"{name}.py:{lines[-1]}: {error}" if lines else str(error))
            return 1
    return 0


def run_bounded(name: str, tier: str, results: Path, stalls: Stalls) -> tuple[bool, float]:
    """Whether it passed, and the longest time in seconds that the machine stood still meanwhile."""
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    bound = bound_of(name) * min(PATIENCE, 4)
    started = time.monotonic()
    child = subprocess.Popen([sys.executable, "-m", "lib.scenarios", "--tier", tier, "--one", name, "--results",
                              str(results)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    children.add(child)
    try:
        output, _ = child.communicate(timeout=bound)
    except subprocess.TimeoutExpired:
        child.terminate()
        try:
            output, _ = child.communicate(timeout=20 * PATIENCE)
        except subprocess.TimeoutExpired:
            child.kill()
            output, _ = child.communicate()
        output = f"not over within {bound:.0f} s\n{output}"
    children.discard(child)
    # Nothing is left when the child ended in order.
    delete_run(RUNS / str(child.pid))
    passed = child.returncode == 0
    stall = stalls.longest(since=started)
    report = f"{'PASS' if passed else 'FAIL'} {name} ({tier}, {time.monotonic() - started:.0f} s)\n"
    if passed:
        report += "".join(f"     {line}\n" for line in output.splitlines() if line.startswith("figure: "))
    else:
        report += "".join(f"     {line}\n" for line in output.strip().splitlines()) + f"     logs: {results}\n"
        report += f"     the machine stood still for {stall * 1000:.0f} ms at the most\n"
    sys.stdout.write(report)
    sys.stdout.flush()
    return passed, stall


def run_all(chosen: list[str], tier: str) -> list[bool]:
    stalls = Stalls()

    def results(name: str) -> Path:
        return TESTBED / "results" / tier / name

    def run(name: str) -> tuple[bool, float]:
        return run_bounded(name, tier, results(name), stalls)

    alone = [name for name in chosen if getattr(scenario(name), "ALONE", False)]
    # The long ones first, so that none is left over at the end.
    others = sorted(set(chosen) - set(alone), key=lambda name: (-bound_of(name), name))
    with ThreadPoolExecutor(JOBS) as pool:
        outcomes = dict(zip(others, pool.map(run, others)))
    outcomes |= {name: run(name) for name in alone}
    for name, (passed, stall) in outcomes.items():
        if not passed and stall >= LONGEST_STALL:
            print(f"AGAIN {name} ({tier}); of the first run: {results(name)}.failed", flush=True)
            shutil.rmtree(f"{results(name)}.failed", ignore_errors=True)
            results(name).rename(f"{results(name)}.failed")
            outcomes[name] = run(name)
    return [passed for passed, _ in outcomes.values()]


def stop(*_) -> None:
    for child in list(children):
        child.terminate()
    os._exit(143)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tier", choices=["native", "guest"], required=True)
    parser.add_argument("--tally", type=Path, help="file for the numbers of passed and failed scenarios")
    parser.add_argument("--one", help="run this scenario in this process")
    parser.add_argument("--results", type=Path)
    parser.add_argument("--list", action="store_true", help="print the names of the tier's scenarios")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    sys.path.insert(0, str(TESTBED))
    os.chdir(TESTBED)
    if arguments.one:
        return run_one(arguments.one, arguments.results)
    signal.signal(signal.SIGTERM, stop)
    chosen = arguments.names or names(arguments.tier)
    if arguments.list:
        print("\n".join(chosen))
        return 0
    outcomes = run_all(chosen, arguments.tier)
    if arguments.tally:
        arguments.tally.write_text(f"{outcomes.count(True)} {outcomes.count(False)}\n")
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
