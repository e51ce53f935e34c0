"""Binding revocation (RFC 5846): the operator ends a node's sessions and its traffic, and the node comes back only when
it attaches anew; a whole gateway, by the anchor and by itself; the old gateway after a handover."""

import time

from lib.domain import Domain
from lib.shell import CommandError, wait_until
from lib.topology import GATEWAYS, NODE, NODE_MAC

SECONDS = 120
GUEST = False


def run(domain: Domain) -> None:
    mag1, mag2 = (f"    address: {GATEWAYS[name]}\n" for name in ("mag1", "mag2"))
    domain.lmad.write_configuration({
        mag1: f"{mag1}    revoke-after-handover: true\n", mag2: f"{mag2}    may-revoke-all: true\n"})
    domain.start_attached()
    revoke_node(domain)
    revoke_gateways(domain)
    after_handover(domain)


def revoke_node(domain: Domain) -> None:
    stream = domain.udp(domain.address("if1"))
    domain.flow(stream.flow)
    revoked = domain.lmad.document("revoke", NODE)["bindings"]
    assert len(revoked) == 2, f"revoked bindings: {revoked}"
    wait_until("the anchor has no binding", lambda: not domain.bindings())
    assert domain.lmad.counters()["revocations-accepted"] == 2, domain.lmad.counters()
    for name in GATEWAYS:
        # A de-registration follows a session that is only some seconds old.
        wait_until(f"{name} has ended the session", lambda: states(domain, name) == ["revoked"])
        wait_until(f"{name} has no route of the node", lambda: not home_routes(domain, name))
    wait_until("the node has lost its default route",
               lambda: not domain.ip_json("mn", "route", "show", "default", "dev", "if1"))
    wait_until("flow-manager has no flow", lambda: not domain.flows(stream.flow))
    time.sleep(1)
    lost = stream.stop().lost_numbers()
    assert len(lost) > 50 and lost == list(range(lost[0], lost[-1] + 1)), \
        f"the stream is not cut, or not for good: {len(lost)} packets are lost, {lost[:20]}"
    attach_again(domain, "if1")
    attach_again(domain, "if2")


def revoke_gateways(domain: Domain) -> None:
    domain.lmad.command("revoke", "--gateway", "mag1")
    wait_until("the binding at mag1 is gone", lambda: domain.binding("if1") is None)
    wait_until("mag1 has ended its session", lambda: states(domain, "mag1") == ["revoked"])
    assert domain.binding("if2"), f"the binding at mag2 is gone as well: {domain.bindings()}"
    domain.magd["mag2"].command("revoke", "--all")
    wait_until("the binding at mag2 is gone", lambda: domain.binding("if2") is None)
    wait_until("mag2 has ended its sessions", lambda: states(domain, "mag2") == ["revoked"])
    for interface in ("if1", "if2"):
        attach_again(domain, interface)
    # mag1 may not: the anchor answers with status 130, and nothing changes.
    domain.magd["mag1"].command("revoke", "--all")
    wait_until("mag1 has its refusal", lambda: domain.magd["mag1"].counters()["revocations-refused"] == 1)
    assert domain.binding("if1") and states(domain, "mag1") == ["registered"], domain.bindings()
    try:
        domain.lmad.command("revoke", "nobody@example.net")
        raise AssertionError("a node without a binding was revoked")
    except CommandError as error:
        assert "nobody@example.net has no binding" in str(error), error


def after_handover(domain: Domain) -> None:
    """mag1 is told that its node is at mag2 now. It finds the node still on its link, and registers it again."""
    wait_until("the registration of if1 is older than any indication", lambda: age(domain) > 4)
    before = domain.lmad.counters()["revocations-accepted"]
    domain.magd["mag2"].command("attach", "--link", "acc0", "--mac", NODE_MAC["if1"])
    wait_until("the binding of if1 is at mag2", lambda: (domain.binding("if1") or {}).get("gateway") == "mag2")
    wait_until("mag1 has heard of it", lambda: domain.lmad.counters()["revocations-accepted"] == before + 1)
    wait_until("the binding of if1 is at mag1 again", lambda: (domain.binding("if1") or {}).get("gateway") == "mag1")
    wait_until("mag1 serves it again", lambda: states(domain, "mag1") == ["registered"])


def home_routes(domain: Domain, name: str) -> list[str]:
    routes = domain.ip_json(name, "route", "show", "table", "all")
    return [route["dst"] for route in routes if str(route.get("dst", "")).startswith("2001:db8:100:")]


def age(domain: Domain) -> float:
    attachment = domain.magd["mag1"].document("show", "attachments")["attachments"][0]
    return attachment["lifetimeSeconds"] - attachment["remainingSeconds"]


def attach_again(domain: Domain, interface: str) -> None:
    domain.detach(interface)
    domain.attach(interface)


def states(domain: Domain, name: str) -> list[str]:
    return [entry["state"] for entry in domain.magd[name].document("show", "attachments")["attachments"]]
