"""Mobility messages as tshark 4.0 reads them, and as it should read what `lmad decode --json` says of them.

A document of ours is translated into the fields that tshark must show for it, with names, values and places. Whatever
tshark does not show or shows wrongly is in the tables of this file, one entry for each line of section 16 of the
protocol reference; nothing else is excused. Numbers are compared, not the names that tshark gives them: its lists of
status codes, handoff indicators and access technologies are old. Of an option that it does not dissect, or not to the
last bit, the octets are compared (lib.wire), and so are the bits of the fixed part that it does not name.
"""

import subprocess
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field as attribute
from datetime import datetime, timezone
from pathlib import Path

from . import wire
from .shell import PATIENCE

# What the tests themselves send: not our daemons' work, and often wrong on purpose. See lib.mobility.
TEST_FLOW_LABEL = 0x7E57

# "Unknown", without options: shown to tshark a second time as a Binding Update, whose fixed part is as long.
UNKNOWN_MESSAGES = {19, 20}
# Named at best, their content never dissected, and a Length read from another place.
UNDISSECTED_OPTIONS = {43, 44, 45, 53, 54, *range(56, 256)}
# A remark at these options is no objection: the content is not dissected, or only in part.
REMARKED_OPTIONS = UNDISSECTED_OPTIONS | {19}
# The identifier of length 0 that RFC 5213 section 5.3.6 allows.
EMPTY_IDENTIFIER_WARNING = "Mobile Node Identifier (with option length = 1 byte; should be >= 2)"

NOTE = 0x400000
# tshark gives the octets of the fixed part as a whole too, and so the bits that it does not name.
FIXED_PART, FIXED_PART_OFFSET = "fixed part", 6
BINDING_UPDATE = 5
BINDING_UPDATE_FLAGS = {
    0x8000: "mip6.bu.a_flag", 0x4000: "mip6.bu.h_flag", 0x2000: "mip6.bu.l_flag", 0x1000: "mip6.bu.k_flag",
    0x0800: "mip6.bu.m_flag", 0x0400: "mip6.nemo.bu.r_flag", 0x0200: "mip6.bu.p_flag", 0x0100: "mip6.bu.f_flag",
    0x0080: "mip6.bu.t_flag", 0x0040: "mip6.bu.b_flag",
}
BINDING_ACKNOWLEDGEMENT_FLAGS = {
    0x80: "mip6.ba.k_flag", 0x40: "mip6.nemo.ba.r_flag", 0x20: "mip6.ba.p_flag", 0x10: "mip6.ba.t_flag",
    0x08: "mip6.ba.b_flag",
}


@dataclass(frozen=True)
class Field:
    """One field with what tshark says of it: `show`, the `octets` it stands for, and its `text` behind the colon."""
    name: str
    show: str | None = None
    octets: str | None = None
    text: str | None = None

    def agrees(self, other: "Field") -> bool:
        """`self` says what it knows."""
        return self.name == other.name and all(
            mine is None or mine == theirs
            for mine, theirs in ((self.show, other.show), (self.octets, other.octets), (self.text, other.text)))


@dataclass(frozen=True)
class Element:
    """An option: its type, its place in the Mobility Header, its octets with type and length, and its fields."""
    kind: int
    offset: int
    size: int
    fields: list[Field]
    # In hexadecimal; of ours, where the document has all of them.
    octets: str | None = None


@dataclass
class Message:
    header: list[Field]
    options: list[Element]
    # Of tshark's only.
    frame: int = 0
    objections: list[str] = attribute(default_factory=list)
    sent_by_test: bool = False
    destination: str = ""
    # Of the capture, in seconds since 1970.
    time: float = 0
    # From offset 6 on, where tshark does not know the message.
    unknown_data: str = ""


# What tshark says

def read(capture: Path) -> list[Message]:
    done = subprocess.run(["tshark", "-n", "-r", str(capture), "-d", "udp.port==4191,ipv6", "-Y", "mipv6", "-T", "pdml"],
                          capture_output=True, timeout=120 * PATIENCE)
    assert done.returncode == 0, f"tshark cannot read {capture}: {done.stderr.decode(errors='replace').strip()}"
    messages = [parse(packet) for packet in ElementTree.fromstring(done.stdout)]
    unknown = [message for message in messages if message.unknown_data]
    if unknown:
        disguise = capture.with_suffix(".disguised.pcap")
        write_raw(disguise, [disguised(message) for message in unknown])
        for message, shown in zip(unknown, read(disguise), strict=True):
            kind = next(field.show for field in message.header if field.name == "mip6.mhtype")
            if int(kind) not in UNKNOWN_MESSAGES:
                message.objections.append(f"unknown message type {kind}")
            message.header += [field for field in shown.header
                               if field.name.startswith((FIXED_PART, "mip6.bu.", "mip6.nemo.bu."))]
            message.options = shown.options
            message.objections += shown.objections
    return messages


