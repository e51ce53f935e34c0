"""The link of an interface goes down: its gateway de-registers it, the binding waits for deletion and then goes."""

from lib.domain import Domain
from lib.shell import wait_until


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
