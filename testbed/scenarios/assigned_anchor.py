"""Gateways ask one address of the anchor and are assigned to another (RFC 6463): they follow, and the tunnels end there."""

from lib import crosscheck
from lib.domain import Domain
from lib.shell import wait_until
from lib.topology import ACCESSES, LMA

ASKED = "2001:db8:1::2"
BINDING_UPDATE = 5

GUEST = False


def run(domain: Domain) -> None:
    domain.ip("lma", f"addr add {ASKED}/64 dev core0 nodad\n")
    # Without ip6_tunnel, tunnels can start at the first address only.
    domain.lmad.write_configuration({
        f"addresses: [{LMA}]": f"addresses: [{LMA}, {ASKED}]\nload-information: true\n"
                               f"redirections:\n  - from: {ASKED}\n    to: [{LMA}]"})
    for gateway in domain.magd.values():
        gateway.write_configuration({f"anchor: {LMA}": f"anchor: {ASKED}\naccept-redirect: true"})
    domain.start_attached()
    for interface, gateway in ACCESSES.items():
        binding = domain.binding(interface)
        assert binding["anchorAddress"] == LMA, f"{interface}: not at {LMA}: {binding}"
        attachments = domain.magd[gateway].document("show", "attachments")["attachments"]
        assert [entry["anchor"] for entry in attachments] == [LMA], f"{gateway} has not followed: {attachments}"
        answer = domain.ping("cn", domain.address(interface))
        assert answer.returncode == 0, f"the correspondent does not reach {interface}: {answer.stdout}"

    domain.detach("if2")
    wait_until("the binding of if2 is gone", lambda: len(domain.bindings()) == 1)
    domain.signalling.stop()
    sent = [(message.destination, any(option["name"] == "RedirectCapability" for option in document["options"]))
            for document, message in crosscheck.compare(domain.signalling.path)[0]
            if document["mhType"] == BINDING_UPDATE]
    # A session that has been assigned stays where it is: only first registrations go to the configured address.
    assert sent[:2] == [(ASKED, True)] * 2 and set(sent[2:]) == {(LMA, False)}, \
        f"updates went to these addresses, with or without the capability: {sent}"
