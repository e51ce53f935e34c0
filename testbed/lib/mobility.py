"""Mobility Headers, right and wrong ones, sent as whole IPv6 packets so that every octet is ours (RFC 6275, RFC 5213)."""

import socket
import struct
import time
from ipaddress import IPv6Address

from .topology import LMA
from .tshark import TEST_FLOW_LABEL

MOBILITY = 135
NO_NEXT_HEADER = 59
BINDING_UPDATE = 5
PROXY, ACKNOWLEDGE = 0x0200, 0x8000
# Option types.
NODE_IDENTIFIER, HOME_PREFIX, HANDOFF, ACCESS_TECHNOLOGY, LINK_LAYER_IDENTIFIER, TIMESTAMP = 8, 22, 23, 24, 25, 27
ALIGNMENT = {HOME_PREFIX: (8, 4), TIMESTAMP: (8, 2)}
FIXED_PART_END = 12


def checksum(source: bytes, destination: bytes, payload: bytes) -> int:
    data = source + destination + struct.pack(">II", len(payload), MOBILITY) + payload
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def pad(count: int) -> bytes:
    return b"" if count == 0 else b"\0" if count == 1 else struct.pack("BB", 1, count - 2) + bytes(count - 2)


def options(values: list[tuple[int, bytes]]) -> bytes:
    result = b""
    for kind, data in values:
        multiple, remainder = ALIGNMENT.get(kind, (1, 0))
        result += pad((remainder - FIXED_PART_END - len(result)) % multiple)
        result += struct.pack("BB", kind, len(data)) + data
    return result + pad((-FIXED_PART_END - len(result)) % 8)


def header(kind: int, message: bytes, next_header: int = NO_NEXT_HEADER, length: int | None = None) -> bytes:
    """A Mobility Header without its checksum; `length` overrides the Header Len field."""
    octets = 6 + len(message)
    return struct.pack(">BBBBH", next_header, octets // 8 - 1 if length is None else length, kind, 0, 0) + message


def proxy_binding_update(node: str, link_layer: str, *, age: float = 0, lifetime: int = 300, handoff: int = 4,
                         extra: bytes = b"") -> bytes:
    """Asks for any prefix. `age`: how old the timestamp claims to be; `extra`: octets after the options."""
    fraction = int((time.time() - age) * 65536)
    body = struct.pack(">HHH", 1, PROXY | ACKNOWLEDGE, lifetime // 4) + options([
        (NODE_IDENTIFIER, b"\1" + node.encode()), (HOME_PREFIX, bytes(18)), (HANDOFF, bytes([0, handoff])),
        (ACCESS_TECHNOLOGY, bytes([0, 4])),
        (LINK_LAYER_IDENTIFIER, bytes(2) + bytes.fromhex(link_layer.replace(":", ""))),
        (TIMESTAMP, struct.pack(">Q", fraction))])
    return header(BINDING_UPDATE, body + extra)


def send(source: str, mobility: bytes, *, destination: str = LMA, spoil_checksum: bool = False) -> None:
    here, there = IPv6Address(source).packed, IPv6Address(destination).packed
    value = checksum(here, there, mobility[:4] + b"\0\0" + mobility[6:]) ^ (0x0101 if spoil_checksum else 0)
    packet = struct.pack(">IHBB", 6 << 28 | TEST_FLOW_LABEL, len(mobility), MOBILITY, 64) + here + there
    packet += mobility[:4] + struct.pack(">H", value) + mobility[6:]
    # IPPROTO_RAW: the packet brings its own IPv6 header, and the kernel fills in nothing.
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        raw.sendto(packet, (destination, 0))


def main() -> None:
    """Sends one message from the namespace this runs in: SOURCE HEX [spoil]."""
    import sys
    send(sys.argv[1], bytes.fromhex(sys.argv[2]), spoil_checksum="spoil" in sys.argv[3:])


if __name__ == "__main__":
    main()
