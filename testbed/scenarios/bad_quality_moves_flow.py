"""A download falls far below its own average because its access became narrow: it moves, and is fast again."""

from lib.domain import Domain
from lib.shell import wait_until
from lib.topology import GATEWAYS

# Bits a second: what the download wants, and what the way to mag1 has left later.
WANTED, NARROW = 20_000_000, 500_000
# Seconds of sending that make an average.
AVERAGED = 12
SETTINGS = """\
flows: { key: 5-tuple, poll-interval: 500ms }
congestion: { enabled: false }
quality: { enabled: true, floor: 2mbit, time: 2s }
control:
"""
# The anchor shapes what goes to mag1; tunnel devices have queues of their own.
GUEST = False
SECONDS = 90


def run(domain: Domain) -> None:
    manager = domain.flow_manager
    manager.write_configuration({"control:\n": SETTINGS})
    domain.start_attached()
    download = domain.tcp(domain.address("if1"), megabits=WANTED / 1_000_000)
    flow = domain.flow(download.flow)
    assert flow["gateway"] == "mag1", flow
    wait_until("there is an average to compare with",
               lambda: domain.flow(download.flow)["octets"] > AVERAGED * WANTED / 8, seconds=3 * AVERAGED)
    assert manager.counters()["flows-moved-by-quality"] == 0, manager.counters()
    domain.run("lma", "tc", "-batch", "-", stdin=NARROWING)
    wait_until("the download has moved", lambda: domain.flow(download.flow)["gateway"] == "mag2", seconds=30)
    octets = domain.flow(download.flow)["octets"]
    wait_until("it is fast again", lambda: domain.flow(download.flow)["octets"] > octets + WANTED / 8, seconds=20)
    assert manager.counters()["flows-moved-by-quality"] == 1, manager.counters()
    history = manager.document("history", flow["node"])["entries"]
    assert any(entry.get("cause") == "quality" for entry in history), history
    report = download.stop()
    assert report.error is None, f"the download broke: {report.error}"


NARROWING = f"""\
qdisc add dev core0 root handle 1: htb default 99
class add dev core0 parent 1: classid 1:99 htb rate 1gbit
class add dev core0 parent 1: classid 1:10 htb rate {NARROW} burst 15000 cburst 15000
filter add dev core0 parent 1: protocol ipv6 prio 1 u32 match ip6 dst {GATEWAYS['mag1']}/128 match u8 41 0xff at 6 flowid 1:10
"""
