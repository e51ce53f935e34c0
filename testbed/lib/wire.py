"""Options as octets, built from documents of `lmad decode --json` by the RFCs.

For the options that tshark does not dissect, or not to the last bit: what it shows of them is their octets.
"""

from ipaddress import ip_address

# Start and End fields in their order, with their sizes (RFC 6088 sections 3.1 and 3.2). The first has the highest flag.
SELECTORS = {
    1: [("SourceAddress", 4), ("DestinationAddress", 4), ("SPI", 4), ("SourcePort", 2), ("DestinationPort", 2),
        ("DS", 1), ("Protocol", 1)],
    2: [("SourceAddress", 16), ("DestinationAddress", 16), ("SPI", 4), ("FlowLabel", 4), ("SourcePort", 2),
        ("DestinationPort", 2), ("TrafficClass", 1), ("NextHeader", 1)],
}


def option(entry: dict) -> bytes | None:
    """With Type and Length; None where tshark's fields say everything."""
    data = content(entry)
    return None if data is None else framed(entry, data)


def framed(entry: dict, data: bytes) -> bytes:
    assert entry["length"] == len(data), f"length {entry['length']} for {len(data)} octets: {entry}"
    return bytes([entry["type"], entry["length"]]) + data


def content(entry: dict) -> bytes | None:
    match entry["type"]:
        case 19:
            return entry["vendorId"].to_bytes(4, "big") + bytes([entry["subtype"]]) + bytes.fromhex(entry["dataHex"])
        case 22:
            return home_network_prefix(entry)
        case 35:
            flags = entry["simultaneousHomeForeign"] << 7 | entry["bidPriority"]
            return entry["bid"].to_bytes(2, "big") + bytes([entry["status"], flags]) + address(entry["careOfAddress"])
        case 44:
            return b"".join(flow.to_bytes(2, "big") for flow in entry["flowIds"])
        case 45:
            return (entry["flowId"].to_bytes(2, "big") + entry["flowPriority"].to_bytes(2, "big")
                    + bytes([0, entry["status"]]) + flow_sub_options(entry["subOptions"], entry["offset"] + 8))
        case 58:
            return (bytes([entry["serviceRequestId"], entry["dscp"] << 2, entry["operationalCode"], 0, 0, 0])
                    + b"".join(framed(element, quality(element)) for element in entry["attributes"]))
        case 59:
            return bytes(2) + address(entry["address"])
        case 62:
            return b"".join(framed(element, control(element)) for element in entry["subOptions"])
        case 63:
            flags = entry["bulkReRegistration"] << 7 | entry["overwrite"] << 6
            return bytes([entry["ifATT"], entry["ifLabel"], entry["bindingId"], flags, 0, 0])
        case 64:
            return bytes([entry["subtype"], 0]) + text(entry, "identifier")
        case _ if entry["name"] == "FlowMobility":
            return home_network_prefix(entry)
        case _ if "dataHex" in entry:
            return bytes.fromhex(entry["dataHex"])
    return None


def home_network_prefix(entry: dict) -> bytes:
    return bytes([entry["offLink"] << 7, entry["prefixLength"]]) + address(entry["prefix"])


def flow_sub_options(elements: list[dict], place: int) -> bytes:
    """`place`: of the first, in the Mobility Header."""
    data = b""
    for element in elements:
        assert element["offset"] == place + len(data), f"offset {element['offset']} for {place + len(data)}: {element}"
        if element["type"] == 0:
            data += b"\0"
            continue
        match element["type"]:
            case 1:
                inner = bytes(element["length"])
            case 2:
                inner = b"".join(binding.to_bytes(2, "big") for binding in element["bids"])
            case 3:
                inner = bytes([element["tsFormat"], 0]) + selector(element)
            case 4:
                inner = bytes([0, element["action"]])
            case 5:
                inner = bytes(2) + address(element["address"])
            case _:
                inner = bytes.fromhex(element["dataHex"])
        data += framed(element, inner)
    return data


def selector(element: dict) -> bytes:
    """From its flags on."""
    if element["tsFormat"] not in SELECTORS:
        return bytes.fromhex(element["dataHex"])
    names = [(side + name, size) for name, size in SELECTORS[element["tsFormat"]] for side in ("start", "end")]
    present = sum(0x8000_0000 >> index for index, (name, _) in enumerate(names) if name in element)
    assert int(element["flags"], 16) == present, f"flags {element['flags']} for {present:#x}: {element}"
    return number(present, 4) + b"".join(number(element[name], size) for name, size in names if name in element)


def quality(element: dict) -> bytes:
    """An attribute of RFC 7222 section 4.2."""
    match element["type"]:
        case 3 | 4:
            flags = element["sameService"] << 7 | element["excludesGuaranteed"] << 6
            return bytes([flags, 0]) + number(element["bitsPerSecond"], 4)
        case 1 | 2 | 6 | 7 | 8 | 9:
            return bytes(2) + number(element["bitsPerSecond"], 4)
        case 5:
            return bytes([0, element["priorityLevel"] << 4 | element["preemptionCapability"] << 2
                          | element["preemptionVulnerability"]])
        case 10:
            return bytes([0, element["tsFormat"]]) + selector(element)
    return bytes.fromhex(element["dataHex"])


def control(element: dict) -> bytes:
    """A sub-option of RFC 8127 section 3.1."""
    keys = {1: ["reRegistrationStartTime", "initialRetransmissionTime", "maximumRetransmissionTime"],
            2: ["heartbeatInterval", "retransmissionDelay", "maximumRetransmissions"]}.get(element["type"])
    if keys is None:
        return bytes.fromhex(element["dataHex"])
    return b"".join(number(element[key], 2) for key in keys)


def number(value: int | str, size: int) -> bytes:
    return address(value) if isinstance(value, str) else value.to_bytes(size, "big")


def address(value: str | None) -> bytes:
    return ip_address(value).packed if value else b""


def text(entry: dict, key: str) -> bytes:
    """What is not UTF-8 stands in hexadecimal under another key."""
    return entry[key].encode() if key in entry else bytes.fromhex(entry[f"{key}Hex"])
