"""The node as the paper's second terminal: one logical interface over both accesses, made by bonding-policy."""

from .daemons import Daemon
from .domain import Domain
from .shell import wait_until
from .topology import ACCESSES, HOME_PREFIXES, NODE, NODE_MAC

INTERFACE = "lif0"
# Of the logical interface, and so of both slaves.
MAC = NODE_MAC["if1"]


class LogicalNode(Daemon):
    """bonding-policy in place of the packet reflector; `domain` is set up for a logical interface."""

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain, domain.results, "mn", "bonding-policy", "bonding-policy", ["show"])
        self.domain = domain
        anchor = {"kind: interfaces\n": "kind: logical\n",
                  f"[{HOME_PREFIXES[0]}, {HOME_PREFIXES[1]}]": f"[{HOME_PREFIXES[0]}]"}
        domain.lmad.write_configuration(anchor)
        for magd in domain.magd.values():
            magd.write_configuration({f"{MAC} {NODE} interfaces": f"{MAC} {NODE} logical",
                                      **{f"{NODE_MAC[name]} {NODE} interfaces\n": "" for name in ("if2", "if3")}})

    def start_attached(self) -> str:
        """All daemons and both accesses; the node's address."""
        for daemon in [self.domain.lmad, self.domain.flow_manager, *self.domain.magd.values(), self]:
            daemon.start()
        for interface in ACCESSES:
            self.domain.ip("mn", f"link set {interface} up\n")
        address = wait_until("the logical interface has an address", lambda: self.domain.address(INTERFACE), seconds=20)
        for gateway in ACCESSES.values():
            self.wait_for_binding(gateway)
        return address

    def binding(self, gateway: str, state: str = "active") -> dict | None:
        return next((binding for binding in self.domain.bindings()
                     if binding["gateway"] == gateway and binding["state"] == state), None)

    def wait_for_binding(self, gateway: str) -> dict:
        return wait_until(f"lmad has an active binding at {gateway}", lambda: self.binding(gateway), seconds=20)
