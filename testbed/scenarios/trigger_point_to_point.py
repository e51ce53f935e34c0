"""A point-to-point link, as of a cellular access, comes up: the node that the configuration names is registered without a
word of its own, gets its prefix over the link, and is de-registered when the link goes."""

from lib.domain import Domain
from lib.pointtopoint import Cable
from lib.shell import wait_until
from lib.topology import CORRESPONDENT, NODE_MAC

GUEST = False


def run(domain: Domain) -> None:
    for role in ("mag1", "mn"):
        domain.run(role, "ip", "tuntap", "add", "dev", "ppp0", "mode", "tun")
        domain.ip(role, "link set ppp0 up\n")
    magd = domain.magd["mag1"]
    magd.write_configuration({
        "interface: acc0": "interface: ppp0",
        "access-technology: ieee-802.11":
            "access-technology: 3gpp-utran\n    triggers:\n      router-solicitation: false\n      neighbour: false\n"
            f"      point-to-point-node: {NODE_MAC['if1']}"})
    domain.lmad.start()
    magd.start()
    assert magd.document("show", "attachments")["attachments"] == [], "registered before the link came up"

    cable = Cable("ppp0", (domain.namespace("mag1"), domain.namespace("mn")))
    try:
        wait_until("the node is registered", lambda: domain.binding("if1"))
        attachment = magd.document("show", "attachments")["attachments"][0]
        assert attachment["trigger"] == "point-to-point", f"{attachment}"
        address = wait_until("the node has an address", lambda: domain.address("ppp0"), seconds=20)
        answer = domain.ping("cn", address)
        assert answer.returncode == 0, f"the node does not answer over the link: {answer.stdout}"
        answer = domain.ping("mn", CORRESPONDENT)
        assert answer.returncode == 0, f"the node reaches nobody over the link: {answer.stdout}"
    finally:
        cable.pull()
    wait_until("the node is de-registered", lambda: domain.binding("if1") is None)
    cable = Cable("ppp0", (domain.namespace("mag1"), domain.namespace("mn")))
    wait_until("the node is registered again", lambda: domain.binding("if1"))
    cable.pull()
