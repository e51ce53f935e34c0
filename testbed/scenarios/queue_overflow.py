"""flow-manager is stopped while new flows come, more than its queue holds: what does not fit passes on the default
binding and is counted, what waited goes on afterwards, and every flow is learned from a later packet."""

import sys

from lib.domain import Domain
from lib.shell import wait_until

GUEST = False

QUEUE, FLOWS, FIRST_PORT, PORT = 64, 200, 20_000, 9_000
SENDER = """
import socket, sys
for port in range(int(sys.argv[2]), int(sys.argv[2]) + int(sys.argv[3])):
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as opened:
        opened.bind(("::", port))
        opened.sendto(b"x", (sys.argv[1], int(sys.argv[4])))
"""


def run(domain: Domain) -> None:
    domain.flow_manager.write_configuration({"log-level: debug": f"log-level: debug\nqueue:\n  length: {QUEUE}"})
    domain.start_attached()
    home = domain.address("if1")
    assert home

    sent = 0

    def send() -> None:
        nonlocal sent
        sent += FLOWS
        domain.run("cn", sys.executable, "-c", SENDER, home, str(FIRST_PORT), str(FLOWS), str(PORT))

    def known() -> int:
        return len({entry["sourcePort"] for entry in domain.flows() if entry["destinationPort"] == PORT})

    def arrived() -> int:
        """Packets for a port that nobody has open."""
        lines = domain.run("mn", "cat", "/proc/net/snmp6").stdout.splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Udp6NoPorts"))
    before, arrived_before = domain.flow_manager.counters(), arrived()
    domain.flow_manager.pause()
    send()
    domain.flow_manager.resume()
    wait_until(f"the {QUEUE} that waited are flows", lambda: known() >= QUEUE - 8)
    after = domain.flow_manager.counters()
    undecided = after["packets-passed-undecided"] - before["packets-passed-undecided"]
    assert undecided >= FLOWS - QUEUE - 8, f"{undecided} of {FLOWS} packets are counted as undecided"
    assert known() + undecided <= FLOWS, f"{known()} flows and {undecided} undecided packets of {FLOWS}"

    def all_known() -> bool:
        # What comes in one burst may be more than the queue holds again.
        send()
        return known() == FLOWS

    wait_until(f"all {FLOWS} flows are known", all_known)
    wait_until(f"all {sent} packets have arrived", lambda: arrived() - arrived_before == sent)
