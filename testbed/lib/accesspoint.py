"""What access points say to a gateway, for scenarios without radios: a hostapd with scripted stations, and a client of
RADIUS accounting. Written from the protocols, not from the programs under test.

    python3 -m lib.accesspoint GATEWAY SECRET STATUS STATION SESSION    one Accounting-Request; prints `answered` or `silent`
"""

import hashlib
import os
import socket
import struct
import sys
import threading
from pathlib import Path

ACCOUNTING_PORT = 1813
START, STOP, INTERIM, ON = 1, 2, 3, 7


class Hostapd:
    """hostapd's end of a control socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stations: list[str] = []
        self.monitors: list[str] = []
        self.commands: list[str] = []
        self.socket: socket.socket | None = None
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        self.monitors = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.path.unlink(missing_ok=True)
        self.socket.bind(str(self.path))
        self.thread = threading.Thread(target=self.serve, args=(self.socket,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """As if killed: no word to anybody, but the path goes."""
        assert self.socket and self.thread
        self.path.unlink()
        # Ends the thread's recvfrom.
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()
        self.socket = None

    def serve(self, own: socket.socket) -> None:
        while True:
            try:
                data, peer = own.recvfrom(4096)
            except OSError:
                return
            if not peer:
                return
            command = data.decode()
            self.commands.append(command)
            own.sendto(self.answer(command, peer).encode(), peer)

    def answer(self, command: str, peer: str) -> str:
        words = command.split()
        match words[0]:
            case "PING": return "PONG\n"
            case "ATTACH":
                self.monitors.append(peer)
                return "OK\n"
            case "STA-FIRST": return self.entry(0)
            case "STA-NEXT": return self.entry(self.stations.index(words[1]) + 1) if words[1] in self.stations else "FAIL\n"
        return "UNKNOWN COMMAND\n"

    def entry(self, index: int) -> str:
        if index >= len(self.stations):
            return ""
        return f"{self.stations[index]}\nflags=[AUTH][ASSOC][AUTHORIZED]\naid={index + 1}\n"

    def event(self, text: str) -> None:
        assert self.socket
        for monitor in self.monitors:
            self.socket.sendto(f"<3>{text}".encode(), monitor)

    def connect(self, station: str) -> None:
        self.stations.append(station)
        self.event(f"AP-STA-CONNECTED {station}")

    def disconnect(self, station: str) -> None:
        self.stations.remove(station)
        self.event(f"AP-STA-DISCONNECTED {station}")


def accounting_request(status: int, station: str, session: str, secret: bytes, identifier: int) -> bytes:
    """RFC 2866 section 3."""
    values = [(40, struct.pack("!I", status)), (44, session.encode())]
    if station:
        values.append((31, station.encode()))
    body = b"".join(struct.pack("!BB", kind, len(value) + 2) + value for kind, value in values)
    head = struct.pack("!BBH", 4, identifier, 20 + len(body))
    return head + hashlib.md5(head + bytes(16) + body + secret).digest() + body


def is_response(answer: bytes, request: bytes, secret: bytes) -> bool:
    expected = hashlib.md5(answer[:4] + request[4:20] + answer[20:] + secret).digest()
    return answer[0] == 5 and answer[1] == request[1] and answer[4:20] == expected


def main() -> int:
    gateway, secret, status, station, session = sys.argv[1:6]
    request = accounting_request(int(status), station, session, secret.encode(), os.getpid() % 256)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.connect((gateway, ACCOUNTING_PORT))
        client.send(request)
        try:
            answer = client.recv(4096)
        except TimeoutError:
            print("silent")
            return 0
    print("answered" if is_response(answer, request, secret.encode()) else "answered wrongly")
    return 0


if __name__ == "__main__":
    sys.exit(main())
