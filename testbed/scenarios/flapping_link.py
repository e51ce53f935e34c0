"""An access that is lost and comes back 20 times: the flows of a logical interface leave it once and stay where they are
well, far below the configured number of moves."""

from lib.domain import Domain
from lib.logical import LogicalNode
from lib.shell import wait_until

SECONDS = 120
FLAPS = 20
MOVES_PER_MINUTE = 2


def run(domain: Domain) -> None:
    domain.flow_manager.write_configuration(
        {"control:\n": f"moves: {{ max-moves-per-minute: {MOVES_PER_MINUTE}, hold-down: 60s }}\ncontrol:\n"})
    node = LogicalNode(domain)
    address = node.start_attached()
    stream = domain.udp(address, rate=100)
    flow = domain.flow(stream.flow)
    gateway = flow["gateway"]
    interface, other = ("if1", "mag2") if gateway == "mag1" else ("if2", "mag1")
    for number in range(FLAPS):
        domain.detach(interface)
        wait_until(f"flap {number + 1}: the binding is gone", lambda: node.binding(gateway) is None, seconds=15)
        domain.ip("mn", f"link set {interface} up\n")
        node.wait_for_binding(gateway)
        now = domain.flow(stream.flow)
        assert (now["gateway"], now["id"]) == (other, flow["id"]), f"after flap {number + 1}: {now}"
    counters = domain.flow_manager.counters()
    moves = sum(value for name, value in counters.items() if name.startswith("flows-moved-by-"))
    assert moves == 1, f"{moves} moves: {counters}"
    udp = stream.stop()
    assert udp.sent - 1 not in udp.lost_numbers(), "the stream has ended"
