"""All flows of the node, and then of a gateway, move by one command while they run: TCP and UDP, nothing is lost. A trial
moves nothing, a pin holds, and kill -9 of flow-manager forgets neither pins, numbers nor standing orders; history and
events tell it all in order."""

import json
import subprocess
import time

from lib.daemons import PROGRAMS
from lib.domain import Domain
from lib.shell import in_namespace, wait_until
from lib.topology import NODE

SECONDS = 120
GUEST = False


def run(domain: Domain) -> None:
    domain.start_attached()
    manager = domain.flow_manager
    events = subprocess.Popen(
        in_namespace(manager.namespace, [str(PROGRAMS / "flow-manager"), "events", "--json", "--node", NODE, "--socket",
                                         str(manager.socket)]),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True)
    home = domain.address("if1")
    streams = [domain.udp(home, port=7000 + 10 * n, source_port=7001 + 10 * n, rate=50) for n in range(4)]
    download = domain.tcp(home)
    running = [stream.flow for stream in streams] + [download.flow]
    numbers = [domain.flow(flow)["id"] for flow in running]

    def gateways() -> list[str]:
        return [domain.flow(flow)["gateway"] for flow in running]

    assert gateways() == ["mag1"] * 5, f"the flows do not begin on the default binding: {gateways()}"
    trial = manager.document("move", "--node", NODE, "--to", "mag2", "--dry-run")["flows"]
    assert trial["dryRun"] and set(numbers) <= {move["flow"]["id"] for move in trial["moves"]}, f"trial: {trial}"
    assert gateways() == ["mag1"] * 5, "a trial has moved flows"

    moved = manager.document("move", "--node", NODE, "--to", "mag2")["flows"]
    assert moved["done"] >= 5 and not moved["refused"], f"move --node: {moved}"
    assert moved["chosen"] == moved["done"] + moved["already"], f"move --node: {moved}"
    assert gateways() == ["mag2"] * 5, f"after move --node: {gateways()}"
    time.sleep(1)

    # A pinned flow is moved by an operator, and stays pinned.
    manager.command("pin", str(numbers[0]))
    back = manager.document("move", "--from", "mag2", "--protocol", "udp", "--to", "mag1")["flows"]
    assert back["done"] >= 4, f"move --from: {back}"
    assert gateways() == ["mag1"] * 4 + ["mag2"], f"after move --from: {gateways()}"
    refused = manager.command("move", "--node", "mn1", "--to", "mag2", check=False)
    assert refused.returncode == 1 and NODE in refused.stderr, f"no hint at the node's name: {refused.stderr}"

    manager.command("add", "--protocol", "udp", "--destination-port", "7099", "--to", "mag2")
    before = pinned_and_placed(domain, running)
    # The stream of events ends with the daemon.
    manager.kill()
    output, _ = events.communicate(timeout=20)
    manager.start()
    wait_until("the restarted flow-manager knows numbers, pins and places",
               lambda: pinned_and_placed(domain, running) == before)
    orders = manager.document("show", "selectors")["selectors"]
    assert [order["to"] for order in orders] == ["mag2"], f"the standing order is lost: {orders}"
    late = domain.udp(home, port=7099, source_port=7098, rate=50)
    assert domain.flow(late.flow)["gateway"] == "mag2", "the restored order does not decide a first packet"

    manager.command("move", str(numbers[0]), "--to", "mag2")
    history = manager.document("history", NODE)["entries"]
    assert [entry["event"] for entry in history] == ["access-attached"] * 2 + ["flows-moved"], f"history: {history}"
    assert history[2]["flows"] == [numbers[0]] and history[2]["cause"] == "operator-request", f"history: {history}"
    assert domain.flow(running[0])["isPinned"], "the pin is lost"

    for stream in [*streams, late]:
        udp = stream.stop()
        assert udp.lost == 0, f"packets {udp.lost_numbers()[:20]} of {udp.sent} are lost"
        assert udp.lost_uplink == 0, f"{udp.lost_uplink} echoes of {udp.received} are lost"
    tcp = download.stop()
    assert tcp.error is None, f"the TCP connection broke: {tcp.error}"

    told = [json.loads(line) for line in output.splitlines()]
    assert all(event["data"]["node"] == NODE for event in told), "an event of another node"
    ours = [(event["event"], event["data"].get("from"), event["data"]["flow"]["gateway"]) for event in told
            if event["data"].get("flow", {}).get("id") == numbers[0]]
    # The stream may have begun after the flow.
    assert [event for event in ours if event[0] != "flow-added"] == [
        ("flow-moved", 1, "mag2"), ("flow-pinned", None, "mag2"), ("flow-moved", 2, "mag1")], f"events: {ours}"


def pinned_and_placed(domain: Domain, flows: list) -> list[tuple]:
    return [(entry["id"], entry["isPinned"], entry["gateway"]) for entry in map(domain.flow, flows)]
