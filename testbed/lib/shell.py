"""Running commands, here or in a network namespace."""

import os
import subprocess
import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

IN_GUEST = os.environ.get("FLOWMOB_GUEST") == "1"
# The guest's processor is emulated: starting a small program takes thirty times as long as natively.
PATIENCE = 5.0 if IN_GUEST else 1.0


class CommandError(Exception):
    """A command ended with another status than 0."""


def in_namespace(namespace: str, command: list[str]) -> list[str]:
    # `ip netns exec` replaces itself by the command, so the process id is the command's own.
    return ["ip", "netns", "exec", namespace, *command]


def run(*command: str, namespace: str | None = None, stdin: str | None = None, check: bool = True,
        seconds: float = 30) -> subprocess.CompletedProcess:
    arguments = in_namespace(namespace, list(command)) if namespace else list(command)
    done = subprocess.run(arguments, input=stdin, text=True, capture_output=True, timeout=seconds * PATIENCE)
    if check and done.returncode != 0:
        raise CommandError(
            f"`{' '.join(arguments)}` ended with {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done


def wait_until(what: str, condition: Callable[[], Value | None], seconds: float = 10) -> Value:
    """The first true value of `condition`; never a guess how long something takes, always a bound."""
    bound = seconds * PATIENCE
    deadline = time.monotonic() + bound
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {bound:.0f} s; last seen: {value!r}")
        time.sleep(0.05 * PATIENCE)
