"""The link of an interface goes down: its gateway de-registers it, the binding waits for deletion and then goes."""

from lib import crosscheck
from lib.domain import Domain
from lib.shell import wait_until

GUEST = False
BINDING_UPDATE, BINDING_ACKNOWLEDGEMENT = 5, 6


def run(domain: Domain) -> None:
    domain.start_attached()
    domain.detach("if2")
    wait_until("the binding of if2 awaits deletion", lambda: domain.binding("if2", "awaiting-deletion"))
    assert domain.binding("if1"), f"the binding of if1 went too: {domain.bindings()}"
    wait_until("the binding of if2 is gone", lambda: len(domain.bindings()) == 1)
    wait_until("mag2 has forgotten the attachment",
               lambda: domain.magd["mag2"].document("show", "attachments")["attachments"] == [])
    domain.attach("if2")
    answer = domain.ping("cn", domain.address("if2"))
    assert answer.returncode == 0, f"if2 does not answer after it came back: {answer.stdout}"

    domain.signalling.stop()
    messages = crosscheck.decode(domain.signalling.path)
    types = [message["mhType"] for message in messages]
    # Three registrations, a de-registration, and their answers.
    for kind in (BINDING_UPDATE, BINDING_ACKNOWLEDGEMENT):
        assert types.count(kind) >= 4, f"messages of type {kind}: {types.count(kind)} of {types}"
    assert set(types) == {BINDING_UPDATE, BINDING_ACKNOWLEDGEMENT}, f"other messages on the core: {types}"
    statuses = {message["message"]["status"] for message in messages if message["mhType"] == BINDING_ACKNOWLEDGEMENT}
    assert statuses == {0}, f"statuses of the acknowledgements: {statuses}"
