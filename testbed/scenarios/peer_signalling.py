"""Heartbeats both ways notice a gateway's daemon that is gone and back; Update Notifications of the operator reach it."""

from lib.domain import Domain
from lib.shell import wait_until
from lib.topology import GATEWAYS, NODE


def run(domain: Domain) -> None:
    heartbeat = "heartbeat:\n{0}  interval: 1s\n{0}  missing-allowed: 1\n"
    domain.lmad.write_configuration({
        f"    address: {address}\n": f"    address: {address}\n    " + heartbeat.format("    ")
        for address in GATEWAYS.values()})
    for gateway in domain.magd.values():
        gateway.write_configuration({"\nnode-map:": "\n" + heartbeat.format("") + "node-map:"})
    domain.start_attached()

    def paths() -> list[str]:
        return [entry["path"] for entry in domain.lmad.document("show", "gateways")["gateways"]]
    wait_until("the anchor hears both gateways", lambda: paths() == ["reachable"] * 2)
    for name, gateway in domain.magd.items():
        wait_until(f"{name} hears the anchor",
                   lambda: gateway.document("show", "anchors")["anchors"][0]["path"] == "reachable")
    domain.magd["mag2"].kill()
    wait_until("the anchor misses mag2", lambda: paths() == ["reachable", "unreachable"])
    domain.magd["mag2"].start()
    wait_until("the anchor hears mag2 again", lambda: paths() == ["reachable"] * 2)

    def acknowledged(number: int) -> bool:
        return domain.lmad.counters()["update-notifications-acknowledged"] == number
    refreshes = domain.lmad.counters()["accepted-refresh"]
    domain.lmad.command("notify", NODE, "--reregister", "--acknowledge")
    wait_until("both gateways have acknowledged", lambda: acknowledged(2))
    wait_until("both have registered again", lambda: domain.lmad.counters()["accepted-refresh"] >= refreshes + 2)
    domain.lmad.command("notify", NODE, "--session-parameters")
    wait_until("both gateways have taken over the parameters", lambda: acknowledged(4))
    refreshes = domain.lmad.counters()["accepted-refresh"]
    domain.lmad.command("notify", "--gateway", "mag2", "--reregister")
    wait_until("mag2 has registered its node again", lambda: domain.lmad.counters()["accepted-refresh"] > refreshes)
    assert domain.lmad.counters()["update-notifications-refused"] == 0, f"refused: {domain.lmad.counters()}"
