"""Wrong configuration: `check` and `run` name file, line, key, what was expected and the nearest name, all at once."""

import re

from lib.daemons import PROGRAMS, Daemon
from lib.domain import Domain
from lib.shell import run as run_command

# No daemon runs.
SIGNALLING = False
GUEST = False

WRONG = {
    # daemon: text of a right configuration -> wrong text, and what the message about it must contain
    "lmad": [
        ("min-delay-before-bce-delete: 2s", "min-delay-before-bce-delete: 2", ["min-delay-before-bce-delete"]),
        ("assigned-length: 64", "asigned-length: 64", ["asigned-length", "assigned-length"]),
        ("unknown-nodes: refuse", "unknown-nodes: refuze", ["unknown-nodes", "refuse"]),
        ("encapsulation: auto", "encapsulation: ip7tnl", ["encapsulation", "ip6tnl"]),
    ],
    "mag1": [
        ("probe-interval: 2s", "probe-interval: 2 parsecs", ["probe-interval"]),
        ("access-technology: ieee-802.11", "access-technology: ieee-802.111", ["access-technology", "ieee-802.11"]),
        ("unknown-nodes: refuse", "unknown-nodez: refuse", ["unknown-nodez", "unknown-nodes"]),
    ],
    "flow-manager": [
        ("anchor-socket:", "anchor-sokcet:", ["anchor-sokcet", "anchor-socket"]),
        ("log-level: debug", "log-level: loud", ["log-level", "debug"]),
    ],
    "packet-reflector": [
        ("interfaces: [if1, if2]", "interface: [if1, if2]", ["interface", "interfaces"]),
    ],
}


def run(domain: Domain) -> None:
    for daemon in domain.daemons():
        if daemon.name not in WRONG:
            continue
        good = check(daemon, "check")
        assert good.returncode == 0, f"{daemon.name} refuses its right configuration: {good.stderr}"
        wrong = WRONG[daemon.name]
        daemon.write_configuration({old: new for old, new, _ in wrong})
        lines = daemon.configuration.read_text().splitlines()
        for command in ("check", "run"):
            outcome = check(daemon, command)
            assert outcome.returncode == 2, \
                f"{daemon.name} {command} of a wrong file ended with {outcome.returncode}: {outcome.stderr}"
            for _, new, words in wrong:
                number = next(index for index, line in enumerate(lines, start=1) if new in line)
                messages = [line for line in outcome.stderr.splitlines()
                            if re.search(rf"{re.escape(daemon.configuration.name)}:{number}\b", line)]
                assert messages, f"{daemon.name} {command}: nothing about line {number} ({new}):\n{outcome.stderr}"
                for word in words:
                    assert any(word in message for message in messages), \
                        f"{daemon.name} {command}: the message about line {number} lacks `{word}`: {messages}"
        daemon.write_configuration()

    overlapping = "\n  - prefix: 2001:db8:100:8000::/49\n    assigned-length: 64\nnodes:"
    domain.lmad.write_configuration({"\nnodes:": overlapping})
    outcome = check(domain.lmad, "check")
    assert outcome.returncode == 2 and "2001:db8:100::/48" in outcome.stderr, \
        f"overlapping pools: status {outcome.returncode}, {outcome.stderr}"
    missing = domain.run("lma", str(PROGRAMS / "lmad"), "check", "-c", "/nonexistent.yaml", check=False)
    assert missing.returncode == 2 and "/nonexistent.yaml" in missing.stderr, \
        f"a missing file: status {missing.returncode}, {missing.stderr}"


def check(daemon: Daemon, command: str):
    return run_command(str(PROGRAMS / daemon.program), command, "-c", str(daemon.configuration),
                       namespace=daemon.namespace, check=False)
