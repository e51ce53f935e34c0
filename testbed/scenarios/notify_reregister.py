"""`lmad notify --reregister` (RFC 7077): the gateways of a node, or all nodes of a gateway, register again at once."""

from lib.domain import Domain
from lib.shell import wait_until
from lib.topology import NODE

GUEST = False


def run(domain: Domain) -> None:
    domain.start_attached()
    mag1, mag2 = domain.magd["mag1"], domain.magd["mag2"]

    def refreshes() -> list[int]:
        return [magd.counters()["refreshes-sent"] for magd in (mag1, mag2)]
    before = refreshes()
    notified = domain.lmad.document("notify", NODE, "--reregister", "--acknowledge")
    assert notified["gateways"] == ["mag1", "mag2"], notified
    wait_until("both gateways have registered the node again",
               lambda: refreshes() == [count + 1 for count in before], seconds=10)
    wait_until("both have acknowledged the notification",
               lambda: domain.lmad.counters()["update-notifications-acknowledged"] == 2, seconds=10)
    domain.lmad.command("notify", "--gateway", "mag2", "--reregister")
    wait_until("mag2 has registered its nodes again",
               lambda: refreshes() == [before[0] + 1, before[1] + 2], seconds=10)
    domain.lmad.command("notify", NODE, "--session-parameters")
    wait_until("both gateways have the parameters",
               lambda: domain.lmad.counters()["update-notifications-acknowledged"] == 4, seconds=10)
    unknown = domain.lmad.command("notify", "nobody@example.net", "--reregister", check=False)
    assert unknown.returncode == 1 and "lmad show nodes" in unknown.stderr, unknown.stderr
