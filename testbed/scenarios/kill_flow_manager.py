"""kill -9 of flow-manager while flows run: they go on without a lost packet, and the restarted one knows them."""

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
    before = {(entry["sourcePort"], entry["id"], entry["gateway"]) for entry in domain.flows()
              if entry["sourcePort"] in (7001, 7011)}
    time.sleep(1)
    domain.flow_manager.kill()
    time.sleep(3)
    domain.flow_manager.start()

    def known() -> bool:
        return before <= {(entry["sourcePort"], entry["id"], entry["gateway"]) for entry in domain.flows()}
    wait_until(f"the restarted flow-manager knows {sorted(before)}", known)
    domain.move(streams[0].flow, "mag1")
    time.sleep(1)
    for stream in streams:
        udp = stream.stop()
        assert udp.lost == 0, f"packets {udp.lost_numbers()[:20]} of {udp.sent} are lost"
        assert udp.lost_uplink == 0, f"{udp.lost_uplink} echoes of {udp.received} are lost"
