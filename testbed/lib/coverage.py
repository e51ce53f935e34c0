"""What the daemons can send, and what of it no capture of the scenarios holds.

  python3 -m lib.coverage TIER...   of all scenarios, from testbed/results
"""

import sys
from collections import Counter
from collections.abc import Iterator

from . import crosscheck
from .daemons import TESTBED
from .scenarios import names

MESSAGES = {0: "Binding Refresh Request", 5: "Proxy Binding Update", 6: "Proxy Binding Acknowledgement", 7: "Binding Error"}
REVOCATIONS = {1: "Binding Revocation Indication", 2: "Binding Revocation Acknowledgement"}
NOTIFICATIONS = {
    1: "Update Notification to register again", 2: "Update Notification of session parameters",
    8: "Flow Mobility Initiate",
}
SENT = [
    "Proxy Binding Update", "Proxy Binding Acknowledgement", "Binding Error", "Heartbeat request", "Heartbeat response",
    "unsolicited Heartbeat response", *REVOCATIONS.values(), *NOTIFICATIONS.values(), "Update Notification Acknowledgement",
    # Options and sub-options, as `lmad decode` names them.
    "PadN", "MobileNodeIdentifier", "HomeNetworkPrefix", "HandoffIndicator",
    "AccessTechnologyType", "MobileNodeLinkLayerIdentifier", "LinkLocalAddress", "Timestamp", "RestartCounter",
    "RedirectCapability", "Redirect", "LoadInformation",
    "MobileNodeGroupIdentifier", "MAGMultipathBinding", "MAGIdentifier", "FlowMobility",
]


def kinds(document: dict) -> Iterator[str]:
    """The message and its options in words."""
    message = document["message"]
    match document["mhType"]:
        case 13 if message["response"]:
            yield "unsolicited Heartbeat response" if message["unsolicited"] else "Heartbeat response"
        case 13:
            yield "Heartbeat request"
        case 16:
            yield REVOCATIONS[message["revocationType"]]
        case 19:
            yield NOTIFICATIONS.get(message["reason"], f"Update Notification, reason {message['reason']}")
        case 20:
            yield "Update Notification Acknowledgement"
        case kind:
            yield MESSAGES.get(kind, f"message of type {kind}")
    for entry in document["options"]:
        yield entry["name"]
        yield from (element["name"] for element in entry.get("subOptions", []) if element["name"] not in ("Pad1", "PadN"))


def main() -> None:
    seen: Counter[str] = Counter()
    for tier in sys.argv[1:]:
        for name in names(tier):
            capture = TESTBED / "results" / tier / name / crosscheck.CAPTURE
            if capture.exists():
                seen.update(kind for document, _ in crosscheck.compare(capture)[0] for kind in kinds(document))
    print("Messages of the daemons compared with tshark, and their options:")
    for kind, count in sorted(seen.items()):
        print(f"{count:8} {kind}")
    missing = [kind for kind in SENT if kind not in seen]
    print("In no capture: " + (", ".join(missing) or "nothing that they can send"))


if __name__ == "__main__":
    main()
