"""Heartbeats (RFC 5847): a gateway that nothing reaches is seen by both sides and its flow leaves it; a gateway and an
anchor that lost their sessions are found out, and every node has its binding and prefix again."""

from lib.domain import Domain
from lib.shell import wait_until
from lib.topology import GATEWAYS, LMA

SECONDS = 120
GUEST = False

HEARTBEAT = "heartbeat: { interval: 1s, missing-allowed: 2 }"


def run(domain: Domain) -> None:
    replace = {f"    address: {address}\n": f"    address: {address}\n    {HEARTBEAT}\n" for address in GATEWAYS.values()}
    domain.lmad.write_configuration(replace)
    for magd in domain.magd.values():
        magd.write_configuration({f"anchor: {LMA}\n": f"anchor: {LMA}\n{HEARTBEAT}\n"})
    domain.start_attached()
    for name, magd in domain.magd.items():
        wait_until(f"{name} and the anchor hear each other",
                   lambda: gateway_path(domain, name) == anchor_path(domain, name) == "reachable")
    path_failure(domain)
    gateway_restart(domain)
    anchor_restart(domain)


def path_failure(domain: Domain) -> None:
    stream = domain.udp(domain.address("if1"))
    assert domain.flow(stream.flow)["gateway"] == "mag1", f"the flow does not begin at mag1: {domain.flows()}"
    domain.run("mag1", "nft", "-f", "-", stdin="""
        table netdev outage {
          chain in { type filter hook ingress device "core0" priority -500; drop; }
          chain out { type filter hook egress device "core0" priority -500; drop; }
        }""")
    wait_until("the anchor cannot reach mag1", lambda: gateway_path(domain, "mag1") == "unreachable", seconds=15)
    wait_until("mag1 cannot reach the anchor", lambda: anchor_path(domain, "mag1") == "unreachable", seconds=15)
    assert gateway_path(domain, "mag2") == "reachable", "mag2 is taken for unreachable as well"
    wait_until("the flow has left mag1", lambda: domain.flow(stream.flow)["gateway"] == "mag2")
    assert domain.binding("if1"), f"the binding at mag1 is gone: {domain.bindings()}"
    domain.run("mag1", "nft", "delete", "table", "netdev", "outage")
    wait_until("the anchor reaches mag1 again", lambda: gateway_path(domain, "mag1") == "reachable", seconds=15)
    wait_until("mag1 reaches the anchor again", lambda: anchor_path(domain, "mag1") == "reachable", seconds=15)
    counters = domain.lmad.counters()
    assert (counters["gateway-paths-failed"], counters["gateway-paths-recovered"]) == (1, 1), counters
    assert counters["gateways-restarted"] == 0, "a path failure was taken for a restart"
    udp = stream.stop()
    # Lost are those of the time until the failure was noticed, and none after it.
    lost = udp.lost_numbers()
    assert lost and lost == list(range(lost[0], lost[-1] + 1)), f"packets are lost in several places: {lost[:20]}"


def gateway_restart(domain: Domain) -> None:
    """mag1 without its sessions: the anchor hears of it at once, and the node, which attaches again, keeps its prefix."""
    before = domain.binding("if1")
    forget_sessions(domain, domain.magd["mag1"])
    wait_until("the anchor knows that mag1 lost its sessions", lambda: domain.lmad.counters()["gateways-restarted"] == 1)
    domain.detach("if1")
    domain.attach("if1")
    after = domain.binding("if1")
    assert before and after and after["prefixes"] == before["prefixes"], f"the binding was {before}, now it is {after}"
    assert domain.binding("if2"), f"a binding of mag2 is gone: {domain.bindings()}"


def anchor_restart(domain: Domain) -> None:
    """The anchor without its sessions: the gateways hear of it at once and register their nodes, unasked."""
    prefixes = {interface: domain.binding(interface)["prefixes"] for interface in ("if1", "if2")}
    forget_sessions(domain, domain.lmad)
    for interface, owned in prefixes.items():
        binding = wait_until(f"{interface} is registered again", lambda: domain.binding(interface), seconds=15)
        assert binding["prefixes"] == owned, f"{interface} had {owned}, now has {binding['prefixes']}"
    for name, magd in domain.magd.items():
        counters = magd.counters()
        assert (counters["anchors-restarted"], counters["bindings-lost-by-anchor"]) == (1, 1), f"{name}: {counters}"
    stream = domain.udp(domain.address("if1"), port=7020, source_port=7021)
    wait_until("a flow runs again", lambda: domain.flows(stream.flow))
    stream.stop()


def forget_sessions(domain: Domain, daemon) -> None:
    """A crash that takes the sessions with it; the Restart Counter is kept in a file of its own."""
    before = daemon.counters()["restart-counter"]
    daemon.kill()
    name = daemon.program
    for path in (domain.directory / daemon.name).glob(f"{name}.*"):
        path.unlink()
    daemon.start()
    after = daemon.counters()["restart-counter"]
    assert after > before, f"the Restart Counter of {daemon.name} was {before} and is {after}"


def gateway_path(domain: Domain, name: str) -> str:
    gateways = domain.lmad.document("show", "gateways")["gateways"]
    return next(gateway["path"] for gateway in gateways if gateway["name"] == name)


def anchor_path(domain: Domain, name: str) -> str:
    return domain.magd[name].document("show", "anchors")["anchors"][0]["path"]
