"""An access point's RADIUS accounting registers and de-registers its stations; without the secret it says nothing."""

import sys

from lib.accesspoint import INTERIM, ON, START, STOP
from lib.domain import Domain
from lib.shell import wait_until
from lib.topology import GATEWAYS, LMA, NODE_MAC

GUEST = False
SECRET = "not-for-everybody"


def run(domain: Domain) -> None:
    magd = domain.magd["mag1"]
    secret = domain.directory / "radius.secret"
    secret.touch(mode=0o600)
    secret.write_text(f"{SECRET}\n")
    magd.write_configuration({
        "access-technology: ieee-802.11":
            "access-technology: ieee-802.11\n    triggers: {router-solicitation: false, neighbour: false}\n"
            "radius-accounting:\n  clients:\n"
            f"    - {{address: {LMA}, secret-file: {secret}, access-link: acc0}}"})
    domain.lmad.start()
    magd.start()
    domain.ip("mn", "link set if1 up\n")
    station = NODE_MAC["if1"].replace(":", "-").upper()

    def account(status: int, session: str = "1", who: str = station, key: str = SECRET) -> str:
        return domain.run("lma", sys.executable, "-m", "lib.accesspoint", GATEWAYS["mag1"], key, str(status), who,
                          session).stdout.strip()

    assert account(START, key="guess") == "silent"
    assert magd.counters()["radius-bad-authenticator"] == 1, f"{magd.counters()}"
    assert account(START, who="02-00-00-00-99-99") == "answered"
    assert domain.bindings() == [], f"a stranger was registered: {domain.bindings()}"
    assert magd.counters()["trigger-radius-refused"] == 1

    assert account(START) == "answered"
    wait_until("the station is registered", lambda: domain.binding("if1"))
    wait_until("the node has its address", lambda: domain.address("if1"), seconds=20)
    assert account(INTERIM) == "answered"
    assert magd.counters()["trigger-radius-confirmations"] == 1
    assert account(STOP, session="an earlier one") == "answered"
    assert magd.counters()["trigger-radius-stale"] == 1
    assert domain.binding("if1"), "the end of an earlier session ended this one"
    assert account(STOP) == "answered"
    wait_until("the station has been de-registered", lambda: domain.binding("if1") is None)

    assert account(START, session="2") == "answered"
    wait_until("the station is registered again", lambda: domain.binding("if1"))
    assert account(ON, session="", who="") == "answered"
    wait_until("the restart of the access point ended its sessions", lambda: domain.binding("if1") is None)
