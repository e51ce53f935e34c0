"""The weak-host terminal with Wi-Fi (WPA2, one gateway) and a cellular PPP link (another gateway, 3G-like delay and rate): the
operator moves a UDP stream and a TCP download to cellular and back to Wi-Fi. No packet is lost, the download is whole, and the
uplink follows its downlink: from the first downlink packet on the new access, none leaves by another access than the one
its flow was last heard on."""

import time

from lib.cellular import DELAY, GATEWAY, INTERFACE, Cellular
from lib.domain import Domain
from lib.shell import wait_until
from lib.verdict import Verdict, follow, report
from lib.wifi import Air

# Radios and PPP need a kernel with modules.
NATIVE = False
ALONE = True
SECONDS = 90
TCP_MEGABITS, UDP_RATE = 1, 50
# Seconds between two moves: those of one flow are two apart.
PHASE = 1.5


def run(domain: Domain) -> None:
    air, cellular = Air(domain), Cellular(domain)
    air.create()
    try:
        domain.lmad.start()
        air.serve("mag1")
        domain.magd[GATEWAY].start()
        domain.flow_manager.start()
        domain.reflector.start()
        air.start_station()
        home = wait_until("the node has an address by Wi-Fi", lambda: domain.address("if1"), seconds=30)
        # The gateway of the access that comes later is told of the prefixes of the earlier one.
        cellular.dial()
        wait_until("the node has an address by PPP", lambda: domain.address(INTERFACE), seconds=20)
        move_both_ways(domain, home)
    finally:
        cellular.hang_up()
        air.stop()


def move_both_ways(domain: Domain, home: str) -> None:
    accesses, correspondent = domain.trace_accesses(), domain.trace_correspondent()
    stream, download = domain.udp(home, rate=UDP_RATE), domain.tcp(home, megabits=TCP_MEGABITS)
    flows = {"UDP": stream.flow, "TCP": download.flow}
    domain.flow(download.flow)
    begin = time.time()
    time.sleep(PHASE)
    moves = []
    for gateway in (GATEWAY, "mag1"):
        for name, flow in flows.items():
            moves.append((name, domain.move(flow, gateway)))
            time.sleep(PHASE)
    end = time.time()
    udp, tcp = stream.stop(), download.stop()
    accesses.finish()
    correspondent.finish()

    verdict = Verdict()
    for name, flow in flows.items():
        away, back = (move for of, move in moves if of == name)
        for move, since, until in ((away, begin, back.begin), (back, away.end + PHASE, end)):
            title = f"{name} to {'cellular' if move is away else 'Wi-Fi'}"
            verdict.add_move(title, report(accesses, move, since, until), round_trip=2 * DELAY)
            uplink = follow(accesses, move, until)
            verdict.add(uplink.astray == 0 and uplink.packets > 0, f"{title}: uplink packets astray", f"{uplink}")
            print(f"figure: {title}: {uplink}")
    assert verdict.holds(), verdict.failures()
    assert tcp.error is None, f"the TCP connection broke: {tcp.error}"
    sent, received = correspondent.payload(download.flow), accesses.payload(download.flow)
    assert sent == received, f"TCP: {sent} bytes sent, {received} received"
    assert udp.lost == 0 and udp.lost_uplink == 0, \
        f"lost: {udp.lost} of {udp.sent} ({udp.lost_numbers()[:20]}), {udp.lost_uplink} echoes"
    print(f"figure: UDP packets lost: {udp.lost} of {udp.sent}, reordered {udp.reordered}, echoes lost {udp.lost_uplink}; "
          f"TCP bytes lost: {sent - received} of {sent}, {tcp.retransmissions} retransmissions")
