"""A UDP stream moves three times: nothing is lost or doubled in either direction, and the uplink follows."""

import time

from lib.domain import Domain
from lib.verdict import LONGEST_INTERRUPTION, Verdict, report

ALONE = True


def run(domain: Domain) -> None:
    domain.start_attached()
    accesses = domain.trace_accesses()
    begin = time.time()
    stream = domain.udp(domain.address("if1"))
    domain.flow(stream.flow)
    moves = []
    for gateway in ["mag2", "mag1", "mag2"]:
        time.sleep(2)
        moves.append(domain.move(stream.flow, gateway))
    time.sleep(2)
    udp = stream.stop()
    end = time.time()
    accesses.finish()

    assert udp.lost == 0, f"packets {udp.lost_numbers()[:20]} of {udp.sent} are lost"
    assert udp.duplicated == 0, f"{udp.duplicated} packets of {udp.sent} came twice"
    assert udp.lost_uplink == 0, f"{udp.lost_uplink} echoes of {udp.received} are lost"
    assert udp.longest_interruption < LONGEST_INTERRUPTION, \
        f"a packet came {udp.longest_interruption:.3f} s late, after {udp.longest_gap:.3f} s without any"
    verdict = Verdict()
    bounds = [begin, *(move.end + 1 for move in moves)]
    ends = [*(move.begin for move in moves[1:]), end]
    for number, move in enumerate(moves):
        verdict.add_move(f"move {number + 1}", report(accesses, move, bounds[number], ends[number]), round_trip=0.01)
    assert verdict.holds(), verdict.failures()
