"""Two flows overload the tunnel to mag1: the faster one moves to mag2, alone and once, and the drops end for both."""

from lib.domain import Domain
from lib.shell import IN_GUEST, wait_until
from lib.topology import GATEWAYS
from lib.traffic import UDP_RATE

# What a stream's packets need, in bits: 200 octets and both headers of the tunnel, generously.
PACKET_BITS = 8 * 300
# Together they need all of UDP_RATE.
FAST, SLOW = 0.8 * UDP_RATE, 0.2 * UDP_RATE
NARROW, WIDE = int(0.5 * UDP_RATE * PACKET_BITS), int(5 * UDP_RATE * PACKET_BITS)

CONGESTION = "congestion: { interval: 200ms, time: 1s, pause: 2s, quiet-time: 3s }\n"
# The default of drop-ratio-clear, in thousandths.
CLEAR = 5
# The wide one has room for a sender that was held up and catches up.
CLASSES = {"mag1": ("1:10", NARROW, 20), "mag2": ("1:11", WIDE, 1_000)}
# How far a measured capacity may be off, as a share. The guest's bucket holds as much as it lets pass in one interval.
LEAST, MOST = (0.5, 2) if IN_GUEST else (0.7, 1.2)
# It measures rates.
ALONE = True


def run(domain: Domain) -> None:
    named = "".join(f"  - {{ gateway: {gateway}, interface: core0, class: '{number}' }}\n"
                    for gateway, (number, *_) in CLASSES.items())
    # Natively a tunnel has no device of its own.
    tunnels = "" if IN_GUEST else f"tunnels:\n{named}"
    domain.flow_manager.write_configuration({"control:\n": f"{CONGESTION}{tunnels}control:\n"})
    domain.start_attached()
    address = domain.address("if1")
    fast = domain.udp(address, rate=FAST)
    slow = domain.udp(address, port=7010, source_port=7011, rate=SLOW)
    for stream in (fast, slow):
        assert domain.flow(stream.flow)["gateway"] == "mag1", f"the flow does not begin at mag1: {domain.flows()}"
    shape(domain)
    wait_until("the tunnel to mag1 is congested", lambda: load(domain, "mag1")["state"] == "congested", seconds=15)
    wait_until("the faster flow has left it", lambda: domain.flow(fast.flow)["gateway"] == "mag2", seconds=15)
    moved = load(domain, "mag1")
    wait_until("the tunnel is relieved", lambda: load(domain, "mag1")["state"] == "normal", seconds=20)
    relieved = load(domain, "mag1")
    assert relieved["dropRatio"] < CLEAR, f"packets are dropped still: {relieved}"
    assert moved["isCapacityMeasured"] and LEAST * NARROW < 8 * moved["capacity"] < MOST * NARROW, \
        f"the tunnel carries {NARROW} bit/s, measured was {moved}"
    assert domain.flow(slow.flow)["gateway"] == "mag1", f"the slower flow has moved as well: {domain.flows()}"
    counters = domain.flow_manager.counters()
    assert (counters["flows-moved-by-congestion"], counters["tunnels-congested"]) == (1, 1), counters
    for stream, rate in ((fast, FAST), (slow, SLOW)):
        udp = stream.stop()
        lost = udp.lost_numbers()
        # The quiet time was without a loss.
        assert not lost or lost[-1] < udp.sent - 2 * rate, f"{udp.lost} of {udp.sent} lost, the last ones {lost[-5:]}"


def shape(domain: Domain) -> None:
    if IN_GUEST:
        device = next(tunnel["interface"] for tunnel in tunnels(domain) if tunnel["gateway"] == "mag1")
        domain.run("lma", "tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", str(NARROW), "burst", "3000",
                   "limit", "6000")
        return
    lines = "qdisc add dev core0 root handle 1: htb default 99\nclass add dev core0 parent 1: classid 1:99 htb rate 1gbit\n"
    for gateway, (number, rate, limit) in CLASSES.items():
        lines += f"class add dev core0 parent 1: classid {number} htb rate {rate} burst 3000 cburst 3000\n"
        lines += f"qdisc add dev core0 parent {number} pfifo limit {limit}\n"
        lines += ("filter add dev core0 parent 1: protocol ipv6 prio 1 u32 "
                  f"match ip6 dst {GATEWAYS[gateway]}/128 match u8 41 0xff at 6 flowid {number}\n")
    domain.run("lma", "tc", "-batch", "-", stdin=lines)


def tunnels(domain: Domain) -> list[dict]:
    return domain.flow_manager.document("show", "tunnels")["tunnels"]


def load(domain: Domain, gateway: str) -> dict:
    return next(tunnel["load"] for tunnel in tunnels(domain) if tunnel["gateway"] == gateway)
