"""The paper's AttachmentTrigger: magd-trigger on an access point registers and de-registers, and nobody else does."""

from lib.daemons import PROGRAMS
from lib.domain import Domain
from lib.shell import wait_until
from lib.topology import GATEWAYS, NODE_MAC

GUEST = False


def run(domain: Domain) -> None:
    magd = domain.magd["mag1"]
    keys = {}
    for name, digits in [("right", "0123456789abcdef" * 4), ("wrong", "00" * 32)]:
        keys[name] = domain.directory / f"{name}.key"
        keys[name].touch(mode=0o600)
        keys[name].write_text(f"{digits}\n")
    magd.write_configuration({
        "access-technology: ieee-802.11":
            "access-technology: ieee-802.11\n    triggers: {router-solicitation: false, neighbour: false}\n"
            "remote-triggers:\n  access-points:\n"
            f"    - {{key-id: 7, key-file: {keys['right']}, access-link: acc0}}"})
    domain.lmad.start()
    magd.start()
    domain.ip("mn", "link set if1 up\n")

    def tell(*event: str, key: str = "right", number: int = 7) -> int:
        return domain.run("lma", str(PROGRAMS / "magd-trigger"), "-g", GATEWAYS["mag1"], "-i", str(number),
                          "-k", str(keys[key]), "-n", "2", *event, check=False).returncode

    station = NODE_MAC["if1"]
    assert tell("up", station, key="wrong") == 1, "the wrong key was answered"
    assert tell("up", station, number=8) == 1, "an unknown key was answered"
    assert tell("up", "02:00:00:00:99:99") == 0, "the right key was not answered"
    counters = magd.counters()
    for reason in ["remote-trigger-bad-authenticator", "remote-trigger-unknown-key"]:
        assert counters[reason] == 2, f"{reason}: {counters[reason]}"
    assert counters["trigger-remote-trigger-refused"] == 1, f"{counters}"
    assert domain.bindings() == [], f"a stranger was registered: {domain.bindings()}"

    # As hostapd_cli calls its action script.
    assert tell("wlan0", "AP-STA-CONNECTED", station) == 0
    wait_until("the station is registered", lambda: domain.binding("if1"))
    wait_until("the node has its address", lambda: domain.address("if1"), seconds=20)
    assert tell("wlan0", "AP-STA-POSSIBLE-PSK-MISMATCH", station) == 0
    assert tell("inactive", station) == 0
    assert domain.binding("if1"), "a station that is only silent was de-registered"
    assert tell("wlan0", "AP-STA-DISCONNECTED", station) == 0
    wait_until("the station has been de-registered", lambda: domain.binding("if1") is None)
    triggers = magd.document("show", "triggers")
    assert [delay["source"] for delay in triggers["registrationDelays"]] == ["remote-trigger"], f"{triggers}"
    print(f"figure: remote trigger to PBU: {triggers['registrationDelays'][0]['lastMilliseconds']:.1f} ms")
