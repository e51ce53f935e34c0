"""The core carries 1500 octets and no more: a TCP transfer in either direction uses full packets and does not stall."""

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
    check("download", domain.tcp(home, TRANSFER_SECONDS).wait())
    check("upload", domain.tcp(home, TRANSFER_SECONDS, download=False, port=5202, client_port=40002).wait())
    # A full packet that is not TCP: the correspondent must learn the MTU of the path and fragment to it. With SRv6
    # routes the kernel tells only the anchor itself.
    if domain.lmad.document("show", "tunnels")["tunnels"][0]["encapsulation"] == "ip6tnl":
        answer = domain.ping("cn", home, "-s", "1452")
        assert answer.returncode == 0, f"echo requests of 1500 octets are not answered: {answer.stdout}"


def check(name: str, outcome: dict) -> None:
    assert "error" not in outcome, f"{name}: {outcome.get('error')}"
    stalled = [interval["sum"]["start"] for interval in outcome["intervals"] if interval["sum"]["bytes"] == 0]
    assert not stalled, f"{name}: nothing moved in the seconds from {stalled}"
    segment = outcome["start"]["tcp_mss_default"]
    assert segment >= LEAST_SEGMENT, f"{name}: segments of {segment} octets waste the link"
