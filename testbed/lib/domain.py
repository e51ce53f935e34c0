"""The whole domain: topology, daemons, the node's attachments and captures. Start with `with Domain(...) as domain`."""

import difflib
import re
import subprocess
import time
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path

from . import pcap
from .capture import Capture, Trace
from .daemons import Daemon
from .shell import wait_until
from .topology import ACCESSES, GATEWAYS, NODE_MAC, Topology
from .traffic import TCPTransfer, UDPStream

# Every mobility message once, where it enters the core: as it was sent, whatever becomes of it.
SIGNALLING = "inbound and (ip6 proto 135 or udp port 5436 or udp port 4191)"
SIGNALLING_LIMIT = 20_000
PROTOCOL_NAMES = {pcap.TCP: "tcp", pcap.UDP: "udp"}


@dataclass(frozen=True)
class Move:
    """One `flow-manager move`: seconds since 1970 around the command."""
    flow: pcap.Flow
    # Or the number of a tunnel.
    gateway: str
    # The node's interfaces with their gateways.
    accesses: dict[str, str]
    begin: float
    end: float

    @property
    def interface(self) -> str:
        return next(interface for interface, gateway in self.accesses.items() if gateway == self.gateway)


class Domain(Topology):
    def __init__(self, results: Path, keep: bool = False, records: bool = False) -> None:
        super().__init__()
        self.results = results
        # Leave everything running at the end.
        self.keep = keep
        # Daemons record their events.
        self.records = records
        # The node's interfaces that flows are moved between, with their gateways.
        self.accesses = dict(ACCESSES)
        results.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> "Domain":
        try:
            self.create()
            self.configure()
        except BaseException:
            self.delete()
            raise
        return self

    def configure(self) -> None:
        self.lmad = Daemon(self, self.results, "lma", "lmad", "lmad", ["show", "gateways"])
        self.flow_manager = Daemon(self, self.results, "lma", "flow-manager", "flow-manager", ["list"])
        self.magd = {name: Daemon(self, self.results, name, "magd", name, ["show", "links"]) for name in GATEWAYS}
        self.reflector = Daemon(self, self.results, "mn", "packet-reflector", "packet-reflector", ["show"])
        self.captures: list[Capture] = []
        if not self.keep:
            self.signalling = self.capture("core", "any", SIGNALLING, snaplen=0, limit=SIGNALLING_LIMIT, quiet=True)

    def __exit__(self, *_) -> None:
        if self.keep:
            return
        try:
            for capture in self.captures:
                capture.stop()
        finally:
            self.delete()

    def daemons(self) -> list[Daemon]:
        return [self.lmad, self.flow_manager, *self.magd.values(), self.reflector]

    def start(self) -> None:
        """All daemons, nobody attached."""
        for daemon in self.daemons():
            daemon.start()

    def start_attached(self) -> None:
        self.start()
        for interface in ACCESSES:
            self.attach(interface)

    # The node

    def attach(self, interface: str) -> str:
        """Brings the node's interface up; its global address, once it is usable."""
        self.ip("mn", f"link set {interface} up\n")
        address = wait_until(f"{interface} of the node has an address", lambda: self.address(interface), seconds=20)
        wait_until(f"lmad has an active binding of {interface}", lambda: self.binding(interface))
        return address

    def detach(self, interface: str) -> None:
        self.ip("mn", f"link set {interface} down\n")

    def address(self, interface: str) -> str | None:
        for entry in self.ip_json("mn", "addr", "show", "dev", interface, "scope", "global"):
            for address in entry.get("addr_info", []):
                if "local" in address and not address.get("tentative"):
                    return address["local"]
        return None

    # What the daemons know

    def bindings(self) -> list[dict]:
        return self.lmad.ask("show bindings")["bindings"]

    def binding(self, interface: str, state: str = "active") -> dict | None:
        """The binding of the node's interface."""
        for binding in self.bindings():
            if binding.get("linkLayerIdentifier") == NODE_MAC[interface] and binding["state"] == state:
                return binding
        return None

    def flows(self, flow: pcap.Flow | None = None) -> list[dict]:
        listed = self.flow_manager.ask("list")["flows"]
        return listed if flow is None else [entry for entry in listed if matches(entry, flow)]

    def flow(self, flow: pcap.Flow) -> dict:
        """flow-manager's entry of a flow that runs."""
        return wait_until(f"flow-manager knows the flow of ports {flow.source_port} and {flow.destination_port}",
                          lambda: next(iter(self.flows(flow)), None))

    def move(self, flow: pcap.Flow, gateway: str) -> Move:
        identifier = str(self.flow(flow)["id"])
        begin = time.time()
        self.flow_manager.command("move", identifier, "--to", gateway)
        return Move(flow, gateway, self.accesses, begin, time.time())

    # Traffic

    def udp(self, address: str, **options) -> UDPStream:
        return UDPStream(self, self.results, address, **options)

    def tcp(self, address: str, **options) -> TCPTransfer:
        return TCPTransfer(self, self.results, address, **options)

    def capture(self, role: str, interface: str, expression: str = "ip6", **options) -> Capture:
        capture = Capture(self.namespace(role), interface, self.results / f"{role}-{interface}.pcap", expression, **options)
        self.captures.append(capture)
        return capture

    def trace_accesses(self) -> Trace:
        """Begins before the traffic."""
        return Trace({interface: self.capture("mn", interface, "tcp or udp", quiet=True) for interface in self.accesses})

    def trace_correspondent(self) -> Trace:
        """Begins before the traffic."""
        return Trace({"eth0": self.capture("cn", "eth0", "tcp or udp", quiet=True)})

    def kernel_state(self, role: str) -> dict[str, str]:
        """Everything a daemon could leave in the kernel of one namespace, but for what changes by itself."""
        commands = {
            "rules": ["ip", "-6", "rule"], "routes": ["ip", "-6", "route", "show", "table", "all"],
            "links": ["ip", "-br", "link"], "addresses": ["ip", "-6", "-br", "addr"],
            "ruleset": ["nft", "list", "ruleset"], "neighbours": ["ip", "-6", "neigh", "show", "nud", "permanent"],
            "tunnel source": ["ip", "sr", "tunsrc", "show"],
        }
        return {name: stable(self.run(role, *command, check=False).stdout) for name, command in commands.items()}

    def host_state(self) -> dict[str, str]:
        """What a run could leave on the terminal. Without neighbours, who come and go with traffic."""
        state = self.kernel_state("mn")
        del state["neighbours"]
        for name, command in {
                "IPv4 rules": ["ip", "-4", "rule"], "IPv4 routes": ["ip", "-4", "route", "show", "table", "all"],
                "queueing disciplines": ["tc", "qdisc", "show"],
                "sysctls": ["sysctl", "-a", "-r", r"^net\.ipv6\.conf|^net\.ipv4\.conf\..*rp_filter"]}.items():
            state[name] = stable(self.run("mn", *command, check=False).stdout)
        # A counter of somebody's rule may go on.
        state["ruleset"] = re.sub(r" packets \d+ bytes \d+", "", state["ruleset"])
        return state

    def assert_host_is(self, before: dict[str, str]) -> None:
        for name, text in self.host_state().items():
            changes = "\n".join(difflib.unified_diff(before[name].splitlines(), text.splitlines(), lineterm="", n=0))
            assert not changes, f"a run changed {name}:\n{changes}"

    def ping(self, role: str, address: str, *options: str) -> subprocess.CompletedProcess:
        return self.run(role, "ping", "-6", "-n", "-c", "3", "-i", "0.2", "-W", "2", *options, address, check=False)


def matches(entry: dict, flow: pcap.Flow) -> bool:
    """Whether an entry of `flow-manager list` is `flow`, whatever its flow label."""
    listed = (entry["source"], entry["destination"], entry["protocol"], entry["sourcePort"], entry["destinationPort"])
    return listed == (str(IPv6Address(flow.source)), str(IPv6Address(flow.destination)),
                      PROTOCOL_NAMES[flow.protocol], flow.source_port, flow.destination_port)


def stable(text: str) -> str:
    """Without remaining lifetimes, and without the device that loading ip6_tunnel makes in every namespace."""
    lines = (re.sub(r" expires \d+sec", "", line).rstrip() for line in text.splitlines())
    return "\n".join(line for line in lines if "ip6tnl0" not in line)
