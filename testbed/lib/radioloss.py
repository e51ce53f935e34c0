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
# Little enough that the emulated processor is not what they wait for.
MEGABITS, RATE = 1, 50


def lose_radio(domain: Domain, backend: str, made: str) -> None:
    """The download comes over if1 and a stream over if2, and if1 is switched off: the download goes on over if2, and the
    stream loses nothing. Then if1 comes back and takes what its owner has put on it. The run leaves the terminal as it was.
    `backend`: as configured; `made`: what has to come of it."""
    air = Air(domain, list(ACCESSES))
    air.create()
    node = LogicalNode(domain, {gateway: air.triggers(gateway) for gateway in GATEWAYS})
    node.write_configuration({"slaves: [if1, if2]": f"slaves: [if1, if2]\nbackend: {backend}"})
    try:
        before = node.host_state()
        for gateway in GATEWAYS:
            air.start_access_point(gateway)
        # The slaves have the address of the logical interface before they associate with it.
        node.start_all()
        assert node.ask("show")["interface"]["backend"] == made, node.ask("show")
        for station, gateway in ACCESSES.items():
            air.associate(station, gateway, [gateway])
        measure(domain, node, made)
        assert node.stop() == 0, node.last_words()
        air.dissociate()
        node.assert_host_is(before)
    finally:
        air.stop()


def measure(domain: Domain, node: LogicalNode, made: str) -> None:
    address = node.wait_attached()
    trace = Trace({INTERFACE: domain.capture("mn", INTERFACE, "tcp src port 5201", quiet=True)})
    tcp, stream = domain.tcp(address, megabits=MEGABITS), domain.udp(address, rate=RATE)
    for flow, gateway in [(tcp.flow, "mag1"), (stream.flow, "mag2")]:
        if domain.flow(flow)["gateway"] != gateway:
            domain.move(flow, gateway)
        wait_until(f"the uplink of port {flow.destination_port} follows to {gateway}",
                   lambda flow=flow, gateway=gateway: follows(node, flow, gateway))
    # By default flows would leave by if1.
    leaves(node, "if2")
    node.command("select", "--port", str(tcp.flow.destination_port), "--slave", "if1")
    run_on(trace, tcp.flow)
    steady = time.time()
    run_on(trace, tcp.flow)

    timeout = retransmission_timeout(domain, tcp.flow)
    off = time.time()
    domain.detach("if1")
    wait_until("the download is at the other gateway", lambda: domain.flow(tcp.flow)["gateway"] == "mag2", seconds=20)
    run_on(trace, tcp.flow)
    resumed = time.time()
    assert node.uplink(tcp.flow) == ("if2", True), node.ask("list")

    domain.ip("mn", "link set if1 up\n")
    node.wait_for_binding("mag1")
    wait_until("the uplink is where its owner wants it", lambda: node.uplink(tcp.flow) == ("if1", True), seconds=20)
    leaves(node, "if1")
    report, udp = tcp.stop(), stream.stop()
    assert report.error is None, f"the download broke: {report.error}"
    assert udp.lost == 0 and udp.lost_uplink == 0, \
        f"the other radio's flow lost {udp.lost} packets and {udp.lost_uplink} echoes"

    trace.finish()
    times = list(deliveries(trace.of(tcp.flow, INTERFACE)))
    last = max(at for at in times if at <= off)
    stall = longest_pause([at for at in times if last <= at < resumed])
    calm = longest_pause([at for at in times if steady < at <= last])
    for name, seconds in [("pause of the download", stall), ("retransmission timeout before it", timeout),
                          ("longest pause while all was well", calm)]:
        print(f"figure: radio loss, {made}: {name}: {seconds * 1000:.0f} ms")
    assert stall < ALLOWANCE + timeout, f"the download stood still for {stall:.3f} s, with a timeout of {timeout:.3f} s"


def follows(node: LogicalNode, flow: Flow, gateway: str) -> bool:
    slave, _ = node.uplink(flow) or (None, False)
    return ACCESSES.get(slave) == gateway


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


def longest_pause(times: list[float]) -> float:
    return max((later - earlier for earlier, later in zip(times, times[1:])), default=float("inf"))
