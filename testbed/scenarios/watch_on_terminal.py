"""`flow-manager watch` on a real terminal: it draws, follows the size of the window and the keys, and leaves the terminal
as it was, also when a signal ends it."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

from lib.daemons import PROGRAMS
from lib.domain import Domain
from lib.shell import in_namespace, wait_until

# Nothing of it depends on the kernel.
GUEST = False
ENTER, LEAVE, HOME = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[H"


class Terminal:
    def __init__(self, domain: Domain, rows: int, columns: int) -> None:
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.output = b""
        manager = domain.flow_manager
        self.process = subprocess.Popen(
            in_namespace(manager.namespace, [str(PROGRAMS / "flow-manager"), "watch", "--socket", str(manager.socket)]),
            stdin=self.slave, stdout=self.slave, stderr=self.slave)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds: float = 0) -> bytes:
        """All that was written; waits for the first of it."""
        while select.select([self.master], [], [], seconds)[0]:
            self.output += os.read(self.master, 65536)
            seconds = 0
        return self.output

    def screen(self) -> str:
        """The next whole drawing: what stands between two ways to the upper left corner."""
        self.read()
        begin, deadline = self.output.count(HOME), time.monotonic() + 10
        while self.output.count(HOME) < begin + 2:
            assert time.monotonic() < deadline and self.process.poll() is None, f"nothing is drawn: {self.output[-500:]}"
            self.read(1)
        return self.output.split(HOME)[begin + 1].decode()

    def end(self) -> int:
        status = self.process.wait(timeout=10)
        self.read()
        assert self.output.count(ENTER) == self.output.count(LEAVE) == 1, "the screen from before did not come back"
        assert termios.tcgetattr(self.slave) == self.before, "the terminal is not as it was"
        os.close(self.master)
        os.close(self.slave)
        return status


def run(domain: Domain) -> None:
    domain.start_attached()
    stream = domain.udp(domain.address("if1"))
    identifier = domain.flow(stream.flow)["id"]

    terminal = Terminal(domain, 24, 160)
    wait_until("the flow is drawn", lambda: drawn(terminal, "mag1"))
    terminal.resize(8, 40)
    os.kill(terminal.process.pid, signal.SIGWINCH)
    terminal.screen()
    small = lines(terminal)
    assert len(small) <= 8 and all(len(line) <= 40 for line in small), small
    terminal.resize(24, 160)
    domain.flow_manager.command("move", str(identifier), "--to", "mag2")
    wait_until("the move is drawn", lambda: drawn(terminal, "mag2"))
    os.write(terminal.master, b"oq")
    assert terminal.end() == 0

    terminal = Terminal(domain, 24, 80)
    terminal.screen()
    terminal.process.terminate()
    assert terminal.end() == -signal.SIGTERM
    assert stream.stop().lost == 0


def lines(terminal: Terminal) -> list[str]:
    return terminal.screen().replace("\x1b[K", "").replace("\x1b[J", "").replace("\r", "").split("\n")


def drawn(terminal: Terminal, gateway: str) -> bool:
    """The flow to port 7000 stands on the screen with that gateway."""
    return any(":7000" in line and gateway in line for line in lines(terminal))
