"""A terminal with a VPN, a firewall, traffic shaping, IPv4 and temporary addresses of its own: the reflector follows each
flow from the first packet on and touches nothing else, puts its rules back when they are taken out, and after a run the
host is exactly as it was."""

import json

from lib.daemons import PROGRAMS
from lib.domain import Domain
from lib.shell import IN_GUEST, wait_until
from lib.topology import CORRESPONDENT

SECONDS = 90
VPN_MARK = "0xca6c"
FIREWALL = """
table inet host_firewall {
  chain input { type filter hook input priority filter; policy accept; ct state invalid counter comment "odd"; }
  chain output { type filter hook output priority filter; policy accept; meta mark 0xca6c counter comment "vpn"; }
}
table ip shaping {
  chain output { type route hook output priority mangle; ip dscp ef meta mark set 0x7; }
}
"""


def run(domain: Domain) -> None:
    for daemon in [domain.lmad, domain.flow_manager, *domain.magd.values()]:
        daemon.start()
    for interface in ["if1", "if2"]:
        # Temporary addresses are the ones that new flows take.
        domain.run("mn", "sysctl", "-qw", f"net.ipv6.conf.{interface}.use_tempaddr=2")
        domain.attach(interface)
    furnish(domain)
    address, _ = (wait_until(f"{name} has a temporary address, and none that is tentative",
                             lambda: temporary(domain, name), seconds=15) for name in ("if1", "if2"))
    before = domain.host_state()

    domain.reflector.start()
    stream = domain.udp(address)
    domain.flow(stream.flow)
    vpn = counted(domain, "vpn")
    for gateway in ["mag2", "mag1", "mag2"]:
        move = domain.move(stream.flow, gateway)
        wait_until(f"the uplink has been seen on {move.interface}", lambda: uplink(domain, stream.flow) == move.interface)
    # Our rules are taken out, as a network manager may do that starts: they are back at once.
    domain.ip("mn", "rule del pref 5220\nrule del pref 5221\n")
    wait_until("the reflector's rules are back",
               lambda: "5221:" in domain.run("mn", "ip", "-6", "rule").stdout)
    status = domain.reflector.document("show")
    assert status["counters"]["restored-rules"] >= 2, status["counters"]
    assert status["counters"]["rerouted-packets"] > 0, status["counters"]

    # What others have marked takes the way that they have chosen, with the mark that they have given.
    marked = ping_marked(domain, address)
    assert counted(domain, "vpn") - vpn >= marked, "the VPN's packets had another mark than it gave them"
    # The first one leaves before the reflector has seen the flow.
    assert domain.reflector.document("show")["counters"]["packets-marked-by-others"] >= marked - 1
    assert domain.run("mn", "ping", "-4", "-c", "2", "-i", "0.2", "-W", "2", "192.0.2.2", check=False).returncode == 0, \
        "IPv4 does not work beside the reflector"
    udp = stream.stop()
    assert udp.lost == 0 and udp.lost_uplink == 0, f"{udp.lost} packets and {udp.lost_uplink} echoes are lost"

    # What is compared is text; starting a program takes a second in the guest.
    if not IN_GUEST:
        collisions(domain)
    doctor(domain)
    assert domain.reflector.stop() == 0, domain.reflector.last_words()
    domain.assert_host_is(before)


def furnish(domain: Domain) -> None:
    """What a terminal has besides: a VPN as wg-quick makes it, a firewall, shaping, IPv4."""
    run_lines = "\n".join([
        "link add vpn0 type veth peer name vpn1", "link set vpn0 addrgenmode none", "link set vpn1 addrgenmode none",
        "address add 2001:db8:f::1/64 dev vpn0 nodad", "link set vpn0 up", "link set vpn1 up",
        "route add 2001:db8:ffff::/48 dev vpn0 table 51820",
        f"rule add pref 9000 not fwmark {VPN_MARK} to 2001:db8:ffff::/48 lookup 51820"])
    domain.ip("mn", run_lines + "\n")
    domain.run("mn", "nft", "-f", "-", stdin=FIREWALL)
    for role, interface, address in [("mn", "if1", "192.0.2.1/24"), ("mag1", "acc0", "192.0.2.2/24")]:
        domain.run(role, "ip", "addr", "add", address, "dev", interface)
    domain.run("mn", "ip", "-4", "rule", "add", "pref", "5220", "fwmark", "0x100000", "lookup", "main")
    domain.run("mn", "tc", "qdisc", "add", "dev", "if1", "root", "handle", "1:", "pfifo", "limit", "2000", check=False)


def temporary(domain: Domain, interface: str) -> str | None:
    """The interface's temporary address. Which of its addresses passes duplicate address detection last is chance, and
    each brings a route then: there is no answer before all have passed."""
    addresses = [address for entry in domain.ip_json("mn", "addr", "show", "dev", interface, "scope", "global")
                 for address in entry.get("addr_info", [])]
    if any(address.get("tentative") for address in addresses):
        return None
    return next((address["local"] for address in addresses if address.get("temporary")), None)


