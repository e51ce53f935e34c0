"""The node's cellular access: a PPP link to a third gateway, as a 3G modem gives one to the host that it is plugged into.

                   core ──── core0 mag3 ppp0 ─── PPP, shaped ─── if3 mn

The packets go through the kernel's PPP from end to end (a PPPoE session over a cable between the two namespaces, without its
discovery), so both devices are what pppd makes of any modem: point to point, without link-layer addresses, there while the
session lasts, with link-local addresses by IPV6CP. netem below delays and shapes them. Guest only: it needs a kernel with
modules."""

import subprocess

from .daemons import Daemon
from .domain import Domain
from .shell import in_namespace, run
from .topology import CELLULAR_GATEWAYS, NODE_MAC, ROUTER_SYSCTLS

(GATEWAY, ADDRESS), = CELLULAR_GATEWAYS.items()
INTERFACE, DEVICE = "if3", "ppp0"
# Of the cable below.
CABLE = "cable0"
ENDS = {GATEWAY: "02:00:00:00:0c:01", "mn": "02:00:00:00:0c:02"}
SESSION = 1
# HSDPA in ordinary use: seconds one way, rates to and from the node.
DELAY = 0.060
RATES = {GATEWAY: "2mbit", "mn": "384kbit"}
# Packets; deep, as in such networks.
QUEUE = 500
# Of the anchor's configuration.
ANCHOR = {"  - name: mag2": f"  - name: {GATEWAY}\n    address: {ADDRESS}\n  - name: mag2",
          "gateways: [mag1, mag2]": f"gateways: [mag1, mag2, {GATEWAY}]"}


def access(node: str, solicitations: bool = False) -> dict[str, str]:
    """Of the gateway's configuration. `node`: the link-layer address that stands for the node; `solicitations`: the gateway
    answers Router Solicitations, besides the session that comes up."""
    return {"interface: acc0": f"interface: {DEVICE}",
            "access-technology: ieee-802.11":
                f"access-technology: 3gpp-utran\n    triggers:\n      router-solicitation: {str(solicitations).lower()}\n"
                f"      neighbour: false\n      point-to-point-node: {node}"}


class Cellular:
    """Replaces if2 and its gateway among the accesses of `domain`, before its daemons start."""

    def __init__(self, domain: Domain) -> None:
        self.domain = domain
        self.sessions: dict[str, subprocess.Popen] = {}
        domain.accesses = {"if1": "mag1", INTERFACE: GATEWAY}
        self.create()
        magd = domain.magd[GATEWAY] = Daemon(domain, domain.results, GATEWAY, "magd", GATEWAY, ["show", "links"])
        magd.write_configuration(access(NODE_MAC[INTERFACE]))
        domain.lmad.write_configuration(ANCHOR)
        domain.reflector.write_configuration({"if2": INTERFACE})

    def create(self) -> None:
        domain, here, there = self.domain, self.domain.namespace(GATEWAY), self.domain.namespace("mn")
        run("modprobe", "pppoe")
        run("ip", "netns", "add", here)
        domain.run(GATEWAY, "sysctl", "-qw", *ROUTER_SYSCTLS)
        domain.ip("core", f"link add {GATEWAY} type veth peer name core0 netns {here}\nlink set {GATEWAY} master switch\n"
                  f"link set {GATEWAY} up\n")
        domain.ip(GATEWAY, f"link set lo up\naddr add {ADDRESS}/64 dev core0 nodad\nlink set core0 up\n"
                  f"link add {CABLE} type veth peer name {CABLE} netns {there}\n")
        for role, address in ENDS.items():
            # Nothing but PPP is on the cable.
            domain.run(role, "sysctl", "-qw", f"net.ipv6.conf.{CABLE}.disable_ipv6=1")
            domain.ip(role, f"link set {CABLE} address {address}\nlink set {CABLE} up\n")
            domain.run(role, "tc", "qdisc", "add", "dev", CABLE, "root", "netem", "limit", str(QUEUE),
                       "delay", f"{DELAY * 1000:.0f}ms", "rate", RATES[role])

    def dial(self) -> None:
        """The session comes up; its devices appear."""
        for (role, peer), device, identifiers in zip(
                zip(ENDS, reversed(ENDS)), (DEVICE, INTERFACE), ("::a,::b", "::b,::a")):
            with (self.domain.results / f"pppd-{role}.log").open("a") as log:
                self.sessions[role] = subprocess.Popen(
                    in_namespace(self.domain.namespace(role), [
                        "pppd", "nodetach", "debug", "plugin", "pppoe.so", f"nic-{CABLE}", "pppoe-sess",
                        f"{SESSION}:{ENDS[peer]}", "ifname", device, "noauth", "noip", "+ipv6", "ipv6", identifiers, "noccp"]),
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def hang_up(self) -> None:
        for session in self.sessions.values():
            session.terminate()
            session.wait()
        self.sessions.clear()
