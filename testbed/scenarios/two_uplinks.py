"""A gateway with two uplinks (RFC 8278): two flows of a node, one over each; the uplink that is left gets both."""

import time

from lib.domain import Domain
from lib.pcap import Flow
from lib.shell import run as command, wait_until
from lib.traffic import UDP_RATE
from lib.verdict import LONGEST_INTERRUPTION

SECONDS = 120
FIRST, SECOND = "2001:db8:1::11", "2001:db8:2::11"
GATEWAY = "mag1"


def add_uplink(domain: Domain) -> None:
    """A second network between anchor and gateway, and what the host of such a gateway must route by itself."""
    for role in ["lma", GATEWAY]:
        command("ip", "link", "add", "core1", "netns", domain.namespace(role), "type", "veth", "peer", "name",
                f"{role}-1", "netns", domain.namespace("core"))
    domain.ip("core", "link add name switch1 type bridge\nlink set switch1 up\n" + "".join(
        f"link set {role}-1 master switch1\nlink set {role}-1 up\n" for role in ["lma", GATEWAY]))
    domain.ip("lma", "addr add 2001:db8:2::1/64 dev core1 nodad\nlink set core1 up\n")
    domain.ip(GATEWAY, f"addr add {SECOND}/64 dev core1 nodad\nlink set core1 up\n"
              "route add default via 2001:db8:2::1 dev core1 table 21\n"
              f"rule add from {SECOND} lookup 21 priority 5000\n")
    domain.lmad.write_configuration({f"address: {FIRST}\n": f"address: {FIRST}\n    uplinks: [{SECOND}]\n"})
    domain.magd[GATEWAY].write_configuration({"unknown-nodes: refuse\n": f"""unknown-nodes: refuse
identity: mag1@example.net
uplinks:
  - interface: core0
    address: {FIRST}
    label: 1
    access-technology: ieee-802.3
  - interface: core1
    address: {SECOND}
    label: 2
    access-technology: 3gpp-e-utran
"""})


def paths(domain: Domain) -> dict[str, dict]:
    """Active bindings by Proxy-CoA."""
    return {binding["proxyCareOfAddress"]: binding for binding in domain.bindings() if binding["state"] == "active"}


def both_paths(domain: Domain) -> dict[str, dict]:
    return wait_until("a path over each uplink", lambda: (lambda known: len(known) == 2 and known)(paths(domain)))


def carried(domain: Domain, flows: list[Flow]) -> list[list[int]]:
    """How many packets of each flow come through each uplink in a second."""
    counts = []
    for flow in flows:
        tunnelled = f"ip6[6] = 41 and ip6[46] = 17 and ip6[82:2] = {flow.destination_port}"
        captures = [domain.capture(GATEWAY, uplink, tunnelled) for uplink in ["core0", "core1"]]
        time.sleep(1)
        for capture in captures:
            # Not `stop`, which waits for a moment without packets.
            capture.has_caught_up()
            capture.process.terminate()
            capture.process.wait()
        counts.append([capture.counts()[-1][0] for capture in captures])
    return counts


def run(domain: Domain) -> None:
    add_uplink(domain)
    domain.start()
    address = domain.attach("if1")
    known = both_paths(domain)
    assert set(known) == {FIRST, SECOND}, known
    assert [known[uplink]["path"]["binding"] for uplink in (FIRST, SECOND)] == [1, 2], known
    assert len({binding["tunnel"] for binding in known.values()}) == 2, known
    assert known[FIRST]["prefixes"] == known[SECOND]["prefixes"], known
    assert [known[uplink]["isDefault"] for uplink in (FIRST, SECOND)] == [True, False], known

    streams = [domain.udp(address, port=7000, source_port=7001), domain.udp(address, port=7100, source_port=7101)]
    flows = [stream.flow for stream in streams]
    domain.move(flows[1], str(known[SECOND]["tunnel"]))
    (stayed, none), (left, moved) = carried(domain, flows)
    assert stayed > 0 and none == 0, f"the first flow came {stayed} times over its uplink, {none} over the other"
    assert moved > 0 and left == 0, f"the second flow came {moved} times over its uplink, {left} over the other"

    # Its carrier goes; the address stays.
    domain.ip("core", f"link set {GATEWAY} down\n")
    wait_until("the first uplink's binding is gone", lambda: set(paths(domain)) == {SECOND})
    remaining = paths(domain)[SECOND]["tunnel"]
    assert all(domain.flow(flow)["tunnel"] == remaining for flow in flows), domain.flows()
    counts = carried(domain, flows)
    assert all(gone == 0 and here > 0 for gone, here in counts), counts
    attachments = domain.magd[GATEWAY].document("show", "attachments")["attachments"]
    assert [entry["uplink"] for entry in attachments] == [1], attachments

    domain.ip("core", f"link set {GATEWAY} up\n")
    back = both_paths(domain)
    domain.move(flows[0], str(back[FIRST]["tunnel"]))
    (stayed, none), (left, moved) = carried(domain, flows)
    assert stayed > 0 and none == 0 and moved > 0 and left == 0, (stayed, none, left, moved)

    reports = [stream.stop() for stream in streams]
    assert reports[1].lost == 0, f"packets {reports[1].lost_numbers()[:20]} of the second flow are lost"
    for report in reports:
        lost = max(report.lost, report.lost_uplink)
        assert lost <= LONGEST_INTERRUPTION * UDP_RATE, f"{lost} packets of {report.sent} are lost"
        assert report.duplicated == 0, f"{report.duplicated} packets of {report.sent} came twice"
    counters = domain.magd[GATEWAY].counters()
    assert counters["uplinks-lost"] == 1 and counters["uplinks-returned"] == 1, counters
