"""Reads captures while tcpdump still writes them. IPv6, UDP and TCP over Ethernet or PPP; headers suffice (snaplen 128)."""

import struct
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path

ETHERNET = 14
# Octets before the packet, by link type of the capture: Ethernet, and what tcpdump makes of PPP (Linux cooked). The last two
# are the EtherType.
LINK_HEADERS = {1: ETHERNET, 113: 16}
IPV6 = 40
TCP, UDP = 6, 17
SYN = 0x02


@dataclass(frozen=True, slots=True)
class Flow:
    """Addresses as octets: this is compared for every packet."""
    source: bytes
    destination: bytes
    protocol: int
    source_port: int
    destination_port: int

    def reversed(self) -> "Flow":
        return Flow(self.destination, self.source, self.protocol, self.destination_port, self.source_port)

    @staticmethod
    def of(source: str, destination: str, protocol: int, source_port: int, destination_port: int) -> "Flow":
        return Flow(IPv6Address(source).packed, IPv6Address(destination).packed, protocol, source_port,
                    destination_port)


@dataclass(frozen=True, slots=True)
class Packet:
    # Seconds since 1970.
    time: float
    flow: Flow
    flow_label: int
    # Octets of the IPv6 packet, header included; of a segment train that the stack has not yet cut, all of it.
    octets: int
    # TCP only.
    sequence: int
    flags: int
    # Octets after the transport header.
    payload: int


class Reader:
    """`read()` returns the packets that have come since the last call."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("rb")
        self.rest = b""
        self.order = ""
        self.fraction = 1e-6
        self.link_header = 0

    def read(self) -> list[Packet]:
        data = self.rest + self.file.read()
        at = 0
        if not self.order:
            if len(data) < 24:
                self.rest = data
                return []
            little = data[0] in (0xD4, 0x4D)
            self.order = "<" if little else ">"
            magic = struct.unpack_from(self.order + "I", data)[0]
            self.fraction = 1e-9 if magic == 0xA1B23C4D else 1e-6
            self.link_header = LINK_HEADERS[struct.unpack_from(self.order + "I", data, 20)[0]]
            at = 24
        header = struct.Struct(self.order + "IIII")
        packets = []
        while at + 16 <= len(data):
            seconds, fraction, captured, _ = header.unpack_from(data, at)
            if at + 16 + captured > len(data):
                break
            packet = decode(seconds + fraction * self.fraction, data[at + 16:at + 16 + captured], self.link_header)
            if packet:
                packets.append(packet)
            at += 16 + captured
        self.rest = data[at:]
        return packets


def decode(time: float, frame: bytes, start: int) -> Packet | None:
    if len(frame) < start + IPV6 + 8 or frame[start - 2:start] != b"\x86\xdd":
        return None
    word, length, protocol = struct.unpack_from(">IHB", frame, start)
    transport = start + IPV6
    source_port, destination_port = struct.unpack_from(">HH", frame, transport)
    sequence = flags = 0
    payload = length - 8
    if protocol == TCP:
        if len(frame) < transport + 20:
            return None
        sequence = struct.unpack_from(">I", frame, transport + 4)[0]
        flags = frame[transport + 13]
        payload = length - (frame[transport + 12] >> 4) * 4
    elif protocol != UDP:
        return None
    flow = Flow(frame[start + 8:start + 24], frame[start + 24:start + 40], protocol, source_port,
                destination_port)
    return Packet(time, flow, word & 0xFFFFF, IPV6 + length, sequence, flags, payload)
