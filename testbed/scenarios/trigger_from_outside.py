"""Somebody else says that the path to mag1 is bad: its flow leaves without a loss, new ones keep away, and nothing comes
back when it is well again but what is new."""

import json

from lib.domain import Domain
from lib.shell import wait_until

GUEST = False


def run(domain: Domain) -> None:
    manager = domain.flow_manager
    domain.start_attached()
    address = domain.address("if1")
    stream = domain.udp(address)
    assert domain.flow(stream.flow)["gateway"] == "mag1", domain.flow(stream.flow)

    refused = manager.command("trigger", "--gateway", "mag9", "--state", "degraded", check=False)
    assert refused.returncode == 1 and "mag1 (tunnel" in refused.stderr, refused.stderr
    answer = manager.command("trigger", "--gateway", "mag1", "--state", "degraded", "--reason", "radio load", "--json")
    degraded = json.loads(answer.stdout)["degraded"]
    assert [(path["gateway"], path["reason"]) for path in degraded] == [("mag1", "radio load")], degraded
    wait_until("the flow has left mag1", lambda: domain.flow(stream.flow)["gateway"] == "mag2", seconds=15)
    second = domain.udp(address, port=7010, source_port=7011)
    assert domain.flow(second.flow)["gateway"] == "mag2", f"a new flow goes to the degraded path: {domain.flows()}"

    manager.command("trigger", "--gateway", "mag1", "--state", "restored")
    assert manager.document("show", "degraded")["degraded"] == []
    third = domain.udp(address, port=7020, source_port=7021)
    assert domain.flow(third.flow)["gateway"] == "mag1", f"a new flow keeps away still: {domain.flows()}"
    for flow in (stream.flow, second.flow):
        assert domain.flow(flow)["gateway"] == "mag2", f"a flow came back by itself: {domain.flows()}"
    counters = manager.counters()
    assert counters["flows-moved-by-trigger"] == 1, counters
    for udp in (stream.stop(), second.stop(), third.stop()):
        assert udp.lost == 0, f"packets {udp.lost_numbers()[:20]} of {udp.sent} are lost"
