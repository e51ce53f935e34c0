"""A TCP download moves to the other access and back: no packet is lost, the uplink follows, the UDP flow stays."""

import time

from lib.domain import Domain
from lib.verdict import Verdict, report

SECONDS = 90


def run(domain: Domain) -> None:
    domain.start_attached()
    home = domain.address("if1")
    accesses, correspondent = domain.trace_accesses(), domain.trace_correspondent()
    stream, download = domain.udp(home), domain.tcp(home)
    domain.flow(download.flow)
    begin = time.time()
    time.sleep(2)
    away = domain.move(download.flow, "mag2")
    time.sleep(2)
    back = domain.move(download.flow, "mag1")
    time.sleep(2)
    end = time.time()
    udp = stream.stop()
    tcp = download.stop()
    accesses.finish()
    correspondent.finish()

    assert tcp.error is None, f"the TCP connection broke: {tcp.error}"
    verdict = Verdict()
    # A round trip is below the scheduler's jitter here, which the verdict allows for.
    verdict.add_move("to mag2", report(accesses, away, begin, back.begin), round_trip=0.01)
    verdict.add_move("back to mag1", report(accesses, back, away.end + 1, end), round_trip=0.01)
    verdict.add_untouched("UDP", accesses, stream.flow, "if1", begin, end)
    assert verdict.holds(), verdict.failures()
    sent, received = correspondent.payload(download.flow), accesses.payload(download.flow)
    assert sent == received, f"TCP: {sent} bytes sent, {received} received"
    assert udp.lost == 0, f"UDP: packets {udp.lost_numbers()[:20]} of {udp.sent} are lost"
