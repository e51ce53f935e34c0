"""The core carries 1500 octets and no more: a TCP transfer in either direction uses full packets and does not stall."""

import time

from lib.domain import Domain

TRANSFER_SECONDS = 6
# Octets of payload in one segment: 1460 of the tunnel, less IPv6 and TCP headers with timestamps.
LEAST_SEGMENT = 1300


def run(domain: Domain) -> None:
    domain.start_attached()
    for gateway in ("lma", "mag1", "mag2"):
        mtu = domain.ip_json(gateway, "link", "show", "dev", "core0")[0]["mtu"]
        assert mtu == 1500, f"{gateway}: the core has an MTU of {mtu}, so this proves nothing"
    home = domain.address("if1")
    for name, transfer in [("download", domain.tcp(home)),
                           ("upload", domain.tcp(home, download=False, port=5202, client_port=40002))]:
        time.sleep(TRANSFER_SECONDS)
        outcome = transfer.stop()
        assert outcome.error is None, f"{name}: {outcome.error}"
        assert not outcome.stalled_seconds, f"{name}: nothing moved in the seconds from {outcome.stalled_seconds}"
        assert outcome.segment >= LEAST_SEGMENT, f"{name}: segments of {outcome.segment} octets waste the link"
    # A full packet that is not TCP: the correspondent must learn the MTU of the path and fragment to it. With SRv6
    # routes the kernel tells only the anchor itself.
    if domain.lmad.document("show", "tunnels")["tunnels"][0]["encapsulation"] == "ip6tnl":
        answer = domain.ping("cn", home, "-s", "1452")
        assert answer.returncode == 0, f"echo requests of 1500 octets are not answered: {answer.stdout}"
