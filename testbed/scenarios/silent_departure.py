"""A node falls silent while its link stays up: the gateway's probes notice, and it is de-registered."""

from lib.domain import Domain
from lib.shell import wait_until


def run(domain: Domain) -> None:
    domain.start_attached()
    domain.run("mn", "nft", "-f", "-", stdin="""
        table netdev silence {
          chain in { type filter hook ingress device "if2" priority -500; drop; }
          chain out { type filter hook egress device "if2" priority -500; drop; }
        }""")
    # The gateway's neighbour entry is stale only after some time (base_reachable_time, 30 s), its probes every 2 s.
    wait_until("the silent interface has been de-registered", lambda: domain.binding("if2") is None, seconds=45)
    assert domain.binding("if1"), f"the interface that answers lost its binding: {domain.bindings()}"
    link = domain.ip_json("mag2", "link", "show", "dev", "acc0")[0]
    assert link["operstate"] == "UP", f"the access link went down, so this proves nothing: {link}"
