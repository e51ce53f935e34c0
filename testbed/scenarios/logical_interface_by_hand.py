"""The owner of a terminal with one logical interface puts flows on slaves by port and by fields: their uplink takes that
slave while the downlink stays, loses nothing, and follows the downlink again afterwards. After the run the host is as it
was, its slaves included; what cannot be a slave is refused by name."""

import time

from lib.daemons import PROGRAMS
from lib.domain import Domain
from lib.logical import LogicalNode
from lib.shell import wait_until
from lib.topology import CORRESPONDENT

SECONDS = 90


def run(domain: Domain) -> None:
    node = LogicalNode(domain)
    domain.run("mn", "nft", "add", "table", "inet", "host_firewall")
    before = node.host_state()
    address = node.start_attached()
    stream = domain.udp(address)
    downlink = domain.flow(stream.flow)["gateway"]
    slave, other = ("if1", "if2") if downlink == "mag1" else ("if2", "if1")
    wait_until("the uplink follows the downlink", lambda: node.uplink(stream.flow) == (slave, False))
    by_port = ["--port", str(stream.flow.destination_port)]
    by_fields = ["--protocol", "udp", "--source", address, "--source-port", str(stream.flow.destination_port),
                 "--destination", f"{CORRESPONDENT}", "--destination-port", str(stream.flow.source_port)]
    for fields in [by_port, by_fields]:
        counted = node.uplink_packets(other)
        node.command("select", *fields, "--slave", other)
        assert node.uplink(stream.flow) == (other, True), node.document("list")
        wait_until(f"the uplink leaves by {other}", lambda: node.uplink_packets(other) > counted + 100)
        node.command("unselect", *fields)
        assert node.uplink(stream.flow) == (slave, False), node.document("list")
    # The narrower selection wins, and a slave that is away takes nothing.
    node.command("select", *by_port, "--slave", slave)
    node.command("select", *by_fields, "--slave", other)
    assert node.uplink(stream.flow) == (other, True)
    assert node.document("show")["selections"][0]["slave"] == other
    node.kill()
    node.start()
    assert node.uplink(stream.flow) == (other, True), "selections did not outlive a crash"
    time.sleep(1)
    udp = stream.stop()
    assert udp.lost == 0 and udp.lost_uplink == 0, f"{udp.lost} packets and {udp.lost_uplink} echoes are lost"
    unknown = node.command("select", "--port", "1", "--slave", "if9", check=False)
    assert unknown.returncode == 1 and "if1, if2" in unknown.stderr, unknown.stderr

    doctor = domain.run("mn", str(PROGRAMS / "bonding-policy"), "doctor", "-c", str(node.configuration), check=False)
    assert doctor.returncode == 0 and "PROBLEM" not in doctor.stdout, doctor.stdout + doctor.stderr
    assert node.stop() == 0, node.last_words()
    for interface in ["if1", "if2"]:
        domain.detach(interface)
    domain.assert_host_is(before)

    domain.run("mn", "ip", "link", "add", "br0", "type", "bridge")
    domain.run("mn", "ip", "link", "set", "if1", "master", "br0")
    for command in ["check", "run"]:
        refused = domain.run("mn", str(PROGRAMS / "bonding-policy"), command, "-c", str(node.configuration), check=False)
        assert refused.returncode == 2 and "slaves[0]" in refused.stderr and "nomaster" in refused.stderr, refused.stderr
