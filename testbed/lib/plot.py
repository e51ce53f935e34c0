"""Plots of a flow over both accesses: sequence number and throughput against time, as in the paper's figures 4 and 8."""

import tempfile
from pathlib import Path

from .capture import Trace
from .pcap import TCP, Flow
from .shell import run
from .topology import ACCESSES

COLOURS = {"if1": "#1f77b4", "if2": "#d95f02"}
BIN = 0.1
# A plot shows no more points than this per access.
MAXIMUM_POINTS = 4000


def sequence_points(trace: Trace, flow: Flow, interface: str, origin: float, begin: float, end: float) -> str:
    packets = [packet for packet in trace.of(flow, interface, begin, end) if packet.payload > 0]
    starts = [trace.of(flow, access)[0] for access in ACCESSES if trace.of(flow, access)]
    base = min(starts, key=lambda packet: packet.time).sequence if starts else 0
    step = max(1, len(packets) // MAXIMUM_POINTS)
    return "".join(f"{packet.time - origin:.5f} {((packet.sequence - base) % 2**32) / 1e6:.5f}\n"
                   for packet in packets[::step])


def number_points(arrivals: list[tuple[int, float, str]], interface: str, origin: float, begin: float,
                  end: float) -> str:
    chosen = [(number, time) for number, time, name in arrivals if name == interface and begin <= time < end]
    step = max(1, len(chosen) // MAXIMUM_POINTS)
    return "".join(f"{time - origin:.5f} {number}\n" for number, time in chosen[::step])


def throughput_points(trace: Trace, flow: Flow, interface: str, origin: float, begin: float, end: float) -> str:
    bins = [0] * (int((end - begin) / BIN) + 1)
    for packet in trace.of(flow, interface, begin, end):
        bins[int((packet.time - begin) / BIN)] += packet.octets
    return "".join(f"{begin - origin + (index + 0.5) * BIN:.2f} {octets * 8 / BIN / 1e6:.4f}\n"
                   for index, octets in enumerate(bins))


def plot(target: Path, title: str, trace: Trace, flow: Flow, begin: float, end: float, moves: list[tuple[float, str]],
         origin: float, arrivals: list[tuple[int, float, str]] | None = None, close_up: bool = False) -> None:
    """`moves`: time and label; `arrivals`: of the UDP stream, whose sequence numbers are not in its headers."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for interface in ACCESSES:
            points = (sequence_points(trace, flow, interface, origin, begin, end) if flow.protocol == TCP
                      else number_points(arrivals or [], interface, origin, begin, end))
            # gnuplot refuses an empty file; an undefined point is an empty curve with a legend.
            (directory / f"sequence-{interface}").write_text(points or f"{begin - origin} NaN\n")
            (directory / f"throughput-{interface}").write_text(
                throughput_points(trace, flow, interface, origin, begin, end))
        marks = "".join(
            f"set arrow {index} from {time - origin:.4f}, graph 0 to {time - origin:.4f}, graph 1 nohead dt 2 lc '#666666'\n"
            f"set label {index} '{label}' at {time - origin:.4f}, graph 0.93 offset 0.5,0 font ',9' tc '#444444'\n"
            for index, (time, label) in enumerate(moves, start=1) if begin <= time < end)

        def curves(kind: str, style: str) -> str:
            return ", ".join(f"'{directory}/{kind}-{interface}' with {style} lc '{COLOURS[interface]}' "
                             f"title '{interface} ({gateway})'" for interface, gateway in ACCESSES.items())

        sequence_label = "TCP sequence number (MB)" if flow.protocol == TCP else "packet number"
        panels = [f"set ylabel '{sequence_label}'\nplot {curves('sequence', 'points pt 7 ps 0.3')}\n"]
        if close_up:
            panels[0] = panels[0].replace("pt 7 ps 0.3", "pt 7 ps 0.5")
        else:
            panels.append(f"set ylabel 'throughput (Mbit/s)'\nset yrange [0:*]\n"
                          f"plot {curves('throughput', 'steps lw 2')}\n")
        run("gnuplot", stdin=(
            f"set terminal pngcairo size 1000,{420 * len(panels)} font 'sans,11'\nset output '{target}'\n"
            f"set multiplot layout {len(panels)},1 title '{title}'\nset grid lc '#dddddd'\nset key bottom right\n"
            f"set xrange [{begin - origin:.3f}:{end - origin:.3f}]\nset yrange [0:*]\n"
            + ("set autoscale y\n" if close_up else "")
            + f"set xlabel 'time (s)'\n{marks}" + "".join(panels)), seconds=60)
