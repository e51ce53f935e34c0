"""What a capture says about the moves of a flow, and the table that says whether it is as it should be."""

from bisect import bisect_left
from dataclasses import dataclass, field

from .capture import Trace
from .domain import Move
from .shell import IN_GUEST

# Time for packets that were already under way to the old access when the kernel's map changed.
SETTLING = 1.0 if IN_GUEST else 0.25
# A packet has found its way some time before it is captured on it. The guest's processor is emulated.
INSIDE = 0.05 if IN_GUEST else 0.005
# What the scheduler of a busy machine may add to a round trip.
JITTER = 0.25 if IN_GUEST else 0.05
# How much farther apart two packets of the UDP stream may arrive than they were sent: what a user would notice is longer.
LONGEST_INTERRUPTION = 0.5 if IN_GUEST else 0.25
# The command itself is in it: starting a program in the guest takes seconds.
FIRST_PACKET = 15.0 if IN_GUEST else 1.0


def other(trace: Trace, interface: str) -> str:
    """Of the node's two accesses."""
    return next(name for name in trace.captures if name != interface)


@dataclass
class MoveReport:
    """A move seen from the node. Octets are of IPv6 packets, downlink, per access."""
    move: Move
    # The access that the flow has left.
    old: str
    before: dict[str, int]
    after: dict[str, int]
    # Seconds from the command to the first downlink packet on the new access; None: never.
    first_downlink: float | None
    # Seconds from that packet to the first uplink packet on the new access, and to the last on the old one.
    first_uplink: float | None
    last_uplink_on_old: float | None


def report(trace: Trace, move: Move, since: float, until: float) -> MoveReport:
    """`since` and `until`: the move before and the one after, or the ends of the flow."""
    new, old = move.interface, other(trace, move.interface)
    uplink = move.flow.reversed()
    first = trace.first_after(move.flow, new, move.begin)
    first_uplink = last_uplink = None
    if first is not None:
        answer = trace.first_after(uplink, new, first)
        first_uplink = None if answer is None else answer - first
        on_old = trace.of(uplink, old, first, until)
        last_uplink = on_old[-1].time - first if on_old else 0.0
    return MoveReport(
        move, old, before={interface: trace.octets(move.flow, interface, since, move.begin) for interface in trace.captures},
        after={interface: trace.octets(move.flow, interface, move.end + SETTLING, until) for interface in trace.captures},
        first_downlink=None if first is None else first - move.begin, first_uplink=first_uplink,
        last_uplink_on_old=last_uplink)


@dataclass
class Follow:
    """How the uplink has followed a move, from the first downlink packet on the new access on."""
    packets: int
    # Uplink packets on the old access, because a downlink packet that was under way came by it late.
    late: int
    # Uplink packets on another access than those that the flow was heard on within `INSIDE` before, or last.
    astray: int
    # Seconds until the first uplink packet on the new access.
    first: float | None

    def __str__(self) -> str:
        return (f"{self.astray} of {self.packets} uplink packets by another access than the last downlink packet, "
                f"{self.late} by the old one after a late packet there; first by the new one after {milliseconds(self.first)}")


def follow(trace: Trace, move: Move, until: float) -> Follow:
    begin = trace.first_after(move.flow, move.interface, move.begin)
    if begin is None:
        return Follow(0, 0, 0, None)
    heard = sorted((packet.time, interface) for interface in trace.captures
                   for packet in trace.of(move.flow, interface, begin - INSIDE, until))
    times = [time for time, _ in heard]
    result = Follow(0, 0, 0, None)
    for interface in trace.captures:
        for packet in trace.of(move.flow.reversed(), interface, begin, until):
            result.packets += 1
            last = max(0, bisect_left(times, packet.time) - 1)
            recent = {heard[last][1], *(by for _, by in heard[bisect_left(times, packet.time - INSIDE):last])}
            if interface not in recent:
                result.astray += 1
            elif interface != move.interface:
                result.late += 1
    first = trace.first_after(move.flow.reversed(), move.interface, begin)
    result.first = None if first is None else first - begin
    return result


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
        new, old = seen.move.interface, seen.old
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
        octets = {access: trace.octets(flow, access, begin, end) for access in trace.captures}
        self.add(octets[interface] > 0 and octets[other(trace, interface)] == 0, name, per_access(octets))


def per_access(octets: dict[str, int]) -> str:
    return "  ".join(f"{interface} {count:>11,}" for interface, count in octets.items())


def milliseconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds * 1000:.1f} ms"
