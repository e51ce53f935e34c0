"""kill -9 of a gateway's daemon while flows cross it: no packet is lost, and the restarted one knows its attachments."""

import time

from lib.domain import Domain
from lib.topology import NODE_MAC

SECONDS = 90
GUEST = False


def run(domain: Domain) -> None:
    domain.start_attached()
    stream = domain.udp(domain.address("if1"))
    domain.move(stream.flow, "mag2")
    time.sleep(1)
    for gateway, interface in [("mag2", "if2"), ("mag1", "if1")]:
        magd = domain.magd[gateway]
        magd.kill()
        time.sleep(2)
        magd.start()
        attachments = magd.document("show", "attachments")["attachments"]
        known = [entry["linkLayerAddress"] for entry in attachments]
        assert known == [NODE_MAC[interface]], f"{gateway} after its restart knows {attachments}"
        assert domain.binding(interface), f"the anchor has lost the binding of {interface}: {domain.bindings()}"
    domain.move(stream.flow, "mag1")
    time.sleep(1)
    udp = stream.stop()
    assert udp.lost == 0, f"packets {udp.lost_numbers()[:20]} of {udp.sent} are lost"
    assert udp.lost_uplink == 0, f"{udp.lost_uplink} echoes of {udp.received} are lost"
