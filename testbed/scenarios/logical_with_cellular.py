"""A terminal with one logical interface over an Ethernet access and a cellular PPP link of another gateway (3G-like delay and
rate), by the back end `auto`: it gets its address by PPP alone. A TCP download that the operator moves to PPP goes on there
while bonding-policy is dead, by Ethernet when the session is hung up, and when that is dialled again the operator moves it to
PPP and back, and its uplink follows. In the end the PPP link is as it was."""

import sys

from lib.cellular import ANCHOR, DEVICE, GATEWAY, INTERFACE, Cellular, access
from lib.daemons import PROGRAMS
from lib.domain import Domain
from lib.logical import INTERFACE as LOGICAL
from lib.logical import MAC, LogicalNode
from lib.pcap import Flow
from lib.radioloss import arrival, bring
from lib.shell import wait_until
from lib.topology import CORRESPONDENT

# PPP and filters that push headers need a kernel with modules.
NATIVE = False
ALONE = True
SECONDS = 90
TCP_MEGABITS = 1
# Of a default router; without options.
ADVERTISEMENT = """
import socket, struct, sys
with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sender:
    sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex(sys.argv[1]))
    sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    sender.sendto(struct.pack("!BxxxBxHxxxxxxxx", 134, 64, 1800), ("ff02::1", 0))
"""


def run(domain: Domain) -> None:
    cellular = Cellular(domain)
    node = LogicalNode(domain, {GATEWAY: access(MAC, solicitations=True)}, ANCHOR)
    node.write_configuration({
        "slaves: [if1, if2]": f"slaves: [if1, {INTERFACE}]\nlink-layer-address: {MAC}\nbackend: auto"})
    before = node.host_state()
    try:
        domain.lmad.start()
        domain.magd[GATEWAY].start()
        cellular.dial()
        # What the link has got as an interface of its own must not be in the way.
        wait_until("the node has an address by PPP", lambda: domain.address(INTERFACE), seconds=20)
        setting = settings(domain)
        for daemon in [domain.magd["mag1"], domain.flow_manager, node]:
            daemon.start()
        interface = node.ask("show")["interface"]
        assert interface["backend"] == "veth" and INTERFACE in interface["backendReason"], interface
        home = wait_until("the logical interface has an address", lambda: domain.address(LOGICAL), seconds=20)
        assert domain.address(INTERFACE) is None, "the slave has kept its address"
        hear_router(domain, node)
        ping = domain.ping("mn", CORRESPONDENT)
        assert ping.returncode == 0, f"nobody is reached by PPP: {ping.stdout}"
        domain.ip("mn", "link set if1 up\n")
        node.wait_for_binding("mag1")
        # The device of another session takes its place, and mag1 is the gateway of new flows from now on.
        cellular.hang_up()
        wait_until("the session has ended", lambda: node.binding(GATEWAY) is None, seconds=20)
        cellular.dial()
        node.wait_for_binding(GATEWAY)
        lose_session(domain, node, cellular, home)

        doctor = domain.run("mn", str(PROGRAMS / "bonding-policy"), "doctor", "-c", str(node.configuration), check=False)
        assert doctor.returncode == 0 and "PROBLEM" not in doctor.stdout, doctor.stdout + doctor.stderr
        assert node.stop() == 0, node.last_words()
        assert settings(domain) == setting, f"a run changed {INTERFACE}: {settings(domain)}, {setting} before"
    finally:
        cellular.hang_up()
    domain.detach("if1")
    wait_until("the PPP device is gone",
               lambda: domain.run("mn", "ip", "link", "show", INTERFACE, check=False).returncode != 0)
    domain.assert_host_is(before)


def hear_router(domain: Domain, node: LogicalNode) -> None:
    """A gateway whose advertisement does not name its link-layer address, as on most cellular links, is a neighbour."""
    domain.run("mn", "ip", "-6", "neigh", "flush", "dev", LOGICAL)
    domain.run(GATEWAY, sys.executable, "-c", ADVERTISEMENT, DEVICE)
    wait_until("the router is a neighbour", lambda: "00:00:5e:00:52:13" in domain.run(
        "mn", "ip", "-6", "neigh", "show", "dev", LOGICAL).stdout)
    assert node.ask("show")["counters"]["routers-learned"] == 1, node.ask("show")


def lose_session(domain: Domain, node: LogicalNode, cellular: Cellular, home: str) -> None:
    download = domain.tcp(home, megabits=TCP_MEGABITS, port=5301, client_port=40301)
    bring(domain, node, download.flow, GATEWAY)
    node.kill()
    goes_on(domain, download.flow)
    node.start()
    assert arrival(node, download.flow) == INTERFACE, node.ask("list")
    cellular.hang_up()
    wait_until("the download comes by Ethernet", lambda: arrival(node, download.flow) == "if1", seconds=20)
    goes_on(domain, download.flow)
    cellular.dial()
    node.wait_for_binding(GATEWAY)
    for gateway, slave in ((GATEWAY, INTERFACE), ("mag1", "if1")):
        bring(domain, node, download.flow, gateway)
        goes_on(domain, download.flow)
        wait_until(f"the uplink follows to {slave}", lambda: node.uplink(download.flow) == (slave, False))
    report = download.stop()
    assert report.error is None, f"the download broke: {report.error}"


def goes_on(domain: Domain, flow: Flow) -> None:
    before = octets(domain, flow)
    wait_until("the download goes on", lambda: octets(domain, flow) > before + 250_000, seconds=20)


def octets(domain: Domain, flow: Flow) -> int:
    return sum(entry["octets"] for entry in domain.flows(flow))


def settings(domain: Domain) -> dict[str, str]:
    """Of the PPP device, without the MTU that a gateway has advertised to it."""
    sysctls = domain.run("mn", "sysctl", "-a", "-r", rf"^net\.ipv6\.conf\.{INTERFACE}\.").stdout
    return {
        "qdiscs": domain.run("mn", "tc", "qdisc", "show", "dev", INTERFACE).stdout,
        "sysctls": "\n".join(line for line in sysctls.splitlines() if f".{INTERFACE}.mtu " not in line)}
