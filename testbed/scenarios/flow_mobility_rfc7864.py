"""A flow moves by RFC 7864: only after the gateway has acknowledged the Flow Mobility Initiate. Without an
acknowledgement the flow stays where it is, the operator reads why, and nothing is lost.
"""

import time

from lib import crosscheck
from lib.domain import Domain
from lib.topology import HOME_PREFIXES

SECONDS = 90
NOTIFICATION, NOTIFICATION_ACKNOWLEDGEMENT, FLOW_MOBILITY = 19, 20, 8


def run(domain: Domain) -> None:
    domain.lmad.write_configuration({"\ndatapath:\n": "\nflow-mobility:\n  mode: rfc7864\ndatapath:\n"})
    domain.start_attached()
    for interface in ("if1", "if2"):
        served = domain.binding(interface)["offLinkPrefixes"]
        assert served == [], f"the gateway of {interface} serves {served}, but no flow has moved"
    accesses = domain.trace_accesses()
    stream = domain.udp(domain.address("if2"))
    entry = domain.flow(stream.flow)

    domain.magd["mag1"].kill()
    refused = domain.flow_manager.command("move", str(entry["id"]), "--to", "mag1", check=False)
    assert refused.returncode == 1 and "mag1 did not acknowledge the Flow Mobility Initiate" in refused.stderr, \
        f"without mag1's daemon the move ended with {refused.returncode}: {refused.stderr}"
    assert domain.flow(stream.flow)["gateway"] == "mag2", f"the flow has left mag2: {domain.flow(stream.flow)}"
    domain.magd["mag1"].start()

    domain.move(stream.flow, "mag1")
    assert domain.binding("if1")["offLinkPrefixes"] == [HOME_PREFIXES[1]], f"not served: {domain.binding('if1')}"
    time.sleep(2)
    udp = stream.stop()
    accesses.finish()
    domain.signalling.stop()

    assert udp.lost == 0, f"packets {udp.lost_numbers()[:20]} of {udp.sent} are lost"
    assert udp.lost_uplink == 0, f"{udp.lost_uplink} echoes of {udp.received} are lost"
    messages = crosscheck.compare(domain.signalling.path)[0]
    initiates = [(document["message"]["sequence"], document["message"]["retransmission"]) for document, _ in messages
                 if document["mhType"] == NOTIFICATION and document["message"]["reason"] == FLOW_MOBILITY]
    first, second = initiates[0][0], initiates[-1][0]
    assert initiates[:2] == [(first, False), (first, True)] and (second, False) in initiates[2:], \
        f"sequence numbers and retransmissions of the initiates: {initiates}"
    answers = [(message.time, message.destination, document["message"]) for document, message in messages
               if document["mhType"] == NOTIFICATION_ACKNOWLEDGEMENT]
    assert answers and all(message == {"sequence": second, "status": 0} for _, _, message in answers), \
        f"acknowledgements other than for initiate {second}: {answers}"
    arrived = accesses.first_after(stream.flow, "if1", 0)
    assert arrived and arrived > answers[0][0], f"over if1 since {arrived}, acknowledged at {answers[0][0]}"
    options = {option["name"] for document, _ in messages for option in document["options"]}
    assert "FlowMobility" not in options, "the paper's option was sent too"
