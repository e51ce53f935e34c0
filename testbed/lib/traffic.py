"""The two flows of the testbed: a TCP transfer by iperf3 and a numbered UDP stream, correspondent to node."""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from . import pcap, udpstream
from .daemons import TESTBED
from .shell import IN_GUEST, PATIENCE, in_namespace, wait_until
from .topology import CORRESPONDENT, Topology

# Well below what the accesses carry, so that a lost packet is our loss and nobody's congestion.
TCP_MEGABITS = 4 if IN_GUEST else 20
UDP_RATE = 100 if IN_GUEST else 1000


def python(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


class UDPStream:
    """From the correspondent to `address` of the node, until `stop`; it runs once this object is made."""

    def __init__(self, domain: Topology, results: Path, address: str, port: int = 7000, source_port: int = 7001,
                 rate: float = UDP_RATE) -> None:
        self.flow = pcap.Flow.of(CORRESPONDENT, address, pcap.UDP, source_port, port)
        self.log_path = results / f"udp-{port}.log"
        self.receiver = subprocess.Popen(
            in_namespace(domain.namespace("mn"),
                         python("lib.udpstream", "receive", "--port", str(port), "--log", str(self.log_path))),
            cwd=TESTBED, text=True, stdout=subprocess.PIPE, start_new_session=True)
        assert self.receiver.stdout is not None and self.receiver.stdout.readline() == "ready\n", "no UDP receiver"
        self.sender = subprocess.Popen(
            in_namespace(domain.namespace("cn"),
                         python("lib.udpstream", "send", address, "--port", str(port), "--source-port",
                                str(source_port), "--rate", str(rate))),
            cwd=TESTBED, text=True, stdout=subprocess.PIPE, start_new_session=True)
        assert self.sender.stdout is not None and self.sender.stdout.readline() == "running\n", \
            f"nothing that is sent to {address} comes back"

    def stop(self) -> udpstream.Report:
        self.sender.send_signal(signal.SIGTERM)
        output, _ = self.sender.communicate(timeout=15 * PATIENCE)
        sender = json.loads(output)
        try:
            self.receiver.wait(timeout=10 * PATIENCE if sender["ended"] else 0.1)
        except subprocess.TimeoutExpired:
            self.receiver.terminate()
            self.receiver.wait(timeout=5 * PATIENCE)
        return udpstream.report(sender, self.log_path)


class TCPTransfer:
    """iperf3 between the correspondent and `address` of the node, until `stop`; `flow` is its downlink."""

    def __init__(self, domain: Topology, results: Path, address: str, download: bool = True, port: int = 5201,
                 client_port: int = 40001, megabits: float = TCP_MEGABITS) -> None:
        self.flow = pcap.Flow.of(CORRESPONDENT, address, pcap.TCP, port, client_port)
        self.download = download
        self.client_log = results / f"iperf3-{port}-client.json"
        self.server_log = results / f"iperf3-{port}-server.json"
        self.server = self.start(domain.namespace("cn"), self.server_log, "-s", "-1", "-p", str(port), "-B", CORRESPONDENT)
        wait_until("iperf3 listens", lambda: domain.run(
            "cn", "ss", "-6Hltn", "sport", "=", f":{port}").stdout)
        self.client = self.start(
            domain.namespace("mn"), self.client_log, "-c", CORRESPONDENT, "-p", str(port), "-B", address, "--cport",
            str(client_port), *(["-R"] if download else []), "-l", "8K", "-t", "3600", "-b", f"{megabits}M")

    @staticmethod
    def start(namespace: str, log_path: Path, *options: str) -> subprocess.Popen:
        with log_path.open("w") as log:
            return subprocess.Popen(in_namespace(namespace, ["iperf3", "--json", *options]), stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log, start_new_session=True)

    def stop(self) -> "TCPReport":
        broken = self.client.poll() is not None
        if not broken:
            self.client.send_signal(signal.SIGINT)
        for process in (self.client, self.server):
            try:
                process.wait(timeout=15 * PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                broken = True
        client, server = (parse(path) for path in (self.client_log, self.server_log))
        sender = server if self.download else client
        return TCPReport(
            error=client.get("error", "ended by itself") if broken else None,
            retransmissions=sum(interval["sum"]["retransmits"] for interval in sender.get("intervals", [])),
            segment=client.get("start", {}).get("tcp_mss_default", 0),
            # The last interval is the one that was cut short.
            stalled_seconds=[interval["sum"]["start"] for interval in client.get("intervals", [])[:-1]
                             if interval["sum"]["bytes"] == 0])


@dataclass
class TCPReport:
    # None: the connection lived until we ended it.
    error: str | None
    retransmissions: int
    # Octets of payload in a full segment.
    segment: int
    # Starts of the seconds in which nothing was transferred.
    stalled_seconds: list[float]


def parse(log_path: Path) -> dict:
    try:
        return json.loads(log_path.read_text())
    except json.JSONDecodeError:
        return {"error": f"no report: {log_path.read_text()[-300:]}"}
