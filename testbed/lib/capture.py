"""Captures, and the traffic of a flow over each access that they show."""

import re
import signal
import subprocess
import threading
from bisect import bisect_left
from pathlib import Path

from .pcap import Flow, Packet, Reader
from .shell import IN_GUEST, PATIENCE, in_namespace, wait_until

# One wake-up per packet keeps the live table up to date; the emulated processor of the guest has better things to do.
IMMEDIATE = [] if IN_GUEST else ["--immediate-mode"]


class Capture:
    """tcpdump on one interface."""

    def __init__(self, namespace: str, interface: str, path: Path, expression: str = "ip6", snaplen: int = 128,
                 limit: int | None = None, quiet: bool = False) -> None:
        """`limit`: packets after which tcpdump ends by itself. `quiet`: nothing that `expression` takes is there yet."""
        self.path = path
        self.log_path = path.with_suffix(".tcpdump")
        with self.log_path.open("w") as log:
            self.process = subprocess.Popen(
                in_namespace(namespace, ["tcpdump", "-n", "-U", *IMMEDIATE, "-Z", "root", "-B", "16384", "-s",
                                         str(snaplen), *(["-c", str(limit)] if limit else []),
                                         "-i", interface, "-w", str(path), expression]),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        wait_until(f"tcpdump listens on {interface}", self.is_listening)
        # The kernel counts what came before the filter was set, too; tcpdump never gets it.
        self.unfiltered = self.report()[1] if quiet else 0

    def is_listening(self) -> bool:
        text = self.log_path.read_text()
        assert self.process.poll() is None, f"tcpdump ended: {text}"
        return "listening on" in text

    def stop(self) -> None:
        """Ends tcpdump once it has written what the kernel has given it; at once, it would throw that away."""
        if self.process.poll() is not None:
            return
        try:
            wait_until(f"{self.path.name} is complete", self.has_caught_up)
        finally:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=30 * PATIENCE)

    def has_caught_up(self) -> bool:
        captured, received, _ = self.report()
        return captured + self.unfiltered == received

    def report(self) -> tuple[int, int, int]:
        """The counts so far; tcpdump writes them to standard error."""
        reports = len(self.counts())
        self.process.send_signal(signal.SIGUSR1)
        wait_until("tcpdump reports its counts", lambda: len(self.counts()) > reports)
        return self.counts()[-1]

    def counts(self) -> list[tuple[int, int, int]]:
        """Packets captured, received by the filter and dropped by the kernel, for every report of tcpdump."""
        text = self.log_path.read_text()
        return [(int(captured), int(received), int(dropped)) for captured, received, dropped in re.findall(
            r"(\d+) packets? captured[,\s]+(\d+) packets? received by filter[,\s]+(\d+) packets? dropped by kernel", text)]

    def missed(self) -> int:
        """Packets that tcpdump did not get; with any, counts from this capture prove nothing."""
        return self.counts()[-1][2]


class Trace:
    """The packets of every flow on every interface of a set of captures, in the order of their times."""

    def __init__(self, captures: dict[str, Capture]) -> None:
        self.captures = captures
        self.readers = {interface: Reader(capture.path) for interface, capture in captures.items()}
        self.packets: dict[tuple[Flow, str], list[Packet]] = {}
        self.lock = threading.Lock()

    def update(self) -> None:
        with self.lock:
            for interface, reader in self.readers.items():
                for packet in reader.read():
                    self.packets.setdefault((packet.flow, interface), []).append(packet)

    def finish(self) -> None:
        for interface, capture in self.captures.items():
            capture.stop()
            assert capture.missed() == 0, f"tcpdump on {interface} missed {capture.missed()} packets: nothing is proved"
        self.update()

    def of(self, flow: Flow, interface: str, begin: float = 0, end: float = float("inf")) -> list[Packet]:
        packets = self.packets.get((flow, interface), [])
        first = bisect_left(packets, begin, key=lambda packet: packet.time)
        last = bisect_left(packets, end, key=lambda packet: packet.time)
        return packets[first:last]

    def octets(self, flow: Flow, interface: str, begin: float = 0, end: float = float("inf")) -> int:
        return sum(packet.octets for packet in self.of(flow, interface, begin, end))

    def payload(self, flow: Flow) -> int:
        """Transport payload of the flow over all interfaces, retransmissions counted again."""
        return sum(packet.payload for (key, _), packets in self.packets.items() if key == flow for packet in packets)

    def first_after(self, flow: Flow, interface: str, time: float) -> float | None:
        packets = self.of(flow, interface, time)
        return packets[0].time if packets else None
