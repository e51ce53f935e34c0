"""No fixed link-local address is configured: the anchor chooses that of the gateways, and the node's routers have it."""

from lib import crosscheck
from lib.domain import Domain
from lib.topology import ACCESSES

GUEST = False
BINDING_ACKNOWLEDGEMENT = 6


def run(domain: Domain) -> None:
    for gateway in domain.magd.values():
        gateway.write_configuration({"\nnode-map:": '\nfixed-link-local-address: "::"\nnode-map:'})
    domain.start_attached()
    routers = {route["dev"]: route["gateway"] for route in domain.ip_json("mn", "route", "show", "default")}
    for interface in ACCESSES:
        answer = domain.ping("cn", domain.address(interface))
        assert answer.returncode == 0, f"the correspondent does not reach {interface}: {answer.stdout}"
    domain.signalling.stop()
    messages = [document for document, _ in crosscheck.compare(domain.signalling.path)[0]]
    chosen = [option["linkLocalAddress"] for message in messages if message["mhType"] == BINDING_ACKNOWLEDGEMENT
              for option in message["options"] if option["name"] == "LinkLocalAddress"]
    assert len(chosen) == 2 and chosen == list(routers.values()), f"the anchor chose {chosen}, the node has {routers}"
