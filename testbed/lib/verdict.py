"""What a capture says about the moves of a flow, and the table that says whether it is as it should be."""

from dataclasses import dataclass, field

from .capture import Trace
from .domain import Move
from .shell import IN_GUEST
from .topology import ACCESSES

# Time for packets that were already under way to the old access when the kernel's map changed.
SETTLING = 1.0 if IN_GUEST else 0.25
# What the scheduler of a busy machine may add to a round trip.
JITTER = 0.25 if IN_GUEST else 0.05
# How much farther apart two packets of the UDP stream may arrive than they were sent: what a user would notice is longer.
LONGEST_INTERRUPTION = 0.5 if IN_GUEST else 0.25
# The command itself is in it: starting a program in the guest takes seconds.
FIRST_PACKET = 15.0 if IN_GUEST else 1.0


def other(interface: str) -> str:
    return next(name for name in ACCESSES if name != interface)


@dataclass
class MoveReport:
    """A move seen from the node. Octets are of IPv6 packets, downlink, per access."""
    move: Move
    before: dict[str, int]
    after: dict[str, int]
    # Seconds from the command to the first downlink packet on the new access; None: never.
    first_downlink: float | None
    # Seconds from that packet to the first uplink packet on the new access, and to the last on the old one.
    first_uplink: float | None
    last_uplink_on_old: float | None


def report(trace: Trace, move: Move, since: float, until: float) -> MoveReport:
    """`since` and `until`: the move before and the one after, or the ends of the flow."""
    new, old = move.interface, other(move.interface)
    uplink = move.flow.reversed()
    first = trace.first_after(move.flow, new, move.begin)
    first_uplink = last_uplink = None
    if first is not None:
        answer = trace.first_after(uplink, new, first)
        first_uplink = None if answer is None else answer - first
        on_old = trace.of(uplink, old, first, until)
        last_uplink = on_old[-1].time - first if on_old else 0.0
    return MoveReport(
        move, before={interface: trace.octets(move.flow, interface, since, move.begin) for interface in ACCESSES},
        after={interface: trace.octets(move.flow, interface, move.end + SETTLING, until) for interface in ACCESSES},
        first_downlink=None if first is None else first - move.begin, first_uplink=first_uplink,
        last_uplink_on_old=last_uplink)


@dataclass
class Verdict:
    """Lines that each hold or do not."""
    lines: list[tuple[bool, str, str]] = field(default_factory=list)

    def add(self, holds: bool, name: str, found: str) -> None:
        self.lines.append((holds, name, found))

    def holds(self) -> bool:
        return bool(self.lines) and all(holds for holds, _, _ in self.lines)

    def failures(self) -> str:
        return "; ".join(f"{name}: {found}" for holds, name, found in self.lines if not holds)

    def text(self) -> str:
        width = max(len(name) for _, name, _ in self.lines)
        return "\n".join(f"  {'ok  ' if holds else 'FAIL'}  {name:<{width}}  {found}"
                         for holds, name, found in self.lines)

    def add_move(self, name: str, seen: MoveReport, round_trip: float) -> None:
        """Every packet on the old access before, on the new one after, the uplink beside it."""
        new, old = seen.move.interface, other(seen.move.interface)
        self.add(seen.before[old] > 0 and seen.before[new] == 0, f"{name}: bytes before", per_access(seen.before))
        self.add(seen.after[new] > 0 and seen.after[old] == 0, f"{name}: bytes after", per_access(seen.after))
        self.add(seen.first_downlink is not None and seen.first_downlink < FIRST_PACKET,
                 f"{name}: command to first packet on {new}", milliseconds(seen.first_downlink))
        bound = round_trip + JITTER
        on_time = [value is not None and value <= bound for value in (seen.first_uplink, seen.last_uplink_on_old)]
        self.add(all(on_time), f"{name}: uplink path",
                 f"{new} after {milliseconds(seen.first_uplink)}, last on {old} after "
                 f"{milliseconds(seen.last_uplink_on_old)} (round trip {milliseconds(round_trip)})")

    def add_untouched(self, name: str, trace: Trace, flow, interface: str, begin: float, end: float) -> None:
        octets = {access: trace.octets(flow, access, begin, end) for access in ACCESSES}
        self.add(octets[interface] > 0 and octets[other(interface)] == 0, name, per_access(octets))


def per_access(octets: dict[str, int]) -> str:
    return "  ".join(f"{interface} {count:>11,}" for interface, count in octets.items())


def milliseconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds * 1000:.1f} ms"
