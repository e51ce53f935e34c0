"""kill -9 of lmad while flows run: they go on without a lost packet, and the restarted one knows its bindings."""

import time

from lib.domain import Domain
from lib.shell import wait_until

SECONDS = 90


def stable(bindings: list[dict]) -> list[tuple]:
    return sorted((binding["id"], binding["linkLayerIdentifier"], binding["gateway"], binding["tunnel"],
                   tuple(binding["prefixes"]), binding["state"]) for binding in bindings)


def run(domain: Domain) -> None:
    domain.start_attached()
    home = domain.address("if1")
    streams = [domain.udp(home), domain.udp(home, port=7010, source_port=7011)]
    domain.flow(streams[1].flow)
    domain.move(streams[0].flow, "mag2")
    before = stable(domain.bindings())
    time.sleep(1)
    domain.lmad.kill()
    time.sleep(2)
    domain.lmad.start()
    after = stable(domain.bindings())
    assert after == before, f"bindings before: {before}; after the restart: {after}"

    def connected() -> bool:
        document = domain.flow_manager.document("list")
        return document.get("anchorConnected", True)
    wait_until("flow-manager has found lmad again", connected)
    # Both daemons work together again, not only beside each other.
    domain.move(streams[1].flow, "mag2")
    time.sleep(1)
    for stream in streams:
        udp = stream.stop()
        assert udp.lost == 0, f"packets {udp.lost_numbers()[:20]} of {udp.sent} are lost"
        assert udp.lost_uplink == 0, f"{udp.lost_uplink} echoes of {udp.received} are lost"
