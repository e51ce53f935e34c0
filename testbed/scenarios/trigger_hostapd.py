"""hostapd tells who is there: its stations are registered, those that the policy refuses are not, and whatever happens
while hostapd is away is made good when it is back."""

from lib.accesspoint import Hostapd
from lib.domain import Domain
from lib.shell import wait_until
from lib.topology import NODE_MAC

# The same on every kernel.
GUEST = False
STRANGER = "02:00:00:00:99:99"


def run(domain: Domain) -> None:
    hostapd = Hostapd(domain.directory / "hostapd-acc0")
    hostapd.start()
    magd = domain.magd["mag1"]
    magd.write_configuration({
        "access-technology: ieee-802.11":
            "access-technology: ieee-802.11\n    triggers:\n      router-solicitation: false\n      neighbour: false\n"
            f"      hostapd: [{hostapd.path}]"})
    domain.lmad.start()
    magd.start()

    def source() -> dict:
        return next(entry for entry in magd.document("show", "triggers")["sources"] if entry["source"] == "hostapd")

    def attachments() -> list[dict]:
        return magd.document("show", "attachments")["attachments"]

    wait_until("magd has subscribed", lambda: source()["state"] == "connected")
    domain.ip("mn", "link set if1 up\n")
    wait_until("the node has solicited in vain",
               lambda: magd.counters().get("trigger-router-solicitation-disabled", 0) > 0, seconds=15)
    assert attachments() == [], f"registered by what is switched off: {attachments()}"

    hostapd.connect(STRANGER)
    hostapd.connect(NODE_MAC["if1"])
    wait_until("the station is registered", lambda: domain.binding("if1"))
    wait_until("the node has its address", lambda: domain.address("if1"), seconds=20)
    assert [entry["trigger"] for entry in attachments()] == ["hostapd"], f"attachments: {attachments()}"
    assert source()["counters"]["refused"] == 1, f"the stranger: {source()}"
    delays = magd.document("show", "triggers")["registrationDelays"]
    assert [(delay["source"], delay["registrations"]) for delay in delays] == [("hostapd", 1)], f"{delays}"
    print(f"figure: hostapd's event to PBU: {delays[0]['lastMilliseconds']:.1f} ms")

    sent = magd.counters()["registrations-sent"]
    hostapd.stop()
    wait_until("magd has noticed that hostapd is gone", lambda: source()["state"] == "disconnected", seconds=20)
    assert domain.binding("if1"), "the end of hostapd ended the session of its station"
    hostapd.start()
    wait_until("magd has subscribed again", lambda: source()["state"] == "connected")
    assert domain.binding("if1") and magd.counters()["registrations-sent"] == sent, "the station was registered anew"

    hostapd.stop()
    hostapd.stations.remove(NODE_MAC["if1"])
    hostapd.start()
    wait_until("the station that left meanwhile has been de-registered", lambda: domain.binding("if1") is None, seconds=20)
    hostapd.connect(NODE_MAC["if1"])
    wait_until("the station is registered again", lambda: domain.binding("if1"))
    hostapd.disconnect(NODE_MAC["if1"])
    wait_until("the station has been de-registered", lambda: domain.binding("if1") is None)
    hostapd.stop()