def parse(packet: ElementTree.Element) -> Message:
    protocol = next(entry for entry in packet.iter("proto") if entry.get("name") == "mipv6")
    start = int(protocol.get("pos"))
    number = next(entry for entry in packet.iter("field") if entry.get("name") == "num")
    time = next(entry for entry in packet.iter("field") if entry.get("name") == "timestamp")
    address = {entry.get("name"): entry.get("show") for entry in packet.iter("field")}
    message = Message([], [], int(number.get("show")), [], int(address.get("ipv6.flow", "0"), 0) == TEST_FLOW_LABEL,
                      address.get("ipv6.dst", ""), float(time.get("value")))
    for entry in protocol:
        if entry.get("show") == "Mobility Options":
            message.options = [option(child, start) for child in entry if child.get("name") != "_ws.expert"]
        elif entry.get("name") == "mip6.unknown_type_data":
            message.unknown_data = entry.get("value")
        else:
            if not entry.get("name") and int(entry.get("pos")) == start + FIXED_PART_OFFSET:
                message.header.append(Field(FIXED_PART, octets=entry.get("value")))
            message.header += fields(entry)
    message.objections = list(objections(protocol))
    if any(entry.get("name") in ("_ws.malformed", "_ws.short") for entry in packet.iter("proto")):
        message.objections.append("malformed packet")
    return message


def option(entry: ElementTree.Element, start: int) -> Element:
    return Element(int(entry.get("value")[:2], 16), int(entry.get("pos")) - start, int(entry.get("size")),
                   [field for child in entry for field in fields(child)], entry.get("value"))


def fields(entry: ElementTree.Element) -> list[Field]:
    """The named leaves of a tree, in order."""
    name = entry.get("name") or ""
    if name == "_ws.expert":
        return []
    inner = [child for child in entry if child.get("name") != "_ws.expert"]
    if inner:
        return [field for child in inner for field in fields(child)]
    if not name.startswith("mip6."):
        return []
    return [Field(name, entry.get("show"), entry.get("value") or "", (entry.get("showname") or "").partition(": ")[2])]


def objections(tree: ElementTree.Element, kind: int | None = None, empty: bool = False):
    """Remarks of tshark that nothing excuses. `kind`: the option that they are about."""
    for entry in tree:
        if entry.get("name") != "_ws.expert":
            value = entry.get("value") or ""
            inside_option = kind is None and tree.get("show") == "Mobility Options"
            yield from objections(entry, int(value[:2], 16) if inside_option else kind,
                                  value[2:4] == "01" if inside_option else empty)
            continue
        details = {field.get("name"): field.get("show") for field in entry}
        text, severity = details.get("_ws.expert.message"), int(details.get("_ws.expert.severity", 0))
        if severity <= NOTE and kind in REMARKED_OPTIONS:
            continue
        if kind == 8 and empty and text == EMPTY_IDENTIFIER_WARNING:
            continue
        yield f"{text} (option {kind})" if kind is not None else str(text)


def disguised(message: Message) -> bytes:
    """The message as a Binding Update in an IPv6 packet; tshark does not verify the checksum."""
    values = {field.name: field.octets for field in message.header}
    octets = bytes.fromhex(values["mip6.proto"] + values["mip6.hlen"]) + bytes([BINDING_UPDATE, 0, 0, 0])
    octets += bytes.fromhex(message.unknown_data)
    return b"\x60\0\0\0" + len(octets).to_bytes(2, "big") + b"\x87\x40" + bytes(32) + octets


def write_raw(path: Path, packets: list[bytes]) -> None:
    """A pcap file of IP packets."""
    def words(*values: int) -> bytes:
        return b"".join(value.to_bytes(4, "little") for value in values)
    path.write_bytes(words(0xA1B2C3D4, 4 << 16 | 2, 0, 0, 262144, 101) + b"".join(
        words(0, 0, len(packet), len(packet)) + packet for packet in packets))


# What tshark must say of a document of ours

