"""kill -9 of flow-manager while flows run: they go on without a lost packet, a new one takes the default binding, and the
restarted one knows the old ones by their numbers, and their counters go on."""

import time

from lib.domain import Domain
from lib.shell import wait_until

SECONDS = 90


def run(domain: Domain) -> None:
    domain.start_attached()
    home = domain.address("if1")
    streams = [domain.udp(home), domain.udp(home, port=7010, source_port=7011)]
    # One flow that was moved and one that was not.
    domain.flow(streams[1].flow)
    domain.move(streams[0].flow, "mag2")

    def entries() -> dict[tuple, int]:
        """Packets of the two, by what must not change."""
        return {(entry["sourcePort"], entry["id"], entry["gateway"], entry["createdAt"]): entry["packets"]
                for entry in domain.flows() if entry["sourcePort"] in (7001, 7011)}
    before = entries()
    time.sleep(1)
    domain.flow_manager.kill()
    streams.append(domain.udp(home, port=7020, source_port=7021))
    time.sleep(3)
    domain.flow_manager.start()
    wait_until(f"the restarted flow-manager knows {sorted(before)}", lambda: before.keys() <= entries().keys())
    after = entries()
    for key, packets in before.items():
        assert after[key] > packets, f"{key} had {packets} packets before and has {after[key]} after the restart"
    newcomer = domain.flow(streams[2].flow)
    assert newcomer["gateway"] == "mag1", f"the flow that came meanwhile is not on the default binding: {newcomer}"
    domain.move(streams[0].flow, "mag1")
    time.sleep(1)
    for stream in streams:
        udp = stream.stop()
        assert udp.lost == 0, f"packets {udp.lost_numbers()[:20]} of {udp.sent} are lost"
        assert udp.lost_uplink == 0, f"{udp.lost_uplink} echoes of {udp.received} are lost"
