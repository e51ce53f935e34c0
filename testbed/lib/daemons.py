"""The daemons of the domain: their configuration, their start and their end."""

import json
import signal
import string
import subprocess
from pathlib import Path
from typing import IO

from . import topology
from .control import Control
from .shell import PATIENCE, CommandError, in_namespace, run, wait_until

TESTBED = Path(__file__).resolve().parent.parent
PROGRAMS = TESTBED.parent / ".build/release"
# Their events can be recorded (docs/recording.md).
RECORDED = {"lmad", "magd"}


class Daemon:
    """One daemon in its namespace. `name` names its files: configuration, socket and log."""

    def __init__(self, domain: topology.Topology, results: Path, role: str, program: str, name: str,
                 ready: list[str]) -> None:
        self.namespace = domain.namespace(role)
        self.directory = domain.directory
        self.program = program
        self.name = name
        self.ready = ready
        self.log_path = results / f"{name}.log"
        self.socket = domain.directory / f"{name}.sock"
        self.configuration = domain.directory / f"{name}.yaml"
        self.recording = results / f"{name}.recording" if program in RECORDED and domain.records else None
        self.process: subprocess.Popen | None = None
        self.write_configuration()

    def write_configuration(self, replace: dict[str, str] | None = None) -> None:
        """From the template of the program; `replace` changes text of the result."""
        values = {
            "lma": topology.LMA, **topology.GATEWAYS, "home_pool": topology.HOME_POOL, "node": topology.NODE,
            "home_prefix1": topology.HOME_PREFIXES[0], "home_prefix2": topology.HOME_PREFIXES[1],
            "run": str(self.directory), "gateway": self.name,
            "address": (topology.GATEWAYS | topology.CELLULAR_GATEWAYS).get(self.name, ""),
            **{f"{interface}_mac": address for interface, address in topology.NODE_MAC.items()},
        }
        for template, target in [(f"{self.program}.yaml", self.configuration),
                                 ("nodes.map", self.directory / "nodes.map")]:
            text = string.Template((TESTBED / "config" / template).read_text()).substitute(values)
            for old, new in (replace or {}).items():
                text = text.replace(old, new)
            if self.recording and target == self.configuration:
                text += f"recording:\n  file: {self.recording}\n"
            target.write_text(text)

    def start(self) -> None:
        assert self.process is None, f"{self.name} runs already"
        log: IO = self.log_path.open("a")
        self.process = subprocess.Popen(
            in_namespace(self.namespace, [str(PROGRAMS / self.program), "run", "-c", str(self.configuration)]),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        log.close()
        wait_until(f"{self.name} is ready", self.is_ready, seconds=15)

    def is_ready(self) -> bool:
        assert self.process is not None
        if (status := self.process.poll()) is not None:
            raise AssertionError(f"{self.name} ended with status {status}: {self.last_words()}")
        try:
            self.ask(" ".join(self.ready))
        except (CommandError, OSError):
            return False
        return True

    def last_words(self) -> str:
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-15:])

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        """A command of the daemon's own CLI, to this instance."""
        return run(str(PROGRAMS / self.program), *arguments, "--socket", str(self.socket), namespace=self.namespace,
                   check=check)

    def document(self, *arguments: str) -> dict:
        return json.loads(self.command(*arguments, "--json").stdout)

    def ask(self, command: str, **arguments) -> dict:
        """The answer on the control socket, for what is asked again and again: no program has to start for it."""
        with Control(self.socket, seconds=10 * PATIENCE) as control:
            return control.ask(command, **arguments)

    def counters(self) -> dict[str, int]:
        return self.ask("show counters")["counters"]

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def pause(self) -> None:
        """It hears nothing and says nothing until `resume`, and the kernel goes on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within 20 s of SIGTERM") from None
        self.process = None
        return status

    def cleanup(self) -> None:
        """`PROGRAM cleanup`: removes the kernel state that a stopped daemon leaves for its successor."""
        run(str(PROGRAMS / self.program), "cleanup", "-c", str(self.configuration), namespace=self.namespace)
