"""Anchors side by side for testbed/bench, between one correspondent and one far end that plays all gateways and nodes.

    cn ── <name> ┐ cn0                core0 ┌ <name> ── far
                 └──── anchor <name> ───────┘

The far end drops tunnelled UDP where it comes in and counts it by gateway; all else is decapsulated and delivered.
"""

import ctypes
import json
import os
import signal
import socket
import string
import struct
import subprocess
import time
from ipaddress import IPv6Address
from pathlib import Path

from . import mobility
from .control import Control
from .daemons import PROGRAMS, TESTBED
from .shell import in_namespace, run, wait_until
from .topology import RUNS, delete_run

RESULTS = TESTBED / "results" / "bench"
TUNNELS = 50
# Nodes 0 ... TUNNELS - 1 have one access each; this one has a logical interface and two.
LOGICAL = TUNNELS
CORRESPONDENT = "2001:db8:c::2"
HOME_POOL = "2001:db8:8000::/34"
CLONE_NEWNET = 0x40000000
# The sender; the daemon, and forwarding where it is measured alone.
TRAFFIC_CPU, SERVER_CPU = "0", "1"


def home_prefix(node: int) -> str:
    return f"2001:db8:8000:{node:x}::/64"


def home_address(node: int) -> str:
    return f"2001:db8:8000:{node:x}::1"


