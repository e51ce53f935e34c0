"""A running TCP download moves to the other access and back, then a UDP stream moves; every packet is accounted for."""

import argparse
import shutil
import signal
import sys
import time
from pathlib import Path

from . import plot
from .domain import Domain, Move
from .livetable import LiveTable
from .shell import IN_GUEST
from .topology import ACCESSES, CORRESPONDENT, NODE
from .traffic import TCP_MEGABITS, UDP_RATE
from .verdict import LONGEST_INTERRUPTION, Verdict, milliseconds, report

# Seconds of traffic before, between and after the moves.
PHASE = 4.0

PICTURE = """\
                    cn   correspondent  2001:db8:c::2
                     │
                    lma  anchor         2001:db8:1::1    lmad, flow-manager
            ┌────────┴────────┐         tunnels
          mag1              mag2        2001:db8:1::11, ::12    magd
            └─ if1 ── mn ── if2 ┘       terminal, weak host     packet-reflector
"""


def round_trip(domain: Domain, address: str) -> float:
    output = domain.ping("cn", address).stdout
    assert "rtt" in output, f"the node does not answer to ping at {address}: {output}"
    # rtt min/avg/max/mdev = a/b/c/d ms
    return float(output.split("rtt", 1)[1].split("=")[1].split("/")[2]) / 1000


def demonstrate(domain: Domain) -> Verdict:
    print(PICTURE)
    print(f"namespaces {domain.namespace('*')}; logs and captures in {domain.results}\n")
    domain.start()
    addresses = {interface: domain.attach(interface) for interface in ACCESSES}
    for interface, gateway in ACCESSES.items():
        print(f"{NODE} attached: {interface} at {gateway}, {addresses[interface]}")
    home = addresses["if1"]
    rtt = round_trip(domain, home)
    print(f"both flows go to {home} on if1: TCP download {TCP_MEGABITS} Mbit/s (iperf3), UDP stream {UDP_RATE} packets/s\n")

    accesses, correspondent = domain.trace_accesses(), domain.trace_correspondent()
    stream = domain.udp(home)
    download = domain.tcp(home)
    domain.flow(download.flow)
    begin = time.time()
    table = LiveTable(accesses, {"TCP": download.flow, "UDP": stream.flow})
    moves: list[Move] = []
    try:
        time.sleep(PHASE)
        for flow, name, gateway in [(download.flow, "TCP", "mag2"), (download.flow, "TCP", "mag1"),
                                    (stream.flow, "UDP", "mag2")]:
            moves.append(domain.move(flow, gateway))
            table.note = f"moved {name} to {gateway}"
            time.sleep(PHASE)
        end = time.time()
        udp = stream.stop()
        tcp = download.stop()
    finally:
        table.stop()
    accesses.finish()
    correspondent.finish()

    to_second, back, udp_move = moves
    verdict = Verdict()
    verdict.add_move("TCP to mag2", report(accesses, to_second, begin, back.begin), rtt)
    verdict.add_move("TCP back to mag1", report(accesses, back, to_second.end + PHASE / 4, udp_move.begin), rtt)
    verdict.add_move("UDP to mag2", report(accesses, udp_move, begin, end), rtt)
    verdict.add_untouched("UDP while TCP moved", accesses, stream.flow, "if1", begin, udp_move.begin)
    verdict.add_untouched("TCP while UDP moved", accesses, download.flow, "if1", udp_move.begin, end)
    sent, received = correspondent.payload(download.flow), accesses.payload(download.flow)
    verdict.add(tcp.error is None and received > 0, "TCP connection survived",
                tcp.error or f"yes, {tcp.retransmissions} retransmissions")
    verdict.add(sent == received, "TCP bytes sent, received", f"{sent:,}, {received:,}")
    verdict.add(udp.lost == 0, "UDP packets lost", f"{udp.lost} of {udp.sent}")
    verdict.add(udp.lost_uplink == 0, "UDP echoes lost", f"{udp.lost_uplink} of {udp.received}")
    verdict.add(udp.longest_interruption < LONGEST_INTERRUPTION, "UDP longest gap",
                f"{milliseconds(udp.longest_gap)}, {milliseconds(udp.longest_interruption)} of it on the way")

    marks = [(move.begin, f"to {move.gateway}") for move in moves]
    plots = domain.results
    plot.plot(plots / "tcp.png", "TCP download, moved to the other access and back", accesses, download.flow, begin,
              end, marks[:2], begin)
    plot.plot(plots / "tcp-move.png", "TCP download, close-up of the first move", accesses, download.flow,
              to_second.begin - 0.2, to_second.begin + 0.3, marks[:1], begin, close_up=True)
    plot.plot(plots / "udp.png", "UDP stream, moved to the other access", accesses, stream.flow, begin, end, marks[2:],
              begin, udp.arrivals)
    return verdict


def print_commands(domain: Domain) -> None:
    """What to try in the domain that was left running; the README's tour follows it."""
    print(f"""
The domain is left running. Try:
  testbed/in lma lmad show bindings
  testbed/in mag2 magd show attachments
  testbed/in cn iperf3 -s -D -B {CORRESPONDENT}
  testbed/in mn iperf3 -c {CORRESPONDENT} -R -t 60 -B {domain.address('if1')} > download.txt &
  testbed/in lma flow-manager list
  testbed/in lma flow-manager move FLOW --to mag2          # FLOW: its number in the list
  testbed/in mn packet-reflector list
  testbed/in mn ip link set if2 down                       # the node leaves mag2
Stop it: testbed/clean""")


def main() -> int:
    parser = argparse.ArgumentParser(prog="testbed/demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the domain running and print commands to try")
    parser.add_argument("--results", type=Path, required=True)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    shutil.rmtree(arguments.results, ignore_errors=True)
    started = time.monotonic()
    with Domain(arguments.results, keep=arguments.keep) as domain:
        try:
            verdict = demonstrate(domain)
        except AssertionError as error:
            print(f"\nFAIL  {error}\nLogs: {arguments.results}")
            return 1
        (arguments.results / "verdict.txt").write_text(verdict.text() + "\n")
        print(f"\nVerdict ({'guest, ' if IN_GUEST else ''}{time.monotonic() - started:.0f} s)\n{verdict.text()}\n")
        print(f"plots: {' '.join(str(path) for path in sorted(arguments.results.glob('*.png')))}")
        if arguments.keep:
            print_commands(domain)
        return 0 if verdict.holds() else 1


if __name__ == "__main__":
    sys.exit(main())