def expected(document: dict) -> Message:
    kind = document["mhType"]
    header = [
        Field("mip6.proto", str(document["payloadProto"])),
        Field("mip6.hlen", text=f"{document['headerLen']} ({document['totalLength']} bytes)"),
        Field("mip6.mhtype", str(kind)), Field("mip6.reserved", "0x00"), Field("mip6.csum", document["checksum"]),
    ]
    return Message(header + fixed_part(kind, document["message"]),
                   [expected_option(entry) for entry in document["options"]])


def fixed_part(kind: int, message: dict) -> list[Field]:
    match kind:
        case 0:
            return [Field("mip6.binding_refresh_request", "00:00")]
        case 5:
            return [octets((2, message["sequence"]), (2, int(message["flagsHex"], 16)), (2, message["lifetime"])),
                    Field("mip6.bu.seqnr", str(message["sequence"])),
                    *flags(flag_word(message, "AHLKMRPFTBSD", 16), BINDING_UPDATE_FLAGS),
                    Field("mip6.bu.lifetime", text=f"{message['lifetime']} ({message['lifetimeSeconds']} seconds)")]
        case 6:
            return [octets((1, message["status"]), (1, int(message["flagsHex"], 16)), (2, message["sequence"]),
                           (2, message["lifetime"])),
                    Field("mip6.ba.status", str(message["status"])),
                    *flags(flag_word(message, "KRPTBSD", 8), BINDING_ACKNOWLEDGEMENT_FLAGS),
                    Field("mip6.ba.seqnr", str(message["sequence"])),
                    Field("mip6.ba.lifetime", text=f"{message['lifetime']} ({message['lifetimeSeconds']} seconds)")]
        case 7:
            return [Field(FIXED_PART), Field("mip6.be.status", str(message["status"])), Field("mip6.be.haddr", message["homeAddress"])]
        case 13:
            return [octets((2, message["unsolicited"] << 1 | message["response"]), (4, message["sequence"])),
                    flag("mip6.hb.u_flag", message["unsolicited"]), flag("mip6.hb.r_flag", message["response"]),
                    Field("mip6.hb.seqnr", str(message["sequence"]))]
        case 16:
            asks = message["revocationType"] == 1
            reason = ("mip6.bri_r.trigger", "trigger") if asks else ("mip6.bri_status", "status")
            side = "i" if asks else "a"
            word = message["P"] << 15 | message["V"] << 14 | message["G"] << 13
            return [octets((1, message["revocationType"]), (1, message[reason[1]]), (2, message["sequence"]), (2, word)),
                    Field("mip6.bri_br.type", str(message["revocationType"])),
                    Field(reason[0], str(message[reason[1]])),
                    Field("mip6.bri_seqnr", str(message["sequence"])), flag(f"mip6.bri_{side}p", message["P"]),
                    flag(f"mip6.bri_{side}v", message["V"]), flag(f"mip6.bri_{side}g", message["G"]),
                    Field("mip6.bri_res", "0x0000")]
        # As a Binding Update: sequence number, then two words of 16 bits.
        case 19:
            last = message["ackRequested"] << 15 | message["retransmission"] << 14
            return disguised_part(message["sequence"], message["reason"], last)
        case 20:
            return disguised_part(message["sequence"], message["status"] << 8, 0)
    raise AssertionError(f"no rule for tshark's fields of message type {kind}; add one to testbed/lib/tshark.py")


def disguised_part(sequence: int, second: int, third: int) -> list[Field]:
    return [octets((2, sequence), (2, second), (2, third)), Field("mip6.bu.seqnr", str(sequence)),
            *flags(second, BINDING_UPDATE_FLAGS), Field("mip6.bu.lifetime", str(third))]


def octets(*values: tuple[int, int]) -> Field:
    """The fixed part as numbers, each with its size in octets."""
    return Field(FIXED_PART, octets=b"".join(value.to_bytes(size, "big") for size, value in values).hex())


def flag(name: str, value: bool) -> Field:
    return Field(name, str(int(value)))


def flags(value: int, names: dict[int, str]) -> list[Field]:
    return [flag(name, bool(value & bit)) for bit, name in names.items()]


def flag_word(message: dict, letters: str, size: int) -> int:
    """The flags of a message, which has them as a number of `size` bits and as letters, the highest bit first."""
    value = int(message["flagsHex"], 16)
    named = [letter for place, letter in enumerate(letters, start=1) if value >> size - place & 1]
    assert message["flags"] == named, f"flags {message['flags']} for {value:#x}"
    return value


