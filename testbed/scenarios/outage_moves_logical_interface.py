"""A node with one logical interface loses the access that its flows use: all of them move at once to the other one, and
the TCP download lives."""

import sys

from lib import pcap
from lib.domain import Domain
from lib.logical import LogicalNode
from lib.shell import wait_until

STREAMS = 3
# So many flows of one prefix are diverted together, before their elements are rewritten.
CROWD = 300
# One packet of each flow.
PACKETS = """
import socket, sys
for port in range(20_000, 20_000 + int(sys.argv[2])):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.bind(("::", port))
        sender.sendto(b"x", (sys.argv[1], 9))
"""


def run(domain: Domain) -> None:
    node = LogicalNode(domain)
    address = node.start_attached()
    tcp = domain.tcp(address)
    streams = [domain.udp(address, port=7000 + 10 * number, source_port=7001 + 10 * number, rate=50)
               for number in range(STREAMS)]
    flows = [tcp.flow, *(stream.flow for stream in streams)]
    gateway = domain.flow(tcp.flow)["gateway"]
    other = "mag2" if gateway == "mag1" else "mag1"
    for flow in flows:
        assert domain.flow(flow)["gateway"] == gateway, f"the flows do not begin together: {domain.flows()}"
    domain.run("cn", sys.executable, "-c", PACKETS, address, str(CROWD))
    wait_until("there are many flows", lambda: domain.flow_manager.counters()["flows-added"] >= CROWD + len(flows))
    identifiers = {domain.flow(flow)["id"] for flow in flows}
    before = domain.flow_manager.counters()

    domain.detach("if1" if gateway == "mag1" else "if2")
    wait_until(f"all flows have moved to {other}",
               lambda: all(domain.flow(flow)["gateway"] == other for flow in flows), seconds=15)
    after = domain.flow_manager.counters()
    # The download's control connection is a flow as well.
    moved = after["flows-moved-by-binding"] - before["flows-moved-by-binding"]
    assert moved >= CROWD + len(flows), f"{moved} flows moved for the binding that was lost: {after}"
    assert after["flows-diverted"] - before["flows-diverted"] == moved, f"not diverted: {after}"
    wait_until("the elements of all flows say so as well", lambda: "diverted" not in domain.kernel_state("lma")["ruleset"])
    assert after["flows-removed-without-tunnel"] == before["flows-removed-without-tunnel"], after
    assert {domain.flow(flow)["id"] for flow in flows} == identifiers, "flows were not moved but made anew"
    received = octets(domain, tcp.flow)
    wait_until("the download goes on", lambda: octets(domain, tcp.flow) > received + 1_000_000, seconds=20)
    report = tcp.stop()
    assert report.error is None, f"the download broke: {report.error}"
    for stream in streams:
        udp = stream.stop()
        lost = udp.lost_numbers()
        # Only what was under way, or sent before the anchor knew.
        assert not lost or lost[-1] - lost[0] < udp.sent / 2 and udp.received > 0, f"lost: {lost[:10]} of {udp.sent}"
        assert udp.sent - 1 not in lost, "the last packets are lost still"


def octets(domain: Domain, flow: pcap.Flow) -> int:
    """Over all flow labels that a connection has had: a sender changes it after a retransmission timeout."""
    return sum(entry["octets"] for entry in domain.flows(flow))
