"""The node's cellular access: a PPP link to a third gateway, as a 3G modem gives one to the host that it is plugged into.

                   core ──── core0 mag3 ppp0 ─── PPP, shaped ─── if3 mn

The packets go through the kernel's PPP from end to end (a PPPoE session over a cable between the two namespaces, without its
discovery), so both devices are what pppd makes of any modem: point to point, without link-layer addresses, there while the
session lasts, with link-local addresses by IPV6CP. netem below delays and shapes them. Guest only: it needs a kernel with
modules."""

import subprocess
import time

from .daemons import Daemon
from .domain import Domain
from .shell import in_namespace, run
from .topology import CELLULAR_GATEWAYS, NODE_MAC, ROUTER_SYSCTLS
from .verdict import Verdict, follow, report

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
TCP_MEGABITS, UDP_RATE = 1, 50
# Seconds between two moves: those of one flow are two apart.
PHASE = 1.5
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


def move_both_ways(domain: Domain, home: str, other: str) -> None:
    """A UDP stream and a TCP download go from mag1, whose access is called `other`, to cellular and back. No packet is lost, the
    download is whole, and the uplink follows."""
    accesses, correspondent = domain.trace_accesses(), domain.trace_correspondent()
    stream, download = domain.udp(home, rate=UDP_RATE), domain.tcp(home, megabits=TCP_MEGABITS)
    flows = {"UDP": stream.flow, "TCP": download.flow}
    domain.flow(download.flow)
    begin = time.time()
    time.sleep(PHASE)
    moves = []
    for gateway in (GATEWAY, "mag1"):
        for name, flow in flows.items():
            moves.append((name, domain.move(flow, gateway)))
            time.sleep(PHASE)
    end = time.time()
    udp, tcp = stream.stop(), download.stop()
    accesses.finish()
    correspondent.finish()

    verdict = Verdict()
    for name, flow in flows.items():
        away, back = (move for of, move in moves if of == name)
        for move, since, until in ((away, begin, back.begin), (back, away.end + PHASE, end)):
            title = f"{name} to {'cellular' if move is away else other}"
            verdict.add_move(title, report(accesses, move, since, until), round_trip=2 * DELAY)
            uplink = follow(accesses, move, until)
            verdict.add(uplink.astray == 0 and uplink.packets > 0, f"{title}: uplink packets astray", f"{uplink}")
            print(f"figure: {title}: {uplink}")
    assert verdict.holds(), verdict.failures()
    assert tcp.error is None, f"the TCP connection broke: {tcp.error}"
    sent, received = correspondent.payload(download.flow), accesses.payload(download.flow)
    assert sent == received, f"TCP: {sent} bytes sent, {received} received"
    assert udp.lost == 0 and udp.lost_uplink == 0, \
        f"lost: {udp.lost} of {udp.sent} ({udp.lost_numbers()[:20]}), {udp.lost_uplink} echoes"
    print(f"figure: UDP packets lost: {udp.lost} of {udp.sent}, reordered {udp.reordered}, echoes lost {udp.lost_uplink}; "
          f"TCP bytes lost: {sent - received} of {sent}, {tcp.retransmissions} retransmissions")
