"""flow-mobility.mode paper: the first gateway learns of the second interface's prefix by the acknowledgement of its next
registration; until then a move there is refused, then it works and loses nothing.
"""

import time

from lib.domain import Domain
from lib.shell import wait_until
from lib.topology import HOME_PREFIXES

SECONDS = 90
GUEST = False


def run(domain: Domain) -> None:
    # Refreshes every 10 s instead of every few minutes.
    domain.magd["mag1"].write_configuration({"\ntimers:\n": "\ntimers:\n  lifetime: 20s\n  refresh-before-expiry: 10s\n"})
    domain.lmad.write_configuration({"\ntimers:\n": "\nflow-mobility:\n  mode: paper\ntimers:\n"})
    domain.start_attached()
    stream = domain.udp(domain.address("if2"))
    entry = domain.flow(stream.flow)

    def told() -> bool:
        binding = domain.binding("if1")
        return binding is not None and HOME_PREFIXES[1] in binding["offLinkPrefixes"]
    if not told():
        refused = domain.flow_manager.command("move", str(entry["id"]), "--to", "mag1", check=False)
        # The registration may have come between the two.
        assert told() or (refused.returncode == 1 and "flow-mobility.mode is paper" in refused.stderr), \
            f"the move ended with {refused.returncode}: {refused.stderr}"
    wait_until("mag1 has been told of the second prefix", told, seconds=20)
    domain.move(stream.flow, "mag1")
    time.sleep(2)
    udp = stream.stop()
    assert udp.lost == 0, f"packets {udp.lost_numbers()[:20]} of {udp.sent} are lost"
    assert udp.lost_uplink == 0, f"{udp.lost_uplink} echoes of {udp.received} are lost"
    assert udp.per_interface.get("if1", 0) > 0, f"nothing came over if1: {udp.per_interface}"
