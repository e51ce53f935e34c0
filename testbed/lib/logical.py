"""The node as the paper's second terminal: one logical interface over both accesses, made by bonding-policy."""

from .daemons import Daemon
from .domain import Domain
from .pcap import Flow
from .shell import wait_until
from .topology import ACCESSES, HOME_PREFIXES, NODE, NODE_MAC

INTERFACE = "lif0"
# Of the logical interface, and so of both slaves.
MAC = NODE_MAC["if1"]


class LogicalNode(Daemon):
    """bonding-policy in place of the packet reflector; `domain` is set up for a logical interface. `access`: what else
    changes in the configuration of a gateway; `anchor`: in that of lmad."""

    def __init__(self, domain: Domain, access: dict[str, dict[str, str]] | None = None,
                 anchor: dict[str, str] | None = None) -> None:
        super().__init__(domain, domain.results, "mn", "bonding-policy", "bonding-policy", ["show"])
        self.domain = domain
        domain.lmad.write_configuration({
            "kind: interfaces\n": "kind: logical\n",
            f"[{HOME_PREFIXES[0]}, {HOME_PREFIXES[1]}]": f"[{HOME_PREFIXES[0]}]", **(anchor or {})})
        for gateway, magd in domain.magd.items():
            magd.write_configuration({f"{MAC} {NODE} interfaces": f"{MAC} {NODE} logical",
                                      **{f"{NODE_MAC[name]} {NODE} interfaces\n": "" for name in ("if2", "if3")},
                                      **(access or {}).get(gateway, {})})

    def start_attached(self) -> str:
        """All daemons and both accesses; the node's address."""
        self.start_all()
        for interface in ACCESSES:
            self.domain.ip("mn", f"link set {interface} up\n")
        return self.wait_attached()

    def start_all(self) -> None:
        for daemon in [self.domain.lmad, self.domain.flow_manager, *self.domain.magd.values(), self]:
            daemon.start()

    def wait_attached(self) -> str:
        """The node's address, when both accesses have a binding."""
        address = wait_until("the logical interface has an address", lambda: self.domain.address(INTERFACE), seconds=20)
        for gateway in ACCESSES.values():
            self.wait_for_binding(gateway)
        return address

    def binding(self, gateway: str, state: str = "active") -> dict | None:
        return next((binding for binding in self.domain.bindings()
                     if binding["gateway"] == gateway and binding["state"] == state), None)

    def wait_for_binding(self, gateway: str) -> dict:
        return wait_until(f"lmad has an active binding at {gateway}", lambda: self.binding(gateway), seconds=20)

    def uplink(self, flow: Flow) -> tuple[str | None, bool] | None:
        """Slave of the flow's uplink, and whether the owner chose it."""
        entry = self.entry(flow)
        return entry and (entry.get("slave"), entry["isSelected"])

    def entry(self, flow: Flow) -> dict | None:
        """What bonding-policy lists of the flow."""
        ports = {flow.source_port, flow.destination_port}
        return next((entry for entry in self.ask("list")["flows"]
                     if {entry.get("sourcePort"), entry.get("destinationPort")} == ports), None)

    def host_state(self) -> dict[str, str]:
        """Of the terminal, whose accesses are down."""
        for interface in ACCESSES:
            # Once up, an interface keeps its queueing discipline.
            self.domain.ip("mn", f"link set {interface} up\nlink set {interface} down\n")
        return self.domain.host_state()

    def sent(self, slave: str) -> int:
        """Frames, as the slave itself counts them."""
        return int(self.domain.run("mn", "cat", f"/sys/class/net/{slave}/statistics/tx_packets").stdout)

    def uplink_packets(self, slave: str) -> int:
        return next(entry["uplinkPackets"] for entry in self.ask("show")["slaves"] if entry["name"] == slave)
