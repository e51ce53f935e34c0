"""Real 802.11 with WPA2: the association registers the node; walking to the access point of the other gateway hands it over
with its prefix; switching the radio off is an outage. Prints the share of each step from association to usable address, on
an emulated processor: of the first attachment, when the daemons' programs are still being read from the disk, and of a later
one."""

from lib.domain import Domain
from lib.shell import wait_until
from lib.topology import GATEWAYS
from lib.wifi import Air, print_steps

# Radios need a kernel with modules.
NATIVE = False
SECONDS = 150


def run(domain: Domain) -> None:
    air = Air(domain)
    air.create()
    try:
        domain.lmad.start()
        for gateway in GATEWAYS:
            air.serve(gateway)
        air.start_station()
        wait_until("the association has registered the node", lambda: served_by(domain) == "mag1", seconds=30)
        address = wait_until("the node has an address", lambda: domain.address("if1"), seconds=20)
        prefixes = domain.binding("if1")["prefixes"]
        trigger = domain.magd["mag1"].document("show", "attachments")["attachments"][0]["trigger"]
        assert trigger in ("hostapd", "nl80211"), trigger
        counters = domain.magd["mag1"].counters()
        assert counters["registrations-sent"] == 1, f"two sources registered twice: {counters['registrations-sent']}"
        print_steps("first attachment", air.steps("mag1"))

        air.walk("mag2")
        wait_until("the node is at the other gateway", lambda: served_by(domain) == "mag2", seconds=30)
        assert domain.binding("if1")["prefixes"] == prefixes, f"{prefixes} became {domain.binding('if1')}"
        assert domain.address("if1") == address, "the node's address changed"
        wait_until("the node hears from its old address again", lambda: domain.ping("mn", "2001:db8:c::2").returncode == 0,
                   seconds=20)
        # Nobody tells the old access point that its station is elsewhere; its gateway finds out by its probes, and what it
        # says then comes too late to end the session.
        wait_until("the old gateway has forgotten it",
                   lambda: domain.magd["mag1"].document("show", "attachments")["attachments"] == [], seconds=20)
        assert served_by(domain) == "mag2", "the old gateway's word came last"

        domain.ip("mn", "link set if1 down\n")
        wait_until("the outage ended the session", lambda: domain.binding("if1") is None, seconds=20)
        # Now with all programs in memory.
        domain.ip("mn", "link set if1 up\n")
        wait_until("the node has its address again", lambda: domain.address("if1"), seconds=40)
        print_steps("attachment again", air.steps("mag2"))
    finally:
        air.stop()


def served_by(domain: Domain) -> str | None:
    return (domain.binding("if1") or {}).get("gateway")
