"""A gateway that has not heard of the second interface's prefix is told by a Flow Mobility Initiate (RFC 7864) when the
first flow moves there: the move works at once and loses nothing. With flow-mobility.mode rfc7864 no other message tells.
"""

import time

from lib import crosscheck
from lib.domain import Domain
from lib.topology import HOME_PREFIXES

SECONDS = 90
GUEST = False
NOTIFICATION_ACKNOWLEDGEMENT = 20


def run(domain: Domain) -> None:
    domain.lmad.write_configuration({"\ntimers:\n": "\nflow-mobility:\n  mode: rfc7864\ntimers:\n"})
    domain.start_attached()
    for interface in ["if1", "if2"]:
        assert domain.binding(interface)["offLinkPrefixes"] == [], f"{interface} was told by its acknowledgement"
    accesses = domain.trace_accesses()
    stream = domain.udp(domain.address("if2"))
    download = domain.tcp(domain.address("if2"))
    domain.move(stream.flow, "mag1")
    # The second flow of the prefix needs no other initiate.
    domain.move(download.flow, "mag1")
    assert domain.binding("if1")["offLinkPrefixes"] == [HOME_PREFIXES[1]], domain.bindings()
    assert domain.binding("if2")["offLinkPrefixes"] == [], domain.bindings()
    time.sleep(2)
    counters = domain.lmad.counters()
    assert counters["flow-mobility-initiates-sent"] == counters["flow-mobility-acknowledged"] == 1, counters
    assert domain.magd["mag1"].counters()["flow-mobility-initiates-received"] == 1
    udp, tcp = stream.stop(), download.stop()
    assert udp.lost == 0, f"packets {udp.lost_numbers()[:20]} of {udp.sent} are lost"
    assert udp.lost_uplink == 0, f"{udp.lost_uplink} echoes of {udp.received} are lost"
    assert udp.per_interface.get("if1", 0) > 0, f"nothing came over if1: {udp.per_interface}"
    assert tcp.error is None, f"the TCP connection broke: {tcp.error}"

    accesses.finish()
    domain.signalling.stop()
    messages = crosscheck.compare(domain.signalling.path)[0]
    acknowledged = [message.time for document, message in messages if document["mhType"] == NOTIFICATION_ACKNOWLEDGEMENT]
    arrived = accesses.first_after(stream.flow, "if1", 0)
    assert acknowledged and arrived and arrived > acknowledged[0], \
        f"over if1 from {arrived} on, but acknowledged at {acknowledged}"
    options = {option["name"] for document, _ in messages for option in document["options"]}
    assert "FlowMobility" not in options, "acknowledgements carry the paper's option"