def expected_option(entry: dict) -> Element:
    kind, length = entry["type"], entry.get("length")
    if kind == 0:
        return Element(0, entry["offset"], 1, [])
    if kind in UNDISSECTED_OPTIONS:
        listed = [Field("mip6.mobility_opt", str(kind)), Field("mip6.mobility_opt.len")]
    else:
        listed = [Field("mip6.mobility_opt.len", str(length)), *option_fields(kind, length, entry)]
    data = wire.option(entry)
    return Element(kind, entry["offset"], length + 2, listed, data.hex() if data is not None else None)


def option_fields(kind: int, length: int, entry: dict) -> list[Field]:
    def value(name: str, key: str) -> Field:
        return Field(name, str(entry[key]))

    def content(name: str, data: bytes) -> Field:
        return Field(name, octets=data.hex())

    match kind:
        case 1:
            return [content("mip6.padn", bytes(length))] if length else []
        case 2:
            seconds = entry["refreshIntervalSeconds"]
            return [Field("mip6.bra.interval", text=f"{entry['refreshInterval']} ({seconds} seconds)")]
        case 3:
            return [value("mip6.acoa.acoa", "address")]
        case 6 | 22:
            return [value("mip6.nemo.mnp.pfl", "prefixLength"), value("mip6.nemo.mnp.mnp", "prefix")]
        case 8:
            identifier = wire.text(entry, "identifier")
            return [value("mip6.mnid.subtype", "subtype"),
                    *([content("mip6.mnid.identifier", identifier)] if identifier else [])]
        case 9:
            return [value("mip6.auth.subtype", "subtype"), value("mip6.auth.mobility_spi", "spi"),
                    content("mip6.auth.auth_data", bytes.fromhex(entry["authenticatorHex"]))]
        case 19:
            return [value("mip6.vsm.vendorId", "vendorId"), value("mip6.vsm.subtype", "subtype")]
        case 20:
            return [content("mip6.ss.identifier", wire.text(entry, "identifier"))]
        case 23:
            return [Field("mip6.hi.reserved", "0"), value("mip6.hi", "handoffIndicator")]
        case 24:
            return [Field("mip6.att.reserved", "0"), value("mip6.att", "accessTechnologyType")]
        case 25:
            return [Field("mip6.mnlli.reserved", "0"),
                    content("mip6.mnlli.lli", bytes.fromhex(entry["linkLayerIdentifier"]))]
        case 26:
            return [value("mip6.lila_lla", "linkLocalAddress")]
        case 27:
            return [Field("mip6.timestamp_tmp", clock(entry["seconds"], entry["fraction65536"]), entry["timestamp"][2:])]
        case 28:
            return [value("mip6.rc", "restartCounter")]
        case 29:
            return [value("mip6.ipv4ha.preflen", "prefixLength"), flag("mip6.ipv4ha.p_flag", entry["prefixRequest"]),
                    value("mip6.ipv4ha.ha", "address")]
        case 30 | 37:
            return [value("mip6.ipv4aa.sts", "status"), value("mip6.ipv4ha.preflen", "prefixLength"),
                    value("mip6.ipv4ha.ha", "address")]
        case 31:
            return [flag("mip6.natd.f_flag", entry["forceUDP"]), Field("mip6.natd.reserved", "0"),
                    value("mip6.natd.refresh_t", "refreshTime")]
        case 32:
            return [Field("mip6.ipv4coa.reserved", "0"), value("mip6.ipv4coa.addr", "address")]
        case 33:
            return [Field("mip6.ipv4dra.reserved", "0"),
                    *([value("mip6.gre_key", "key")] if entry["key"] is not None else [])]
        case 35:
            address = entry["careOfAddress"]
            family = "ipv6" if address and ":" in address else "ipv4"
            return [value("mip6.bi.bid", "bid"), value("mip6.bi.status", "status"),
                    flag("mip6.bi.h_flag", entry["simultaneousHomeForeign"]),
                    *([Field(f"mip6.bi.coa_{family}", address)] if address else [])]
        case 36:
            return [value("mip6.ipv4ha.preflen", "prefixLength"), Field("mip6.ipv4ha.reserved", "0x00"),
                    value("mip6.ipv4ha.ha", "address")]
        case 38:
            return [Field("mip6.ipv4dra.reserved", "0"), value("mip6.ipv4dra.dra", "address")]
        case 39:
            return [Field("mip6.ipv4dsm.reserved", "0"), flag("mip6.ipv4dsm.s_flag", entry["dhcpServer"])]
        case 46:
            return [Field("mip6.recap.reserved", "0x0000")]
        case 47:
            family = "ipv6" if ":" in entry["address"] else "ipv4"
            return [flag("mip6.redir.k", family == "ipv6"), flag("mip6.redir.n", family == "ipv4"),
                    Field("mip6.redir.reserved", "0x0000"), value(f"mip6.redir.addr_r2lma_{family}", "address")]
        case 48:
            return [value("mip6.load_inf.priority", "priority"),
                    value("mip6.load_inf.sessions_in_use", "sessionsInUse"),
                    value("mip6.load_inf.maximum_sessions", "maximumSessions"),
                    value("mip6.load_inf.used_capacity", "usedCapacity"),
                    value("mip6.load_inf.maximum_capacity", "maximumCapacity")]
        case 49:
            return [value("mip6.alt_ip4", "address")]
        case 50:
            return [value("mip6.mng.sub_type", "subtype"), Field("mip6.mng.reserved", "0"),
                    value("mip6.mng.mng_id", "groupId")]
        case 52:
            return [field for element in entry["subOptions"] for field in access_network(element)]
        case 55:
            family = "ipv6" if ":" in entry["prefix"] else "ipv4"
            return [flag("mip6.dmnp.v_flag", family == "ipv4"), Field("mip6.dmnp.reserved", "0"),
                    value("mip6.dmnp.prefix_len", "prefixLength"), value(f"mip6.dmnp.dmnp_{family}", "prefix")]
    raise AssertionError(f"no rule for tshark's fields of option {kind}; add one to testbed/lib/tshark.py")


