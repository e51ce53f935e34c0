"""A terminal with one logical interface over two radios loses one of them in the middle of a download."""

import re
import time
from collections.abc import Iterator

from .capture import Trace
from .domain import Domain
from .logical import INTERFACE, LogicalNode
from .pcap import Flow, Packet
from .shell import wait_until
from .topology import ACCESSES, GATEWAYS
from .wifi import Air

# What the stall may last beyond one retransmission timeout.
ALLOWANCE = 0.3
ATTEMPTS = 3
# Little enough that the emulated processor is not what they wait for.
MEGABITS, RATE = 1, 50


def lose_radio(domain: Domain, backend: str, made: str, compares_host: bool = False) -> None:
    """The download comes over if1 and a stream over if2, and if1 is switched off: the download goes on over if2, and the
    stream loses nothing. Then if1 comes back and takes what its owner has put on it. `backend`: as configured; `made`: what
    has to come of it; `compares_host`: the run must leave the terminal as it was."""
    air = Air(domain, list(ACCESSES))
    air.create()
    node = LogicalNode(domain, {gateway: air.triggers(gateway) for gateway in GATEWAYS})
    node.write_configuration({"slaves: [if1, if2]": f"slaves: [if1, if2]\nbackend: {backend}"})
    try:
        before = node.host_state() if compares_host else None
        for gateway in GATEWAYS:
            air.start_access_point(gateway)
        # The slaves have the address of the logical interface before they associate with it.
        node.start_all()
        assert node.ask("show")["interface"]["backend"] == made, node.ask("show")
        for station, gateway in ACCESSES.items():
            air.associate(station, gateway, [gateway])
        address = node.wait_attached()
        for gateway in GATEWAYS:
            air.wait_until_keyed(gateway)
        measure(domain, node, address, made)
        assert node.stop() == 0, node.last_words()
        air.dissociate()
        if before:
            domain.assert_host_is(before)
    finally:
        air.stop()


def measure(domain: Domain, node: LogicalNode, address: str, made: str) -> None:
    trace = Trace({INTERFACE: domain.capture("mn", INTERFACE, "tcp src port 5201", quiet=True)})
    tcp, stream = domain.tcp(address, megabits=MEGABITS), domain.udp(address, rate=RATE)
    bring(domain, node, stream.flow, "mag2")
    # By default flows would leave by if1.
    leaves(node, "if2")
    node.command("select", "--port", str(tcp.flow.destination_port), "--slave", "if1")
    # The emulated processor has other work as well; what is our fault comes again.
    for attempt in range(1, ATTEMPTS + 1):
        pause, timeout = lose(domain, node, tcp.flow, trace)
        print(f"figure: radio lost, {made}: the download paused for {pause * 1000:.0f} ms, with a retransmission timeout of "
              f"{timeout * 1000:.0f} ms")
        domain.ip("mn", "link set if1 up\n")
        node.wait_for_binding("mag1")
        wait_until("the uplink is where its owner wants it", lambda: node.uplink(tcp.flow) == ("if1", True), seconds=20)
        leaves(node, "if1")
        if pause < ALLOWANCE + timeout:
            break
        assert attempt < ATTEMPTS, "the download stood still for too long"
    report, udp = tcp.stop(), stream.stop()
    assert report.error is None, f"the download broke: {report.error}"
    assert udp.lost == 0 and udp.lost_uplink == 0, \
        f"the other radio's flow lost {udp.lost} packets and {udp.lost_uplink} echoes"


def lose(domain: Domain, node: LogicalNode, flow: Flow, trace: Trace) -> tuple[float, float]:
    """if1 is switched off while the flow's downlink arrives there. How long the receiving program got nothing, and the
    sender's retransmission timeout before; in seconds."""
    bring(domain, node, flow, "mag1")
    begin = time.time()
    run_on(trace, flow)
    timeout = retransmission_timeout(domain, flow)
    off = time.time()
    domain.detach("if1")
    wait_until("the download arrives by the other radio", lambda: arrival(node, flow) == "if2", seconds=20)
    run_on(trace, flow)
    assert node.uplink(flow) == ("if2", True), node.ask("list")
    times = list(deliveries(trace.of(flow, INTERFACE, begin)))
    pauses = [later - earlier for earlier, later in zip(times, times[1:]) if later > off]
    return max(pauses), timeout


def bring(domain: Domain, node: LogicalNode, flow: Flow, gateway: str) -> None:
    """The flow's downlink comes through this gateway."""
    domain.flow(flow)
    # A sender of TCP has another flow label after a retransmission timeout: to flow-manager that is another flow.
    for entry in domain.flows(flow):
        if entry["gateway"] != gateway:
            domain.flow_manager.command("move", str(entry["id"]), "--to", gateway)
    wait_until(f"the downlink of port {flow.destination_port} comes through {gateway}",
               lambda: domain.accesses.get(arrival(node, flow)) == gateway)


def arrival(node: LogicalNode, flow: Flow) -> str | None:
    """Slave of the flow's downlink."""
    return (node.entry(flow) or {}).get("arrivedOn")


def leaves(node: LogicalNode, slave: str) -> None:
    counted, sent = node.uplink_packets(slave), node.sent(slave)
    wait_until(f"flows leave by {slave}",
               lambda: node.uplink_packets(slave) > counted + 20 and node.sent(slave) > sent + 20, seconds=20)


def run_on(trace: Trace, flow: Flow) -> None:
    """Until some more of the download has come."""
    def received() -> int:
        trace.update()
        return trace.payload(flow)

    before = received()
    wait_until("the download goes on", lambda: received() > before + 150_000, seconds=20)


def retransmission_timeout(domain: Domain, flow: Flow) -> float:
    """Of the sender, in seconds."""
    text = domain.run("cn", "ss", "-6Htni", "dport", "=", f":{flow.destination_port}").stdout
    found = re.search(r"\brto:([\d.]+)", text)
    assert found, f"no connection: {text}"
    return float(found[1]) / 1000


def deliveries(packets: list[Packet]) -> Iterator[float]:
    """When octets came that the receiver can give to its program: the next in order."""
    following: int | None = None
    early: list[Packet] = []
    for packet in packets:
        if not packet.payload:
            continue
        if following is None:
            following = packet.sequence
        early.append(packet)
        before = following
        while (fitting := next((each for each in early if distance(following, each.sequence) <= 0), None)) is not None:
            early.remove(fitting)
            if distance(following, fitting.sequence + fitting.payload) > 0:
                following = fitting.sequence + fitting.payload & 0xFFFFFFFF
        if following != before:
            yield packet.time


def distance(earlier: int, later: int) -> int:
    """From one sequence number to another; negative when it is the other way round."""
    return (later - earlier + 2**31) % 2**32 - 2**31
