"""A node moved to another gateway; the old gateway's de-registration, coming late, leaves the new binding alone."""

from lib.domain import Domain
from lib.shell import wait_until
from lib.topology import NODE_MAC

IGNORED = "ignored-deregistration-not-current-gateway"

GUEST = False


def run(domain: Domain) -> None:
    domain.start()
    domain.attach("if1")
    before = domain.lmad.counters()[IGNORED]
    # mag2 learns from below that the node is there, as after a handover of one interface.
    domain.magd["mag2"].command("attach", "--link", "acc0", "--mac", NODE_MAC["if1"])

    def handed_over() -> dict | None:
        binding = domain.binding("if1")
        return binding if binding and binding["gateway"] == "mag2" else None
    binding = wait_until("the binding of if1 is at mag2", handed_over)

    domain.magd["mag1"].command("detach", "--link", "acc0", "--mac", NODE_MAC["if1"])
    wait_until("the anchor has counted the late de-registration", lambda: domain.lmad.counters()[IGNORED] > before)
    now = domain.binding("if1")
    assert now and (now["id"], now["gateway"], now["prefixes"]) == (binding["id"], "mag2", binding["prefixes"]), \
        f"the late de-registration changed {binding} to {domain.bindings()}"
