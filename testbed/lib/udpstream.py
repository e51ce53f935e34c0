"""A numbered UDP stream whose every packet is accounted for.

The sender numbers its packets and keeps a rate; the receiver logs each arrival with its time and interface and sends
the packet back, so that the uplink can be watched too. The stream ends with a packet that the sender repeats until
it is echoed: nobody has to guess when the last packet has arrived.
"""

import argparse
import array
import json
import select
import signal
import socket
import struct
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from .shell import PATIENCE

# Sequence number, time of sending in ns since 1970.
HEADER = struct.Struct(">QQ")
END = 2**64 - 1
RECEIVE_BUFFER = 8 << 20
# Missing in Python's socket module.
SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35
# A sender that was kept from running catches up no more than this many packets at once: a longer burst overflows the
# queues, of narrow tunnels above all, and that loss would be its own.
LONGEST_BURST = 10
# Seconds after which a stream without any echo gives up.
FIRST_ECHO = 15
# The receiver may be behind by seconds in the guest, and nothing in its buffer is lost.
END_ECHO = 5 * PATIENCE


def open_socket(port: int) -> socket.socket:
    opened = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
    opened.bind(("::", port))
    return opened


def receive(port: int, log_path: Path) -> None:
    """Until the end packet; the log is an array of (sequence number, sent ns, arrived ns, interface index)."""
    stop_on_terminate()
    opened = open_socket(port)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    # The kernel's time of arrival: this process may be kept from running.
    opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    log = array.array("Q")
    ended = False
    print("ready", flush=True)
    try:
        # After the end packet, stay for its repetitions: the echo of the first may be under way still.
        while not ended or select.select([opened], [], [], 1)[0]:
            data, ancillary, _, peer = opened.recvmsg(2048, 128)
            values = {(level, kind): value for level, kind, value in ancillary}
            destination, index = struct.unpack("16sI", values[socket.IPPROTO_IPV6, socket.IPV6_PKTINFO])
            seconds, nanoseconds = struct.unpack("qq", values[socket.SOL_SOCKET, SO_TIMESTAMPNS])
            number, sent = HEADER.unpack_from(data)
            if number == END:
                ended = True
            else:
                log.extend((number, sent, seconds * 1_000_000_000 + nanoseconds, index))
            # The source must be the address that was written to; the kernel chooses the interface.
            source = struct.pack("16sI", destination, 0)
            opened.sendmsg([data], [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, source)], 0, peer)
    finally:
        with log_path.open("wb") as file:
            log.tofile(file)
        Path(f"{log_path}.interfaces").write_text(json.dumps(dict(socket.if_nameindex())))


def send(destination: str, port: int, source_port: int, rate: float, octets: int) -> None:
    """Until SIGTERM; prints `running` with the first echo, and at the end what was sent and what came back."""
    stopping = False

    def stop(*_) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    opened = open_socket(source_port)
    opened.connect((destination, port))
    opened.setblocking(False)
    padding = bytes(octets - HEADER.size)
    sent = 0
    echoes = bytearray()
    end_echoed = running = False

    def drain() -> None:
        nonlocal end_echoed, running
        while True:
            try:
                number = HEADER.unpack_from(opened.recv(2048))[0]
            except (BlockingIOError, ConnectionRefusedError):
                return
            if number == END:
                end_echoed = True
            elif number < len(echoes):
                echoes[number] = 1
            if not running:
                running = True
                print("running", flush=True)

    started = due = time.monotonic()
    while not stopping:
        if not running and time.monotonic() - started > FIRST_ECHO:
            sys.exit("no echo")
        due = max(due + 1 / rate, time.monotonic() - LONGEST_BURST / rate)
        if (wait := due - time.monotonic()) > 0:
            time.sleep(wait)
        opened.send(HEADER.pack(sent, time.time_ns()) + padding)
        sent += 1
        echoes.append(0)
        drain()
    deadline = time.monotonic() + END_ECHO
    while not end_echoed and time.monotonic() < deadline:
        opened.send(HEADER.pack(END, 0))
        select.select([opened], [], [], 0.1)
        drain()
    print(json.dumps({"sent": sent, "echoed": sum(echoes), "ended": end_echoed}), flush=True)


def stop_on_terminate() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


@dataclass
class Report:
    sent: int
    received: int
    lost: int
    duplicated: int
    reordered: int
    # Seconds between two arrivals, and how much of that the sender has not caused by pausing itself.
    longest_gap: float
    longest_interruption: float
    per_interface: dict[str, int]
    # Echoes that did not come back although the packet arrived.
    lost_uplink: int
    # (sequence number, seconds since 1970, interface)
    arrivals: list[tuple[int, float, str]]

    def lost_numbers(self) -> list[int]:
        return sorted(set(range(self.sent)) - {number for number, _, _ in self.arrivals})


def report(sender: dict, log_path: Path) -> Report:
    values = array.array("Q")
    with log_path.open("rb") as file:
        values.frombytes(file.read())
    names = json.loads(Path(f"{log_path}.interfaces").read_text())
    # An interface that was unplugged has no name any more.
    arrivals = [(values[i], values[i + 2] / 1e9, names.get(str(values[i + 3]), f"interface {values[i + 3]}"))
                for i in range(0, len(values), 4)]
    sendings = values[1::4]
    distinct = len({number for number, _, _ in arrivals})
    highest = -1
    reordered = 0
    for number, _, _ in arrivals:
        reordered += number < highest
        highest = max(highest, number)
    gaps = [later[1] - earlier[1] for earlier, later in zip(arrivals, arrivals[1:])]
    # After a reordered packet the sending times go back; that pause is all ours.
    interruptions = [gap - max(0, later - earlier) / 1e9 for gap, earlier, later in zip(gaps, sendings, sendings[1:])]
    return Report(
        sent=sender["sent"], received=distinct, lost=sender["sent"] - distinct, duplicated=len(arrivals) - distinct,
        reordered=reordered, longest_gap=max(gaps, default=float("inf")),
        longest_interruption=max(interruptions, default=float("inf")),
        per_interface=dict(Counter(interface for _, _, interface in arrivals)),
        lost_uplink=distinct - sender["echoed"], arrivals=arrivals)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    roles = parser.add_subparsers(dest="role", required=True)
    receiver = roles.add_parser("receive")
    receiver.add_argument("--port", type=int, required=True)
    receiver.add_argument("--log", type=Path, required=True)
    sender = roles.add_parser("send")
    sender.add_argument("destination")
    sender.add_argument("--port", type=int, required=True)
    sender.add_argument("--source-port", type=int, required=True)
    sender.add_argument("--rate", type=float, required=True, help="packets per second")
    sender.add_argument("--octets", type=int, default=200, help="UDP payload")
    arguments = parser.parse_args()
    if arguments.role == "receive":
        receive(arguments.port, arguments.log)
    else:
        send(arguments.destination, arguments.port, arguments.source_port, arguments.rate, arguments.octets)


if __name__ == "__main__":
    main()
