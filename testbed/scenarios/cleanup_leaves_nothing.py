"""After `cleanup` every namespace has the rules, routes, links and nft tables it had before the daemons came."""

from lib.domain import Domain
from lib.shell import wait_until

ROLES = ["lma", "mag1", "mag2"]


def run(domain: Domain) -> None:
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
            assert after[name] == text, f"{role}: {name} before:\n{text}\nafter cleanup:\n{after[name]}"
    assert "flowmob" not in domain.kernel_state("mn")["ruleset"], "the reflector left its table"
