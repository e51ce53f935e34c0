"""The policy sends UDP to one access and TCP to the other by their first packets, drops pings, and says so; a reload moves
the one flow whose decision it changes, a broken file none.
"""

import signal
import time

from lib.domain import Domain
from lib.shell import wait_until

SECONDS = 90

POLICY = """\
rules:
{first}  - name: datagrams
    match: {{protocols: [udp]}}
    action: active-standby
    to: [lte, wlan]
  - name: streams
    match: {{protocols: [tcp]}}
    action: active-standby
    to: [wlan]
"""
PINGS = """\
  - name: no pings
    match: {protocols: [icmpv6]}
    action: drop
"""
DOWNLOAD = """\
  - name: download
    match: {{protocols: [tcp], destination-ports: [{port}]}}
    action: active-standby
    to: [lte]
"""


def run(domain: Domain) -> None:
    path = domain.directory / "policy.yaml"
    path.write_text(POLICY.format(first=PINGS))
    manager = domain.flow_manager
    manager.write_configuration({"log-level: debug": f"log-level: debug\npolicy-file: {path}"})
    domain.magd["mag2"].write_configuration({"ieee-802.11": "3gpp-e-utran"})
    domain.start_attached()
    home = domain.address("if1")
    accesses = domain.trace_accesses()
    begin = time.time()
    stream, download = domain.udp(home), domain.tcp(home)
    assert domain.flow(stream.flow)["gateway"] == "mag2", domain.flow(stream.flow)
    assert domain.flow(download.flow)["gateway"] == "mag1", domain.flow(download.flow)

    explanation = manager.document("explain", str(domain.flow(download.flow)["id"]))
    assert explanation["rule"] == "streams" and explanation["placedBy"] == "policy", explanation
    assert explanation["rules"][1]["failure"] == "protocol tcp is not in udp", explanation
    assert {way["gateway"]: way["access"] for way in explanation["candidates"]} == {"mag1": "wlan", "mag2": "lte"}
    assert manager.document("explain", str(domain.flow(stream.flow)["id"]))["rule"] == "datagrams"
    hits = {rule["name"]: rule["hits"] for rule in manager.document("policy", "show")["rules"]}
    # The transfer has a connection for its control as well.
    assert hits == {"no pings": 0, "datagrams": 1, "streams": 2}, hits

    assert domain.ping("cn", home).returncode != 0, "a ping was answered"
    dropped = [flow for flow in domain.flows() if flow["protocol"] == "icmpv6"]
    assert len(dropped) == 1 and "gateway" not in dropped[0] and dropped[0]["packets"] == 3, dropped
    assert manager.document("explain", str(dropped[0]["id"]))["decision"] == "drop"

    path.write_text(POLICY.format(first=PINGS + DOWNLOAD.format(port=download.flow.destination_port)))
    reload = time.time()
    manager.command("policy", "reload")
    wait_until("the download has moved", lambda: domain.flow(download.flow)["gateway"] == "mag2")
    assert manager.counters()["flows-moved-by-policy"] == 1, manager.counters()
    assert manager.document("explain", str(domain.flow(download.flow)["id"]))["rule"] == "download"

    path.write_text(POLICY.format(first=PINGS).replace("to: [wlan]", "too: [wlan]"))
    refused = manager.command("policy", "reload", check=False)
    assert refused.returncode == 1, f"a broken file: status {refused.returncode}"
    assert f"{path}:12:5: rules[2].too: unknown key; did you mean 'to'?" in refused.stderr, refused.stderr
    names = [rule["name"] for rule in manager.document("policy", "show")["rules"]]
    assert names == ["no pings", "download", "datagrams", "streams"], names
    assert domain.flow(download.flow)["gateway"] == "mag2", domain.flow(download.flow)
    assert manager.counters()["flows-moved-by-policy"] == 1, manager.counters()
    assert manager.counters()["policy-files-refused"] == 1, manager.counters()

    path.write_text(POLICY.format(first=DOWNLOAD.format(port=download.flow.destination_port)))
    manager.process.send_signal(signal.SIGHUP)
    wait_until("SIGHUP has the file read", lambda: len(manager.document("policy", "show")["rules"]) == 3)
    assert domain.ping("cn", home).returncode == 0, "pings do not pass though nothing drops them any more"
    udp, tcp = stream.stop(), download.stop()
    end = time.time()
    accesses.finish()
    assert tcp.error is None, f"the TCP connection broke: {tcp.error}"
    assert udp.lost == 0, f"packets {udp.lost_numbers()[:20]} of {udp.sent} are lost"
    assert not accesses.of(stream.flow, "if1", begin, end), "a packet of the UDP flow came over if1, its first perhaps"
    assert not accesses.of(download.flow, "if2", begin, reload), "TCP came over if2 before the reload"
    assert accesses.of(download.flow, "if2", reload, end), "TCP did not come over if2 after the reload"