def access_network(entry: dict) -> list[Field]:
    listed = [Field("mip6.acc_net_id.ani", str(entry["type"])),
              Field("mip6.acc_net_id.sub_opt_len", str(entry["length"]))]
    match entry["type"]:
        case 1:
            names = [wire.text(entry, key) for key in ("networkName", "accessPointName")]
            return listed + [
                flag("mip6.acc_net_id.e_bit", entry["utf8"]), Field("mip6.acc_net_id.net_name_len", str(len(names[0]))),
                Field("mip6.acc_net_id.net_name", octets=names[0].hex()),
                Field("mip6.acc_net_id.ap_name_len", str(len(names[1]))),
                Field("mip6.acc_net_id.ap_name", octets=names[1].hex())]
        case 2:
            return listed + [Field(f"mip6.acc_net_id.geo.{key}_degrees", str(round(entry[key] * 32768)))
                             for key in ("latitude", "longitude")]
        case 3:
            return listed + [Field("mip6.acc_net_id.op_id.type", str(entry["opIdType"])),
                             Field("mip6.acc_net_id.op_id", octets=wire.text(entry, "operatorId").hex())]
    raise AssertionError(f"no rule for access network element {entry['type']}; add one to testbed/lib/tshark.py")


def clock(seconds: int, fraction: int) -> str:
    """A timestamp in tshark's words."""
    when = datetime.fromtimestamp(seconds, timezone.utc)
    return f"{when:%b} {when.day:2d}, {when:%Y %H:%M:%S}.{fraction * 10**9 >> 16:09d} UTC"


# The comparison

def differences(document: dict, theirs: Message) -> list[str]:
    """Where tshark and a valid document of ours disagree."""
    found = [f"tshark: {text}" for text in theirs.objections]
    try:
        ours = expected(document)
    except AssertionError as error:
        return [*found, str(error)]
    found += disagreements("header", ours.header, theirs.header)
    places = [[(entry.kind, entry.offset, entry.size) for entry in side.options] for side in (ours, theirs)]
    if places[0] != places[1]:
        return found + [f"options as (type, offset, size): we say {places[0]}, tshark {places[1]}"]
    for mine, other in zip(ours.options, theirs.options):
        if mine.octets not in (None, other.octets):
            found.append(f"option {mine.kind} at {mine.offset}: we say octets {mine.octets}, tshark {other.octets}")
        # A vendor's data is dissected in the vendor's way.
        shown = other.fields[:len(mine.fields)] if mine.kind == 19 else other.fields
        found += disagreements(f"option {mine.kind} at {mine.offset}", mine.fields, shown)
    return found


def disagreements(where: str, ours: list[Field], theirs: list[Field]) -> list[str]:
    if [field.name for field in ours] != [field.name for field in theirs]:
        names = [[field.name for field in side] for side in (ours, theirs)]
        return [f"{where}: fields {names[0]} expected, tshark shows {names[1]}"]
    return [f"{where}: {other.name}: we say {mine.text or mine.show or mine.octets}, tshark {other.text or other.show}"
            for mine, other in zip(ours, theirs) if not mine.agrees(other)]
