"""The namespaces and links of the domain.

                         cn  2001:db8:c::2
                         │ eth0
                         │ cn0  2001:db8:c::1
                        lma
                         │ core0  2001:db8:1::1
                ┌──── core (switch) ────┐
     ::11 core0 │                       │ core0 ::12
              mag1                    mag2
           acc0 │                       │ acc0
            if1 └────────── mn ─────────┘ if2
"""

import json
import os
import shutil
import signal
from pathlib import Path

from .shell import CommandError, run

ROLES = ["cn", "lma", "core", "mag1", "mag2", "mn"]
RUNS = Path("/run/flowmob-testbed")

LMA = "2001:db8:1::1"
GATEWAYS = {"mag1": "2001:db8:1::11", "mag2": "2001:db8:1::12"}
CORRESPONDENT = "2001:db8:c::2"
HOME_POOL = "2001:db8:100::/48"
# One per interface of the node, in the order of attachment.
HOME_PREFIXES = ["2001:db8:100:1::/64", "2001:db8:100:2::/64"]
NODE = "mn1@example.net"
ACCESSES = {"if1": "mag1", "if2": "mag2"}
# if3: lib/cellular.py, where a scenario asks for it. PPP has no link-layer addresses; this one stands for the node.
NODE_MAC = {"if1": "02:00:00:00:01:01", "if2": "02:00:00:00:01:02", "if3": "02:00:00:00:01:03"}
CELLULAR_GATEWAYS = {"mag3": "2001:db8:1::13"}

# A router forwards; the home prefixes are nobody's neighbours, so nothing redirects.
ROUTER_SYSCTLS = ["net.ipv6.conf.all.forwarding=1", "net.ipv6.conf.default.accept_ra=0"]


class Topology:
    """Namespaces of one run. Their names start with the process id, so runs do not meet."""

    def __init__(self) -> None:
        self.name = f"fm{os.getpid()}"
        # Short: UNIX socket paths end at 108 octets.
        self.directory = RUNS / str(os.getpid())

    def namespace(self, role: str) -> str:
        return f"{self.name}-{role}"

    def run(self, role: str, *command: str, **options):
        return run(*command, namespace=self.namespace(role), **options)

    def ip(self, role: str, lines: str) -> None:
        run("ip", "-6", "-n", self.namespace(role), "-batch", "-", stdin=lines)

    def ip_json(self, role: str, *command: str) -> list:
        return json.loads(run("ip", "-n", self.namespace(role), "-6", "-j", *command).stdout or "[]")

    def create(self) -> None:
        self.directory.mkdir(parents=True)
        n = self.namespace
        run("ip", "-batch", "-", stdin="".join(f"netns add {n(role)}\n" for role in ROLES))
        pairs = [(n("cn"), "eth0", n("lma"), "cn0"), (n("lma"), "core0", n("core"), "lma")]
        pairs += [(n(gateway), "core0", n("core"), gateway) for gateway in GATEWAYS]
        pairs += [(n("mn"), interface, n(gateway), "acc0") for interface, gateway in ACCESSES.items()]
        run("ip", "-batch", "-", stdin="".join(
            f"link add {interface} netns {here} type veth peer name {peer} netns {there}\n"
            for here, interface, there, peer in pairs))

        for role in ["lma", *GATEWAYS]:
            self.run(role, "sysctl", "-qw", *ROUTER_SYSCTLS)
        # Static addresses need no duplicate address detection; the node's own do, and do it.
        self.ip("core", "link add name switch type bridge\nlink set switch up\n" + "".join(
            f"link set {port} master switch\nlink set {port} up\n" for port in ["lma", *GATEWAYS]))
        self.ip("lma", f"link set lo up\naddr add {LMA}/64 dev core0 nodad\nlink set core0 up\n"
                "addr add 2001:db8:c::1/64 dev cn0 nodad\nlink set cn0 up\n")
        self.ip("cn", f"link set lo up\naddr add {CORRESPONDENT}/64 dev eth0 nodad\nlink set eth0 up\n"
                "route add default via 2001:db8:c::1\n")
        for gateway, address in GATEWAYS.items():
            self.ip(gateway, f"link set lo up\naddr add {address}/64 dev core0 nodad\nlink set core0 up\n"
                    "link set acc0 up\n")
        self.ip("mn", "link set lo up\n" + "".join(
            f"link set {interface} address {NODE_MAC[interface]}\n" for interface in ACCESSES))

    def delete(self) -> None:
        delete_run(self.directory)


def delete_run(directory: Path) -> None:
    """Ends every process in the namespaces of a run and removes them: all that a run leaves on the machine."""
    name = f"fm{directory.name}"
    existing = run("ip", "netns", "list", check=False).stdout.split()
    for namespace in existing:
        if not namespace.startswith(f"{name}-"):
            continue
        for process in run("ip", "netns", "pids", namespace, check=False).stdout.split():
            try:
                os.kill(int(process), signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            run("ip", "netns", "del", namespace)
        except CommandError as error:
            print(f"warning: {error}")
    shutil.rmtree(directory, ignore_errors=True)


def owner_is_alive(directory: Path) -> bool:
    try:
        return b"lib." in Path(f"/proc/{directory.name}/cmdline").read_bytes()
    except OSError:
        return False
