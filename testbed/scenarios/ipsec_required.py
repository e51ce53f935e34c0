"""Signalling under IPsec: a policy that asks for ESP keeps clear messages from the daemons, and with ESP all goes on."""

import time

from lib.domain import Domain
from lib.shell import wait_until
from lib.topology import GATEWAYS, LMA, NODE_MAC

GATEWAY = GATEWAYS["mag1"]
KEYS = {"mag1": ("0x1001", "0x" + "11" * 20), "lma": ("0x1002", "0x" + "22" * 20)}


def run(domain: Domain) -> None:
    domain.start()
    ends = {"mag1": GATEWAY, "lma": LMA}
    for role, own in ends.items():
        other = ends["lma" if role == "mag1" else "mag1"]
        policy(domain, role, "in", other, own)
    # As long as mag1 sends in the clear nothing arrives: no binding, and lmad does not even count it.
    before = domain.lmad.counters()["binding-updates-received"]
    domain.magd["mag1"].command("attach", "--link", "acc0", "--mac", NODE_MAC["if1"])
    wait_until("mag1 has sent its update again", lambda: domain.magd["mag1"].counters()["retransmissions"] > 0)
    assert domain.lmad.counters()["binding-updates-received"] == before, "a clear update has reached lmad"
    assert domain.bindings() == [], f"a clear update has made {domain.bindings()}"

    if not associations(domain, ends):
        # This kernel has no ESP. Without the policies the same message is good.
        for role in ends:
            domain.run(role, "ip", "xfrm", "policy", "flush")
        wait_until("the node is registered", lambda: domain.binding("if1"))
        return
    for role, own in ends.items():
        policy(domain, role, "out", own, ends["lma" if role == "mag1" else "mag1"])
    capture = domain.capture("lma", "core0", "ip6", snaplen=0)
    wait_until("the node is registered under ESP", lambda: domain.binding("if1"), seconds=20)
    time.sleep(0.2)
    capture.stop()
    clear = domain.run("lma", "tcpdump", "-nr", str(capture.path), "ip6 proto 135").stdout
    assert not clear.strip(), f"clear signalling on the core:\n{clear}"


def policy(domain: Domain, role: str, direction: str, source: str, destination: str) -> None:
    """The SPD of RFC 5213 section 4.2, for all Mobility Headers of the pair."""
    domain.run(role, "ip", "xfrm", "policy", "add", "src", source, "dst", destination, "proto", "135", "dir", direction,
               "tmpl", "src", source, "dst", destination, "proto", "esp", "reqid", "1", "mode", "transport")


def associations(domain: Domain, ends: dict[str, str]) -> bool:
    """One security association each way at both ends; False when the kernel has no ESP."""
    for sender, (spi, key) in KEYS.items():
        receiver = "lma" if sender == "mag1" else "mag1"
        for role in ends:
            outcome = domain.run(role, "ip", "xfrm", "state", "add", "src", ends[sender], "dst", ends[receiver],
                                 "proto", "esp", "spi", spi, "reqid", "1", "mode", "transport",
                                 "aead", "rfc4106(gcm(aes))", key, "128", check=False)
            if outcome.returncode != 0:
                return False
    return True
