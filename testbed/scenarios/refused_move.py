"""A move to a gateway where the node is not, or that does not exist, is refused with the ones it has."""

from lib.domain import Domain

GUEST = False


def run(domain: Domain) -> None:
    domain.start()
    home = domain.attach("if1")
    stream = domain.udp(home)
    identifier = str(domain.flow(stream.flow)["id"])
    for gateway in ["mag2", "mag9"]:
        refused = domain.flow_manager.command("move", identifier, "--to", gateway, check=False)
        assert refused.returncode == 1, f"move to {gateway} ended with {refused.returncode}: {refused.stdout}"
        assert "mag1" in refused.stderr, f"the refusal does not name mag1, which the node has: {refused.stderr}"
    entry = domain.flow(stream.flow)
    assert entry["gateway"] == "mag1", f"the refused move changed the flow: {entry}"
    unknown = domain.flow_manager.command("move", "999999", "--to", "mag1", check=False)
    assert unknown.returncode == 1 and "999999" in unknown.stderr, \
        f"a move of an unknown flow: status {unknown.returncode}, {unknown.stderr}"
    udp = stream.stop()
    assert udp.lost == 0, f"packets {udp.lost_numbers()[:20]} of {udp.sent} are lost"
