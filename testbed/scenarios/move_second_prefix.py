"""A flow to the prefix of the second interface moves to the first gateway, which had attached the node before.

That gateway's acknowledgement could not name the second prefix yet; a move must not lose packets for it.
"""

import time

from lib.domain import Domain


def run(domain: Domain) -> None:
    domain.start_attached()
    stream = domain.udp(domain.address("if2"))
    time.sleep(1)
    domain.move(stream.flow, "mag1")
    time.sleep(2)
    udp = stream.stop()
    assert udp.lost == 0, f"packets {udp.lost_numbers()[:5]}... ({udp.lost} of {udp.sent}) are lost; " \
        f"bindings: {domain.bindings()}"
    assert udp.per_interface.get("if1", 0) > 0, f"nothing came over if1: {udp.per_interface}"