class Anchor:
    """An anchor's namespace and its two links; what forwards in it is the caller's business."""

    def __init__(self, domain: "Domain", name: str, number: int) -> None:
        self.domain = domain
        self.name = name
        self.core = f"2001:db8:{number:x}"
        self.outer = f"2001:db8:c:{number:x}"
        self.namespace = domain.namespace(name)

    def address(self) -> str:
        return f"{self.core}::1"

    def gateway(self, index: int) -> str:
        return f"{self.core}::{0x1000 + index:x}"

    def create(self) -> None:
        cn, far = self.domain.namespace("cn"), self.domain.namespace("far")
        run("ip", "-batch", "-", stdin=f"netns add {self.namespace}\n"
            f"link add cn0 netns {self.namespace} type veth peer name {self.name} netns {cn}\n"
            f"link add core0 netns {self.namespace} type veth peer name {self.name} netns {far}\n")
        run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1", "net.ipv6.conf.default.accept_ra=0",
            "net.ipv6.conf.all.accept_redirects=0", namespace=self.namespace)
        run("ip", "-6", "-n", self.namespace, "-batch", "-", stdin="link set lo up\n"
            f"addr add {self.outer}::1/64 dev cn0 nodad\nlink set cn0 up\n"
            f"link set core0 mtu 1600\naddr add {self.address()}/64 dev core0 nodad\nlink set core0 up\n"
            f"route add 2001:db8:c::/64 via {self.outer}::2 dev cn0\n")
        run("ip", "-6", "-n", cn, "-batch", "-",
            stdin=f"addr add {self.outer}::2/64 dev {self.name} nodad\nlink set {self.name} up\n")
        run("ip", "-6", "-n", far, "-batch", "-", stdin=f"link set {self.name} mtu 1600\nlink set {self.name} up\n"
            f"addr add {self.core}::ffff/64 dev {self.name} nodad\n" + "".join(
                f"addr add {self.gateway(i)}/64 dev {self.name} nodad\n"
                f"route add {self.gateway(i)}/128 table 99 encap seg6local action End.DT6 table 255 dev {self.name}\n"
                for i in range(TUNNELS)))
        # Forwarding must not wait for neighbours.
        far_mac = self.mac(far, self.name)
        run("ip", "-6", "-n", self.namespace, "-batch", "-", stdin="".join(
            f"neigh replace {self.gateway(i)} lladdr {far_mac} dev core0 nud permanent\n" for i in range(TUNNELS)))
        run("nft", "-f", "-", namespace=far, stdin=f"table netdev bench {{\n"
            f" set {self.name} {{ type ipv6_addr; counter; elements = {{"
            + ", ".join(self.gateway(i) for i in range(TUNNELS)) + "} }\n"
            f" chain {self.name} {{ type filter hook ingress device {self.name} priority 0;\n"
            # The inner next header is at octet 46: behind the outer header and 6 octets of the inner one.
            f"  ip6 nexthdr 41 @nh,368,8 17 ip6 daddr @{self.name} drop\n }}\n}}\n")

    def mac(self, namespace: str, interface: str) -> str:
        return run("cat", f"/sys/class/net/{interface}/address", namespace=namespace).stdout.strip()

    def use(self) -> None:
        """TCP between correspondent and nodes goes through this anchor."""
        self.domain.ip("cn", f"route replace {HOME_POOL} via {self.outer}::1 dev {self.name} src {CORRESPONDENT}\n")
        self.domain.ip("far", f"route replace 2001:db8:c::/64 via {self.address()} dev {self.name}\n")

    def offloads(self, on: bool) -> None:
        word = "on" if on else "off"
        for namespace, interface in [(self.domain.namespace("cn"), self.name), (self.namespace, "cn0"),
                                     (self.namespace, "core0"), (self.domain.namespace("far"), self.name)]:
            run("ethtool", "-K", interface, "tso", word, "gso", word, "gro", word, namespace=namespace)

    def forward_on(self, cpu: str | None) -> None:
        """Packets from the correspondent are forwarded by this processor; None: where they are sent."""
        mask = f"{1 << int(cpu):x}" if cpu is not None else "0"
        run("sh", "-c", f"echo {mask} > /sys/class/net/cn0/queues/rx-0/rps_cpus", namespace=self.namespace)

    def forwarded(self) -> int:
        return int(run("cat", "/sys/class/net/core0/statistics/tx_packets", namespace=self.namespace).stdout)

    def arrived(self) -> dict[int, int]:
        """Tunnelled UDP packets at the far end, by gateway."""
        document = json.loads(run("nft", "-j", "list", "set", "netdev", "bench", self.name,
                                  namespace=self.domain.namespace("far")).stdout)
        elements = next(part["set"]["elem"] for part in document["nftables"] if "set" in part)
        return {(int(IPv6Address(e["elem"]["val"])) & 0xFFFF) - 0x1000: e["elem"]["counter"]["packets"]
                for e in elements}

    # MARK: Traffic

    def sender(self, first: int, count: int, rate: float, seconds: float, nodes: tuple[int, int] = (0, TUNNELS),
               cpu: str = TRAFFIC_CPU) -> subprocess.Popen:
        """Flows `first` ... `first + count - 1` over nodes `nodes[0]` ... for `seconds`; 0: one packet each."""
        return subprocess.Popen(
            in_namespace(self.domain.namespace("cn"), [
                "taskset", "-c", cpu, str(PROGRAMS / "FlowTraffic"), "send", self.name,
                self.mac(self.namespace, "cn0"), *map(str, [first, count, *nodes, rate, seconds])]),
            stdout=subprocess.PIPE, text=True)

    def send(self, *arguments, **options) -> dict:
        return finish(self.sender(*arguments, **options))

    def receiver(self, seconds: float = 60) -> subprocess.Popen:
        process = subprocess.Popen(
            in_namespace(self.domain.namespace("far"), [
                "taskset", "-c", TRAFFIC_CPU, str(PROGRAMS / "FlowTraffic"), "receive", self.name, str(seconds)]),
            stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None and process.stdout.readline() == "ready\n", "no receiver"
        return process


def finish(process: subprocess.Popen, stop: bool = False) -> dict:
    if stop:
        process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, f"{process.args} ended with {process.returncode}"
    return json.loads(output.splitlines()[-1])


class Domain:
    """Namespaces, kernel-only anchors, and one anchor with lmad and flow-manager."""

    def __init__(self) -> None:
        self.name = f"fm{os.getpid()}"
        self.directory = RUNS / str(os.getpid())
        self.anchors: dict[str, Anchor] = {}
        self.gateways: dict[int, socket.socket] = {}
        self.daemons: dict[str, subprocess.Popen] = {}

    def namespace(self, role: str) -> str:
        return f"{self.name}-{role}"

    def ip(self, role: str, lines: str) -> None:
        run("ip", "-6", "-n", self.namespace(role), "-batch", "-", stdin=lines)

    def __enter__(self) -> "Domain":
        self.directory.mkdir(parents=True)
        RESULTS.mkdir(parents=True, exist_ok=True)
        try:
            for role in ["cn", "far"]:
                run("ip", "netns", "add", self.namespace(role))
            self.ip("cn", f"link set lo up\naddr add {CORRESPONDENT}/128 dev lo nodad\n")
            self.ip("far", f"link set lo up\nroute add local {HOME_POOL} dev lo\n"
                    "rule add pref 10 lookup local\nrule add pref 5 ipproto 41 lookup 99\nrule del pref 0\n")
            run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1", namespace=self.namespace("far"))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self.daemons):
            self.kill(name)
        for gateway in self.gateways.values():
            gateway.close()
        delete_run(self.directory)

    def anchor(self, name: str) -> Anchor:
        self.anchors[name] = anchor = Anchor(self, name, 0xd0 + len(self.anchors))
        assert len(name) <= 15, "the name of an interface"
        anchor.create()
        return anchor

    # MARK: Daemons

    def start_anchor(self, anchor: Anchor) -> None:
        gateways = ", ".join(f"{{name: g{i}, address: {anchor.gateway(i)}}}" for i in range(TUNNELS))
        nodes = [f"{{id: n{i}@bench, reserved-prefixes: ['{home_prefix(i)}']}}" for i in range(TUNNELS)]
        nodes.append(f"{{id: n{LOGICAL}@bench, kind: logical, reserved-prefixes: ['{home_prefix(LOGICAL)}']}}")
        self.managed = anchor
        self.start("lmad", "bench-lmad.yaml", anchor=anchor.address(), gateways=gateways, nodes=", ".join(nodes))
        for i in range(TUNNELS):
            self.gateways[i] = self.socket_in("far", anchor.gateway(i))
            self.register(i, i)
        self.register(LOGICAL, 0, handoff=1)
        self.register(LOGICAL, 1, handoff=1)

    def start_manager(self, maximum: int = 200_000, idle: str = "300s") -> None:
        self.start("flow-manager", "bench-flow-manager.yaml", maximum=maximum, idle=idle)
        wait_until("the anchor is known", lambda: self.document("show", "tunnels")["anchorConnected"])

    def stop_manager(self) -> None:
        """And everything that it leaves in the kernel."""
        self.kill("flow-manager")
        run(str(PROGRAMS / "flow-manager"), "cleanup", "-c", str(self.directory / "flow-manager.yaml"),
            namespace=self.managed.namespace)

    def start(self, program: str, template: str, **values: object) -> None:
        file = self.directory / f"{program}.yaml"
        file.write_text(string.Template((TESTBED / "config" / template).read_text()).substitute(
            run=self.directory, **values))
        log = RESULTS / f"{program}.log"
        with log.open("w") as output:
            self.daemons[program] = subprocess.Popen(
                in_namespace(self.managed.namespace,
                             ["taskset", "-c", SERVER_CPU, str(PROGRAMS / program), "run", "-c", str(file)]),
                stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        control = self.directory / f"{program}.sock"

        def ready() -> bool:
            if self.daemons[program].poll() is not None:
                raise SystemExit(f"{program} ended: {log.read_text()}")
            try:
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(str(control))
                return True
            except OSError:
                return False
        wait_until(f"{program} is ready", ready, seconds=120)

    def kill(self, program: str) -> None:
        process = self.daemons.pop(program)
        process.kill()
        process.wait()

    def end(self, program: str) -> None:
        """In good order."""
        process = self.daemons.pop(program)
        process.terminate()
        process.wait(timeout=60)

    def control(self) -> Control:
        return Control(self.directory / "flow-manager.sock", seconds=120)

    def document(self, *command: str) -> dict:
        with self.control() as control:
            return control.ask(" ".join(command))

    def counters(self) -> dict[str, int]:
        return self.document("show", "counters")["counters"]

    def resident(self) -> int:
        """Octets of flow-manager that are in memory."""
        pages = Path(f"/proc/{self.daemons['flow-manager'].pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def highest_resident(self) -> int:
        """The most that it has had."""
        for line in Path(f"/proc/{self.daemons['flow-manager'].pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise SystemExit("no VmHWM")

    def processor_seconds(self) -> float:
        return int(Path(f"/proc/{self.daemons['flow-manager'].pid}/schedstat").read_text().split()[0]) / 1e9

    # MARK: Signalling

    def socket_in(self, role: str, address: str) -> socket.socket:
        """A raw socket for Mobility Headers in that namespace; a socket keeps the one it was made in."""
        libc = ctypes.CDLL(None, use_errno=True)
        here, there = (os.open(path, os.O_RDONLY) for path in [
            "/proc/thread-self/ns/net", f"/run/netns/{self.namespace(role)}"])
        try:
            if libc.setns(there, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
            raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, mobility.MOBILITY)
        finally:
            if libc.setns(here, CLONE_NEWNET) != 0:
                raise SystemExit("cannot return to the network namespace")
            os.close(here)
            os.close(there)
        raw.bind((address, 0))
        raw.settimeout(5)
        return raw

    def register(self, node: int, gateway: int, lifetime: int = 3600, handoff: int = 4) -> float:
        """One registration through `gateway`, refreshed, or ended with lifetime 0; seconds until its answer."""
        raw = self.gateways[gateway]
        update = mobility.proxy_binding_update(f"n{node}@bench", f"02:00:00:00:00:{node:02x}", lifetime=lifetime,
                                               handoff=handoff)
        start = time.perf_counter()
        raw.sendto(update, (self.managed.address(), 0))
        while True:
            answer = raw.recv(2048)
            if answer[2] == 6:
                break
        taken = time.perf_counter() - start
        assert answer[6] < 128, f"registration of n{node} at g{gateway}: status {answer[6]}"
        return taken
