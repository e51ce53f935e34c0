"""A gateway that does not acknowledge a Flow Mobility Initiate gets no flow: the flow stays where it is and loses nothing,
the operator reads why, and the move works when the gateway is back.
"""

import time

from lib import crosscheck
from lib.domain import Domain

SECONDS = 90
GUEST = False
NOTIFICATION = 19


def run(domain: Domain) -> None:
    domain.start_attached()
    stream = domain.udp(domain.address("if2"))
    identifier = str(domain.flow(stream.flow)["id"])
    domain.magd["mag1"].pause()
    refused = domain.flow_manager.command("move", identifier, "--to", "mag1", check=False)
    assert refused.returncode == 1, f"the move ended with {refused.returncode}: {refused.stdout}"
    assert "mag1 did not acknowledge the Flow Mobility Initiate" in refused.stderr, refused.stderr
    assert domain.flow(stream.flow)["gateway"] == "mag2", f"the flow has moved: {domain.flow(stream.flow)}"
    assert domain.binding("if1")["offLinkPrefixes"] == [], domain.bindings()
    counters = domain.lmad.counters()
    assert counters["update-notifications-unanswered"] == 1, counters
    domain.magd["mag1"].resume()
    domain.move(stream.flow, "mag1")
    time.sleep(1)
    udp = stream.stop()
    assert udp.lost == 0, f"packets {udp.lost_numbers()[:20]} of {udp.sent} are lost"
    assert udp.per_interface.get("if1", 0) > 0, f"nothing came over if1: {udp.per_interface}"

    domain.signalling.stop()
    initiates = [(document["message"]["sequence"], document["message"]["retransmission"])
                 for document, _ in crosscheck.compare(domain.signalling.path)[0] if document["mhType"] == NOTIFICATION]
    number = initiates[0][0]
    assert initiates[:3] == [(number, False), (number, True), ((number + 1) % 65536, False)], \
        f"sequence numbers of the initiates, and whether they were repeated: {initiates}"
