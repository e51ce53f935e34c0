"""The terminal's second interface is unplugged and comes back as another device while flows run: flows of the first one
lose nothing, those of the second go on by the first, and return when the network moves them back."""

from lib.domain import Domain
from lib.shell import wait_until
from lib.topology import NODE_MAC

SECONDS = 90


def run(domain: Domain) -> None:
    domain.start_attached()
    address = domain.address("if1")
    steady = domain.udp(address, port=7000, source_port=7001)
    moved = domain.udp(address, port=7010, source_port=7011)
    domain.move(moved.flow, "mag2")
    wait_until("the moved flow's uplink takes if2", lambda: interface(domain, moved.flow) == "if2")
    assert state(domain, "if2")["gateways"], "no default route by if2"
    killed_and_back(domain, moved)

    index = domain.ip_json("mn", "link", "show", "dev", "if2")[0]["ifindex"]
    domain.ip("mn", "link delete if2\n")
    wait_until("the reflector sees that if2 is away", lambda: not state(domain, "if2")["isPresent"])
    wait_until("the anchor has taken the flow back", lambda: domain.flow(moved.flow)["gateway"] == "mag1", seconds=20)
    wait_until("the flow's uplink takes if1", lambda: interface(domain, moved.flow) == "if1")

    domain.ip("mn", f"link add if2 type veth peer name acc0 netns {domain.namespace('mag2')}\n"
              f"link set if2 address {NODE_MAC['if2']}\n")
    domain.ip("mag2", "link set acc0 up\n")
    assert domain.ip_json("mn", "link", "show", "dev", "if2")[0]["ifindex"] != index
    domain.attach("if2")
    wait_until("the reflector has routes for the new if2", lambda: state(domain, "if2")["gateways"], seconds=15)
    domain.move(moved.flow, "mag2")
    wait_until("the flow's uplink takes if2 again", lambda: interface(domain, moved.flow) == "if2")

    udp = steady.stop()
    assert udp.lost == 0 and udp.lost_uplink == 0, f"{udp.lost} and {udp.lost_uplink} of the other flow are lost"
    report = moved.stop()
    assert report.sent - 1 not in report.lost_numbers(), "the moved flow's last packets are lost still"
    assert state(domain, "if2")["uplinkPackets"] > 0


def killed_and_back(domain: Domain, stream) -> None:
    """Killed, the flows go on as they are; the next start takes over."""
    domain.reflector.kill()
    assert "flowmob_reflector" in domain.run("mn", "nft", "list", "tables").stdout
    domain.reflector.start()
    assert interface(domain, stream.flow) == "if2"


def state(domain: Domain, name: str) -> dict:
    return next(entry for entry in domain.reflector.document("show")["interfaces"] if entry["name"] == name)


def interface(domain: Domain, flow) -> str | None:
    for entry in domain.reflector.document("list")["flows"]:
        if {entry.get("sourcePort"), entry.get("destinationPort")} == {flow.source_port, flow.destination_port}:
            return entry.get("interface")
    return None
