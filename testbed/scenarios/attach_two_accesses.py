"""A node with two interfaces attaches to both gateways: bindings, prefixes, routes and the default router are there."""

from lib.domain import Domain
from lib.topology import ACCESSES, CORRESPONDENT, GATEWAYS, HOME_PREFIXES, NODE, NODE_MAC


def run(domain: Domain) -> None:
    domain.start()
    addresses = {interface: domain.attach(interface) for interface in ACCESSES}
    bindings = {binding["linkLayerIdentifier"]: binding for binding in domain.bindings()}
    assert len(bindings) == 2, f"expected a binding per interface, got {domain.bindings()}"
    for (interface, gateway), prefix in zip(ACCESSES.items(), HOME_PREFIXES):
        binding = bindings[NODE_MAC[interface]]
        assert binding["node"] == NODE, f"{interface}: wrong node in {binding}"
        assert binding["gateway"] == gateway, f"{interface}: wrong gateway in {binding}"
        assert binding["proxyCareOfAddress"] == GATEWAYS[gateway], f"{interface}: wrong Proxy-CoA in {binding}"
        assert binding["prefixes"] == [prefix], f"{interface}: expected {prefix}, got {binding}"
        assert addresses[interface].startswith(prefix.removesuffix("::/64") + ":"), \
            f"{interface}: address {addresses[interface]} is not in {prefix}"
        attachments = domain.magd[gateway].document("show", "attachments")["attachments"]
        states = [(entry["linkLayerAddress"], entry["state"]) for entry in attachments]
        assert states == [(NODE_MAC[interface], "registered")], f"{gateway}: attachments are {attachments}"

    # The gateway of the second interface has learnt the first one's prefix with its acknowledgement, the first
    # gateway with the acknowledgement of its next registration.
    assert bindings[NODE_MAC["if2"]]["offLinkPrefixes"] == [HOME_PREFIXES[0]], \
        f"mag2 was not told of {HOME_PREFIXES[0]}: {bindings[NODE_MAC['if2']]}"

    for interface, address in addresses.items():
        answer = domain.ping("cn", address)
        assert answer.returncode == 0, f"the correspondent does not reach {address} on {interface}: {answer.stdout}"
        answer = domain.ping("mn", CORRESPONDENT, "-I", interface)
        assert answer.returncode == 0, f"{interface} does not reach the correspondent: {answer.stdout}"
