"""Bad Mobility Headers and updates that must not be believed: each is counted by its reason, and no binding changes."""

import struct
from collections.abc import Callable

from lib import mobility
from lib.daemons import TESTBED
from lib.domain import Domain
from lib.pcap import ETHERNET, IPV6
from lib.shell import wait_until
from lib.topology import CORRESPONDENT, GATEWAYS, NODE, NODE_MAC
from lib.traffic import python

GUEST = False
GATEWAY = GATEWAYS["mag1"]
FIRST_OPTION = 12
HOUR = 3600


def run(domain: Domain) -> None:
    capture = domain.capture("lma", "core0", "ip6 proto 135", snaplen=0)
    domain.start()
    domain.attach("if1")
    capture.stop()
    bindings = identities(domain)

    def send(message: bytes, source: str = GATEWAY, role: str = "mag1", spoil: bool = False) -> None:
        domain.run(role, "env", f"PYTHONPATH={TESTBED}", *python("lib.mobility"), source, message.hex(),
                   *(["spoil"] if spoil else []))

    def expect(what: str, counter: str, act: Callable[[], None],
               counted_by_kernel: Callable[[], int] = lambda: 0) -> bool:
        """`counter` rises by the act, or the kernel was first and counts it. True: it was lmad."""
        def counts() -> tuple[int, int]:
            counters = domain.lmad.counters()
            assert counter in counters, f"lmad has no counter {counter}; it has {', '.join(sorted(counters))}"
            return counters[counter], counted_by_kernel()
        before = counts()
        act()
        wait_until(f"{what}: {counter} rises", lambda: sum(counts()) > sum(before), seconds=5)
        unchanged(what)
        return counts()[0] > before[0]

    def unchanged(what: str) -> None:
        assert identities(domain) == bindings, f"{what}: bindings were {bindings}, are {identities(domain)}"

    def dropped_by_kernel() -> int:
        """Drops of lmad's raw socket: the kernel verifies the checksum first."""
        lines = domain.run("lma", "cat", "/proc/net/raw6").stdout.splitlines()[1:]
        return sum(int(line.split()[-1]) for line in lines)

    def parameter_problems() -> int:
        """A kernel with Mobile IPv6 checks the header itself and answers like lmad."""
        text = domain.run("lma", "cat", "/proc/net/snmp6").stdout
        return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Icmp6OutParmProblems"))

    good = mobility.proxy_binding_update(NODE, NODE_MAC["if1"])
    expect("wrong checksum", "mobility-refused-checksum", lambda: send(good, spoil=True), dropped_by_kernel)
    expect("unknown type", "mobility-refused-unknown-mh-type", lambda: send(mobility.header(99, bytes(10))))
    reaches_lmad = expect("payload protocol", "mobility-refused-payload-proto",
                          lambda: send(mobility.header(5, good[6:], next_header=6)), parameter_problems)
    expect("header too short", "mobility-refused-header-len-short",
           lambda: send(mobility.header(5, bytes(2), length=0)), parameter_problems)
    overlong = mobility.header(5, good[6:], length=200)
    if reaches_lmad:
        expect("header longer than the packet", "mobility-refused-header-len-overrun", lambda: send(overlong))
    else:
        # This kernel checks Mobility Headers and discards such a one without a count or an answer.
        send(overlong)
        unchanged("header longer than the packet")
    expect("option beyond the end", "mobility-refused-option-overrun",
           lambda: send(good[:FIRST_OPTION + 1] + b"\xff" + good[FIRST_OPTION + 2:]))
    expect("home network prefix of the wrong length", "mobility-refused-option-length",
           lambda: send(with_short_prefix_option(good)))

    expect("a sender that is no gateway", "rejected-gateway-not-authorized",
           lambda: send(good, source=CORRESPONDENT, role="cn"))
    expect("an unknown node", "rejected-not-lma-for-this-mobile-node",
           lambda: send(mobility.proxy_binding_update("stranger@example.net", "02:00:00:00:99:99")))
    expect("an old update", "rejected-timestamp-lower-than-previous-accepted",
           lambda: send(mobility.proxy_binding_update(NODE, NODE_MAC["if1"], age=HOUR)))
    # Believed, it would lock the gateway out for an hour.
    expect("an update from the future", "rejected-timestamp-mismatch",
           lambda: send(mobility.proxy_binding_update(NODE, NODE_MAC["if1"], age=-HOUR)))
    expect("an old de-registration", "rejected-timestamp-lower-than-previous-accepted",
           lambda: send(mobility.proxy_binding_update(NODE, NODE_MAC["if1"], age=HOUR, lifetime=0)))
    recorded = recorded_updates(capture.path.read_bytes())
    assert recorded, "no PBU of mag1 in the capture"
    # Equal to the last accepted timestamp is not greater (RFC 5213 section 5.5).
    expect("a replayed update", "rejected-timestamp-mismatch", lambda: send(recorded[0]))

    assert domain.lmad.process is not None and domain.lmad.process.poll() is None, "lmad died"
    answer = domain.ping("cn", domain.address("if1"))
    assert answer.returncode == 0, f"the node is unreachable afterwards: {answer.stdout}"


def identities(domain: Domain) -> list[tuple]:
    return [(binding["id"], binding["node"], binding["gateway"], tuple(binding["prefixes"]), binding["state"],
             binding["lastUpdate"]) for binding in domain.bindings()]


def with_short_prefix_option(message: bytes) -> bytes:
    """The Home Network Prefix option claims 10 octets, and its rest is padding of just the right size."""
    place = message.index(bytes([mobility.HOME_PREFIX, 18]))
    option = bytes([mobility.HOME_PREFIX, 10]) + bytes(10) + mobility.pad(8)
    return message[:place] + option + message[place + len(option):]


def recorded_updates(capture: bytes) -> list[bytes]:
    """Mobility Headers of the Binding Updates in a capture of mag1's registration."""
    found = []
    at = 24
    while at + 16 <= len(capture):
        length = struct.unpack_from("<I", capture, at + 8)[0]
        header = capture[at + 16 + ETHERNET + IPV6:at + 16 + length]
        if header[2] == mobility.BINDING_UPDATE:
            found.append(header)
        at += 16 + length
    return found
