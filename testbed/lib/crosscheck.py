"""Compares `lmad decode` with tshark, message by message.

  python3 -m lib.crosscheck vectors FILE         the comparison itself: all valid vectors agree, every wrong field is found
  python3 -m lib.crosscheck scenarios TIER NAME…  captures of scenarios that ran elsewhere (the guest), in testbed/results
"""

import argparse
import copy
import importlib
import ipaddress
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from . import tshark
from .daemons import PROGRAMS, TESTBED
from .shell import PATIENCE

# See Domain.signalling.
CAPTURE = "core-any.pcap"


def decode(capture: Path, *options: str) -> list[dict]:
    """Our documents of all messages. The exit status is not asked: what was refused stands in them."""
    done = subprocess.run([str(PROGRAMS / "lmad"), "decode", "--pcap", str(capture), "--json", *options],
                          capture_output=True, text=True, timeout=60 * PATIENCE)
    assert done.returncode in (0, 1), f"lmad decode --pcap {capture} ended with {done.returncode}: {done.stderr.strip()}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(capture: Path) -> tuple[list[tuple[dict, tshark.Message]], list[str]]:
    """The valid messages of our daemons as we and as tshark read them, and what tshark reads in another way."""
    ours, theirs = decode(capture), tshark.read(capture)
    if len(ours) != len(theirs):
        return [], [f"we find {len(ours)} messages in {capture}, tshark {len(theirs)}"]
    compared, found = [], []
    for document, message in zip(ours, theirs):
        if document["valid"]:
            found += [f"frame {message.frame}: {text}" for text in tshark.differences(document, message)]
            if not message.sent_by_test:
                compared.append((document, message))
        elif not message.sent_by_test:
            found.append(f"frame {message.frame}: we refuse what a daemon of ours sent: {json.dumps(document)}")
    return compared, found


def check(capture: Path, required: bool) -> None:
    """Fails when tshark reads a message in another way, or when there is none where there must be some."""
    if not capture.exists():
        assert not required, f"no capture of the signalling at {capture}"
        return
    compared, found = compare(capture)
    assert not found, f"tshark disagrees in {capture}:\n" + "\n".join(found)
    assert compared or not required, f"no mobility message in {capture}: nothing was compared with tshark"


# The vectors

def packet(vector: dict) -> bytes:
    """The IP packet that carries a vector."""
    message = bytes.fromhex(vector["hex"])
    if vector["transport"] == "udp4-5436":
        return udp4(5436, message)
    addresses = b"".join(ipaddress.ip_address(vector[key]).packed for key in ("src", "dst"))
    inner = b"\x60\0\0\0" + len(message).to_bytes(2, "big") + b"\x87\x40" + addresses + message
    return udp4(4191, inner) if vector["transport"] == "udp4-4191" else inner


def udp4(port: int, payload: bytes) -> bytes:
    """UDP over IPv4, without checksums."""
    datagram = b"".join(value.to_bytes(2, "big") for value in (port, port, len(payload) + 8, 0)) + payload
    return (b"\x45\0" + (len(datagram) + 20).to_bytes(2, "big") + b"\0\0\0\0\x40\x11\0\0"
            + bytes([192, 0, 2, 1, 192, 0, 2, 2]) + datagram)


def check_vectors(file: Path) -> None:
    vectors = [entry for entry in json.loads(file.read_text())["vectors"] if entry["expect"]["valid"]]
    with tempfile.TemporaryDirectory() as directory:
        capture = Path(directory) / "vectors.pcap"
        tshark.write_raw(capture, [packet(vector) for vector in vectors])
        ours = decode(capture, "--flow-mobility-option", "0")
        theirs = tshark.read(capture)
    counts = (len(vectors), len(ours), len(theirs))
    assert counts == (44, 44, 44), f"vectors, messages that we find, messages that tshark finds: {counts}"
    for vector, document, message in zip(vectors, ours, theirs):
        assert document == vector["expect"], f"{vector['name']}: lmad decode says {json.dumps(document)}"
        found = tshark.differences(document, message)
        assert not found, f"{vector['name']}: " + "; ".join(found)
    missed = set()
    changes = 0
    for vector, message in zip(vectors, theirs):
        for place, changed in changed_documents(vector["expect"]):
            changes += 1
            try:
                found = tshark.differences(changed, message)
            except (AssertionError, KeyError, OverflowError, TypeError, ValueError):
                found = ["no document: fields are missing or contradict each other"]
            if not found:
                missed.add(place)
    assert not missed, f"wrong values that the comparison does not find: {sorted(missed)}"
    print(f"{len(vectors)} vectors agree; {changes} changed values, all found")


def changed_documents(document: dict) -> Iterator[tuple[str, dict]]:
    """The document once for each value in it, with that value changed."""
    def walk(value: dict | list, path: list) -> Iterator[list]:
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(inner, (dict, list)) and key != "flags":
                yield from walk(inner, [*path, key])
            # Names are ours; that a message is valid is what is compared.
            elif key not in ("name", "valid"):
                yield [*path, key]

    for path in walk(document, []):
        changed = copy.deepcopy(document)
        target = changed
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = other(target[path[-1]])
        yield str(path[-1]), changed


def other(value):
    """A value of the same kind that means something else."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, list):
        return value[1:] if value else ["A"]
    if value is None:
        return 1
    try:
        address = ipaddress.ip_address(value)
        return str(address + 1)
    except ValueError:
        pass
    if not value:
        return "x"
    last = value[-1]
    return value[:-1] + ("1" if last == "0" else "0")


# The scenarios of another tier

def check_scenarios(tier: str, names: list[str]) -> list[str]:
    """Names of the scenarios whose signalling tshark reads in another way."""
    sys.path.insert(0, str(TESTBED))
    failed = []
    for name in names:
        try:
            check(TESTBED / "results" / tier / name / CAPTURE,
                  is_required(importlib.import_module(f"scenarios.{name}")))
        except AssertionError as error:
            print(f"FAIL {name} ({tier}, signalling)\n     " + str(error).replace("\n", "\n     "), flush=True)
            failed.append(name)
    return failed


def is_required(scenario) -> bool:
    """Whether there must be signalling: always, unless the scenario says `SIGNALLING = False`."""
    return getattr(scenario, "SIGNALLING", True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("vectors").add_argument("file", type=Path)
    scenarios = commands.add_parser("scenarios")
    scenarios.add_argument("tier")
    scenarios.add_argument("names", nargs="+")
    arguments = parser.parse_args()
    if arguments.command == "vectors":
        check_vectors(arguments.file)
        return 0
    return 1 if check_scenarios(arguments.tier, arguments.names) else 0


if __name__ == "__main__":
    sys.exit(main())
