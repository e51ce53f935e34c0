"""A connection to the control socket of a daemon (docs/control-protocol.md)."""

import json
import socket
from pathlib import Path

from .shell import CommandError


class Control:
    """Stays open until it is left."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX)
        try:
            self.socket.settimeout(seconds)
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.lines = self.socket.makefile("r", buffering=1 << 20)
        self.next = 1

    def __enter__(self) -> "Control":
        return self

    def __exit__(self, *_: object) -> None:
        self.lines.close()
        self.socket.close()

    def ask(self, command: str, **arguments: object) -> dict:
        self.socket.sendall(json.dumps(
            {"version": 1, "id": self.next, "command": command, "arguments": arguments}).encode() + b"\n")
        self.next += 1
        line = self.lines.readline()
        if not line:
            raise CommandError(f"{self.path}: closed instead of an answer to {command}")
        answer = json.loads(line)
        if "result" not in answer:
            raise CommandError(f"{self.path}: {command} is refused: {answer.get('error')}")
        return answer["result"]
