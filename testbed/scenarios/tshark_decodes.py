"""An independent decoder agrees: tshark finds every Mobility Header message on the core well formed, and all kinds."""

import json

from lib.domain import Domain
from lib.shell import run as run_command, wait_until

BINDING_UPDATE, BINDING_ACKNOWLEDGEMENT = "5", "6"


def run(domain: Domain) -> None:
    capture = domain.capture("lma", "core0", "ip6", snaplen=0)
    domain.start_attached()
    domain.detach("if2")
    wait_until("the binding of if2 awaits deletion", lambda: domain.binding("if2", "awaiting-deletion"))
    capture.stop()
    output = run_command("tshark", "-r", str(capture.path), "-Y", "mipv6", "-T", "json", seconds=60).stdout
    packets = [entry["_source"]["layers"] for entry in json.loads(output)]
    types = [find(packet, "mip6.mhtype") for packet in packets]
    # Two registrations, at least one de-registration, and their answers.
    for kind in (BINDING_UPDATE, BINDING_ACKNOWLEDGEMENT):
        assert types.count(kind) >= 3, f"messages of type {kind}: {types.count(kind)} of {types}"
    assert set(types) <= {BINDING_UPDATE, BINDING_ACKNOWLEDGEMENT}, f"other messages on the core: {types}"
    bad = run_command("tshark", "-r", str(capture.path), "-Y",
                      "mipv6 && (_ws.malformed || _ws.expert.severity >= 0x00600000)", "-V", seconds=60).stdout
    assert not bad, f"tshark objects to:\n{bad}"
    statuses = {find(packet, "mip6.ba.status") for packet in packets} - {None}
    assert statuses == {"0"}, f"statuses of the acknowledgements: {statuses}"


def find(value, key: str) -> str | None:
    """The first field of that name anywhere in tshark's tree."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == key:
                return inner
            if (found := find(inner, key)) is not None:
                return found
    return None
