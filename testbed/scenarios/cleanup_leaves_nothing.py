"""After `cleanup` every namespace has the rules, routes, links and nft tables it had before the daemons came."""

import re

from lib.domain import Domain
from lib.shell import wait_until

# The interfaces of each role that are up from the beginning.
ROLES = {"lma": ["cn0", "core0"], "mag1": ["core0"], "mag2": ["core0"]}


def run(domain: Domain) -> None:
    # Link-local addresses bring routes with them once duplicate address detection is over.
    for role in ROLES:
        wait_until(f"{role} has finished duplicate address detection", lambda: settled(domain, role))
    before = {role: domain.kernel_state(role) for role in ROLES}
    domain.start_attached()
    stream = domain.udp(domain.address("if1"))
    domain.move(stream.flow, "mag2")
    stream.stop()
    domain.detach("if1")
    domain.detach("if2")
    wait_until("all bindings are gone", lambda: domain.bindings() == [])
    node_before = domain.kernel_state("mn")
    assert "flowmob_reflector" in node_before["ruleset"], "the reflector's table is not there"
    for daemon in [domain.flow_manager, *domain.magd.values(), domain.lmad, domain.reflector]:
        status = daemon.stop()
        assert status == 0, f"{daemon.name} ended with {status} on SIGTERM: {daemon.last_words()}"
    for daemon in [domain.flow_manager, *domain.magd.values(), domain.lmad, domain.reflector]:
        daemon.cleanup()
    for role in ROLES:
        # The node's interfaces are down, as they were in the beginning: so the access links have no carrier.
        after = domain.kernel_state(role)
        for name, text in before[role].items():
            was, now = without_identity(text), without_identity(after[name])
            assert now == was, f"{role}: {name} before:\n{was}\nafter cleanup:\n{now}"
    for role in domain.magd:
        addresses = domain.run(role, "ip", "-6", "addr", "show", "dev", "acc0").stdout
        assert "fe80::200:5eff:fe00:5213" not in addresses, f"{role} keeps the fixed link-local address: {addresses}"
    assert "flowmob" not in domain.kernel_state("mn")["ruleset"], "the reflector left its table"


def settled(domain: Domain, role: str) -> bool:
    entries = domain.ip_json(role, "addr", "show", "scope", "link")
    ready = [entry["ifname"] for entry in entries if entry for address in entry["addr_info"]
             if "local" in address and not address.get("tentative")]
    return sorted(ready) == ROLES[role]


def without_identity(text: str) -> str:
    """The link-layer address of the access link stays, and without the fixed link-local address the kernel's own routes
    of the link differ from before."""
    return "\n".join(line for line in text.splitlines() if not re.search(r"\bacc0\b", line) or "proto 113" in line)
