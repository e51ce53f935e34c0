"""The two flows of the testbed: a TCP transfer by iperf3 and a numbered UDP stream, correspondent to node."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from . import pcap, udpstream
from .daemons import TESTBED
from .shell import IN_GUEST, PATIENCE, in_namespace, wait_until
from .topology import CORRESPONDENT, Topology

# Well below what the accesses carry, so that a lost packet is our loss and nobody's congestion.
TCP_MEGABITS = 8 if IN_GUEST else 20
UDP_RATE = 300 if IN_GUEST else 1000


def python(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


class UDPStream:
    """From the correspondent to `address` of the node, until `stop`."""

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
    """iperf3 for `seconds` between the correspondent and `address` of the node; `flow` is its downlink."""

    def __init__(self, domain: Topology, results: Path, address: str, seconds: float, download: bool = True,
                 port: int = 5201, client_port: int = 40001, megabits: float = TCP_MEGABITS) -> None:
        self.flow = pcap.Flow.of(CORRESPONDENT, address, pcap.TCP, port, client_port)
        self.seconds = seconds
        self.log_path = results / f"iperf3-{port}.json"
        server_log = results / f"iperf3-{port}-server.log"
        with server_log.open("w") as log:
            self.server = subprocess.Popen(
                in_namespace(domain.namespace("cn"),
                             ["iperf3", "-s", "-1", "-p", str(port), "-B", CORRESPONDENT, "--forceflush"]),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        wait_until("iperf3 listens", lambda: "Server listening" in server_log.read_text())
        with self.log_path.open("w") as log:
            self.client = subprocess.Popen(
                in_namespace(domain.namespace("mn"),
                             ["iperf3", "-c", CORRESPONDENT, "-p", str(port), "-B", address, "--cport",
                              str(client_port), *(["-R"] if download else []), "-l", "8K", "-t", str(int(seconds)),
                              "-b", f"{megabits}M", "--json"]),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def wait(self) -> dict:
        """iperf3's own report; `error` is in it when the connection broke."""
        try:
            self.client.wait(timeout=self.seconds + 30 * PATIENCE)
        except subprocess.TimeoutExpired:
            self.client.kill()
            self.client.wait()
            self.server.kill()
            raise AssertionError(f"the TCP transfer did not end: {self.log_path.read_text()[-500:]}") from None
        self.server.kill()
        self.server.wait()
        return json.loads(self.log_path.read_text())