def uplink(domain: Domain, flow) -> str | None:
    """Interface of the flow, as the reflector lists it."""
    for entry in domain.reflector.document("list")["flows"]:
        if {entry.get("sourcePort"), entry.get("destinationPort")} == {flow.source_port, flow.destination_port}:
            return entry.get("interface")
    return None


def counted(domain: Domain, comment: str) -> int:
    listing = json.loads(domain.run("mn", "nft", "-j", "list", "table", "inet", "host_firewall").stdout)
    for entry in listing["nftables"]:
        rule = entry.get("rule", {})
        if rule.get("comment") == comment:
            return next(part["counter"]["packets"] for part in rule["expr"] if "counter" in part)
    raise AssertionError(f"no rule {comment}")


def ping_marked(domain: Domain, address: str, count: int = 6) -> int:
    """Packets with the VPN's mark, in a flow whose downlink the reflector sees."""
    domain.run("mn", "ping", "-6", "-n", "-c", str(count), "-i", "0.2", "-W", "2", "-m", str(int(VPN_MARK, 16)), "-I",
               address, CORRESPONDENT)
    return count


def collisions(domain: Domain) -> None:
    """Another configuration wants what is in use: `check` says what and where, with status 2, and changes nothing."""
    file = domain.directory / "collision.yaml"
    state = domain.host_state()
    domain.ip("mn", "rule add pref 7000 fwmark 0x3000/0xf000 lookup 60001\nroute add 2001:db8:e::/64 dev vpn0 table 60102\n")
    for setting, expected in [("mark-mask: 0xf000", "mark-mask"), ("table-base: 60000", "table-base"),
                              ("table-base: 60100", "table-base"), ("rule-priority-base: 7000", "rule-priority-base")]:
        file.write_text(f"interfaces: [if1, if2]\n{setting}\nroute-protocol: 115\nnft-table: other\n"
                        f"control:\n  socket: {domain.directory}/other.sock\n")
        for command in ["check", "run"]:
            outcome = domain.run("mn", str(PROGRAMS / "packet-reflector"), command, "-c", str(file), check=False)
            assert outcome.returncode == 2 and "collision.yaml:2:" in outcome.stderr and expected in outcome.stderr \
                and "other software" in outcome.stderr, f"{command} {setting}: {outcome.returncode} {outcome.stderr}"
    file.write_text(f"interfaces: [if1, if2]\nnft-table: host_table\ncontrol:\n  socket: {domain.directory}/other.sock\n")
    domain.run("mn", "nft", "add", "table", "ip6", "host_table")
    domain.run("mn", "nft", "add", "chain", "ip6", "host_table", "own")
    outcome = domain.run("mn", str(PROGRAMS / "packet-reflector"), "check", "-c", str(file), check=False)
    assert outcome.returncode == 2 and "nft-table" in outcome.stderr, outcome.stderr
    domain.run("mn", "nft", "delete", "table", "ip6", "host_table")
    domain.ip("mn", "rule del pref 7000\nroute del 2001:db8:e::/64 dev vpn0 table 60102\n")
    domain.assert_host_is(state)


def doctor(domain: Domain) -> None:
    """Names what breaks flow mobility on this host, with a remedy, and nothing once that is applied."""
    def findings(status: int) -> dict[str, dict]:
        outcome = domain.run("mn", str(PROGRAMS / "packet-reflector"), "doctor", "-c",
                             str(domain.reflector.configuration), "--json", check=False)
        assert outcome.returncode == status, f"doctor ended with {outcome.returncode}: {outcome.stdout}{outcome.stderr}"
        listed = json.loads(outcome.stdout)["findings"]
        return {f"{finding['check']} {finding.get('subject', '')}".strip(): finding
                for finding in listed if finding["verdict"] != "fine"}

    healthy = findings(0)
    assert set(healthy) <= {"privacy-addresses if1", "privacy-addresses if2", "systemd-networkd"}, healthy
    assert "privacy-addresses if1" in healthy, healthy
    domain.run("mn", "sysctl", "-qw", "net.ipv6.conf.if2.accept_ra=0")
    domain.run("mn", "nft", "add", "table", "ip6", "marks")
    domain.run("mn", "nft", "add chain ip6 marks output { type filter hook output priority 0; }")
    domain.run("mn", "nft", "add", "rule", "ip6", "marks", "output", "meta", "mark", "set", "0x1")
    ill = findings(1)
    assert ill["router-discovery if2"]["fix"] == "sysctl -w net/ipv6/conf/if2/accept_ra=2", ill
    assert any(name.startswith("marks-overwritten rule ip6 marks output handle") for name in ill), ill
    domain.run("mn", "nft", "delete", "table", "ip6", "marks")
    domain.run("mn", "sysctl", "-qw", "net.ipv6.conf.if2.accept_ra=1")
    assert findings(0).keys() == healthy.keys()
