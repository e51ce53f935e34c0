"""The table that the demo shows while packets run."""

import sys
import threading
import time

from .capture import Trace
from .pcap import Flow
from .topology import ACCESSES

REDRAW = 0.5
# Without a terminal the table is a log; fewer lines are more.
LOG_EVERY = 2.0


class LiveTable:
    """Throughput of each flow on each access, down and up, once per period until `stop`."""

    def __init__(self, trace: Trace, flows: dict[str, Flow]) -> None:
        self.trace = trace
        self.flows = flows
        self.note = ""
        self.on_terminal = sys.stdout.isatty()
        self.period = REDRAW if self.on_terminal else LOG_EVERY
        self.origin = time.time()
        self.drawn_lines = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()

    def loop(self) -> None:
        before = self.origin
        while not self.stopping.wait(self.period):
            self.trace.update()
            now = time.time()
            self.draw(before, now)
            before = now

    def rates(self, flow: Flow, begin: float, end: float) -> list[str]:
        return [f"{self.trace.octets(direction, interface, begin, end) * 8 / (end - begin) / 1e6:.2f}"
                for interface in ACCESSES for direction in (flow, flow.reversed())]

    def draw(self, begin: float, end: float) -> None:
        elapsed = f"{end - self.origin:5.1f} s"
        if not self.on_terminal:
            cells = "  ".join(f"{name}: if1 {down1}/{up1} if2 {down2}/{up2}" for name, flow in self.flows.items()
                              for down1, up1, down2, up2 in [self.rates(flow, begin, end)])
            print(f"  {elapsed}  {cells}  Mbit/s down/up  {self.note}", flush=True)
            return
        lines = [f"  {elapsed:<12}{'if1 (mag1)':>22}{'if2 (mag2)':>22}", f"  {'Mbit/s':<12}" + f"{'down':>12}{'up':>10}" * 2]
        lines += [f"  {name:<12}" + f"{down1:>12}{up1:>10}{down2:>12}{up2:>10}" for name, flow in self.flows.items()
                  for down1, up1, down2, up2 in [self.rates(flow, begin, end)]]
        lines.append(f"  {self.note}")
        if self.drawn_lines:
            sys.stdout.write(f"\x1b[{self.drawn_lines}A")
        sys.stdout.write("".join(f"\x1b[2K{line}\n" for line in lines))
        sys.stdout.flush()
        self.drawn_lines = len(lines)

    def stop(self) -> None:
        self.stopping.set()
        self.thread.join()
