"""What steering flows costs, each figure beside its baseline, taken alternately in the same run; medians.

  forwarding  downlink packets a second through the anchor with many installed flows, one core forwarding, beside plain
              prefix routes; and the same with one rule per flow, and with every packet through NFQUEUE
  new-flows   first packets a second of which every one takes the tunnel decided for it; how long they are under way
  moves       one flow moved, command to kernel; a tunnel that goes away with many flows on it
  memory      of a flow in user space, the time of a restart, CPU time while flows run
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from . import reflectorbench
from .benchdomain import (HOME_POOL, LOGICAL, SERVER_CPU, TRAFFIC_CPU, TUNNELS, Anchor, Domain, finish,
                          home_address, home_prefix)
from .control import Control
from .shell import in_namespace, run, wait_until

PARTS = ["forwarding", "new-flows", "moves", "memory"]
# Of the paper's design: numbers of flows that have a rule each.
RULES = [100, 1_000, 10_000]
RATES = [20_000, 40_000, 60_000, 80_000, 100_000, 120_000, 150_000]
MICROSECONDS, MILLISECONDS = 1e6, 1e3


class Sizes:
    """How much is done; --quick only shows that it works."""

    def __init__(self, quick: bool, rounds: int) -> None:
        self.quick = quick
        self.rounds = 1 if quick else rounds
        self.flows = 2_000 if quick else 100_000
        self.rules = RULES[:1] if quick else RULES
        self.rates = RATES[:1] if quick else RATES
        self.seconds = 0.3 if quick else 1.0
        self.moves = 50 if quick else 500
        self.outage_flows = 500 if quick else 10_000
        self.memory_flows = 10_000 if quick else 1_000_000
        self.idle_seconds = 3 if quick else 12


def median(values: list[float]) -> float:
    return statistics.median(values)


def percentile(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[round(part * (len(ordered) - 1))]


def fill(domain: Domain, anchor: Anchor, flows: int, first: int = 0, nodes: tuple[int, int] = (0, TUNNELS),
         rate: float = 20_000) -> None:
    """Installs flows as traffic does; what was not decided at its first packet is at a later one."""
    for _ in range(10):
        anchor.send(first, flows, rate, 0, nodes)
        if domain.counters()["flows"] >= first + flows:
            return
    raise SystemExit(f"only {domain.counters()['flows']} of {first + flows} flows are there")


# MARK: Forwarding

def plain_routes(anchor: Anchor) -> None:
    run("ip", "-n", anchor.namespace, "sr", "tunsrc", "set", anchor.address())
    anchor.domain.ip(anchor.name, "".join(
        f"route add {home_prefix(i)} encap seg6 mode encap.red segs {anchor.gateway(i)} dev core0\n"
        for i in range(TUNNELS)))


def rule_per_flow(anchor: Anchor, flows: int) -> None:
    """The paper's annex A: each flow has a mark, and each mark a rule that leads to the tunnel's table."""
    plain_routes(anchor)
    anchor.domain.ip(anchor.name, "".join(
        f"route add {HOME_POOL} table {1_000 + i} encap seg6 mode encap.red segs {anchor.gateway(i)} dev core0\n"
        for i in range(TUNNELS)))
    run("ip", "-6", "-n", anchor.namespace, "-batch", "-", seconds=120, stdin="".join(
        f"rule add fwmark {i + 1} to {HOME_POOL} table {1_000 + i % TUNNELS}\n" for i in range(flows)))
    marks = "".join(
        f"  ip6 saddr 2001:db8:c::1:0 ip6 daddr {home_address(i % TUNNELS)} udp sport {10_000 + i // TUNNELS} "
        f"udp dport 9 meta mark set {i + 1} accept\n" for i in range(flows))
    run("nft", "-f", "-", namespace=anchor.namespace, seconds=120, stdin=(
        f"table ip6 paper {{\n chain marks {{ type filter hook prerouting priority mangle;\n{marks} }}\n}}\n"))


def refreshed_timeouts(anchor: Anchor, flows: int, refresh: bool) -> None:
    """A set of flows whose packets find their element, or restart its timeout besides: the price of kernel timeouts."""
    plain_routes(anchor)
    key = "{ ip6 saddr . ip6 daddr . udp sport . udp dport }"
    run("nft", "-f", "-", namespace=anchor.namespace, stdin=(
        "table ip6 timeouts {\n set flows { type ipv6_addr . ipv6_addr . inet_service . inet_service\n"
        f"  flags dynamic,timeout\n timeout 1h\n size {4 * flows}\n }}\n"
        f" chain flows {{ type filter hook prerouting priority mangle;\n update @flows {key}\n }}\n}}\n"))
    anchor.send(0, flows, 50_000, 0)
    if not refresh:
        run("nft", "-f", "-", namespace=anchor.namespace, stdin=(
            "flush chain ip6 timeouts flows\nadd rule ip6 timeouts flows "
            "ip6 saddr . ip6 daddr . udp sport . udp dport @flows counter\n"))


def packet_rate(anchor: Anchor, flows: int, seconds: float) -> float:
    before = anchor.forwarded()
    sent = anchor.send(0, flows, 0, seconds)
    return (anchor.forwarded() - before) / sent["seconds"]


def tcp_throughput(anchor: Anchor, seconds: float) -> float:
    """Gbit/s of one connection from the correspondent to a node."""
    anchor.use()
    domain = anchor.domain
    server = subprocess.Popen(
        in_namespace(domain.namespace("far"), ["taskset", "-c", SERVER_CPU, "iperf3", "-s", "--forceflush"]),
        stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        wait_until("iperf3 listens", lambda: "listening" in server.stdout.readline())
        report = json.loads(run(
            "taskset", "-c", TRAFFIC_CPU, "iperf3", "-c", home_address(3), "-t", str(max(1, round(2 * seconds))), "-J",
            namespace=domain.namespace("cn")).stdout)
    finally:
        server.kill()
        server.wait()
    return report["end"]["sum_received"]["bits_per_second"] / 1e9


def alternately(rounds: int, variants: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The median of each, taken in turns."""
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, measure in variants.items():
            taken[name].append(measure())
    return {name: median(values) for name, values in taken.items()}


def forwarding(domain: Domain, sizes: Sizes) -> dict:
    flows = domain.managed
    plain = domain.anchor("plain")
    plain_routes(plain)
    paper = {}
    for number in sizes.rules:
        paper[number] = domain.anchor(f"rules{number}")
        rule_per_flow(paper[number], number)
    timeouts = {}
    for name, refresh in [("found", False), ("refreshed", True)]:
        timeouts[name] = domain.anchor(name)
        refreshed_timeouts(timeouts[name], sizes.flows, refresh)
    for anchor in [plain, flows, *paper.values(), *timeouts.values()]:
        anchor.forward_on(SERVER_CPU)
    result: dict = {"flows": sizes.flows, "tunnels": TUNNELS}
    # Without a Flow Manager first: lmad's rules alone.
    result["packets"] = alternately(sizes.rounds, {
        "plain": lambda: packet_rate(plain, sizes.flows, sizes.seconds),
        "lmadAlone": lambda: packet_rate(flows, sizes.flows, sizes.seconds)})
    domain.start_manager(maximum=2 * sizes.flows)
    fill(domain, flows, sizes.flows)
    variants = {"plain": lambda: packet_rate(plain, sizes.flows, sizes.seconds),
                "flows": lambda: packet_rate(flows, sizes.flows, sizes.seconds)}
    for number, anchor in paper.items():
        variants[f"rules{number}"] = lambda number=number, anchor=anchor: packet_rate(anchor, number, sizes.seconds)
    for name, anchor in timeouts.items():
        variants[name] = lambda anchor=anchor: packet_rate(anchor, sizes.flows, sizes.seconds)
    lmad_alone, plain_then = result["packets"]["lmadAlone"], result["packets"]["plain"]
    result["packets"] = alternately(sizes.rounds, variants)
    result["packets"]["lmadAlone"] = lmad_alone * result["packets"]["plain"] / plain_then
    for anchor in [plain, flows]:
        anchor.forward_on(None)
    result["packetsOneCore"] = alternately(sizes.rounds, {
        "plain": variants["plain"], "flows": variants["flows"]})
    result["tcp"] = alternately(sizes.rounds, {
        "plain": lambda: tcp_throughput(plain, sizes.seconds), "flows": lambda: tcp_throughput(flows, sizes.seconds)})
    for anchor in [plain, flows]:
        anchor.offloads(False)
    result["tcpWithoutOffloads"] = alternately(sizes.rounds, {
        "plain": lambda: tcp_throughput(plain, sizes.seconds), "flows": lambda: tcp_throughput(flows, sizes.seconds)})
    for anchor in [plain, flows]:
        anchor.offloads(True)
        anchor.forward_on(SERVER_CPU)
    domain.stop_manager()
    # Every packet through the queue: a table with room for one flow.
    domain.start_manager(maximum=1)
    result["packetsQueued"] = alternately(sizes.rounds, {
        "plain": variants["plain"], "queue": lambda: packet_rate(flows, sizes.flows, sizes.seconds)})
    domain.stop_manager()
    for anchor in [plain, flows]:
        anchor.forward_on(None)
    return result


def print_forwarding(result: dict) -> None:
    packets, queued = result["packets"], result["packetsQueued"]
    print(f"forwarding, {result['flows']:,} flows over {result['tunnels']} tunnels      packets/s    of plain")
    lines = [("plain prefix routes", packets["plain"], packets["plain"]),
             ("lmad without Flow Manager", packets["lmadAlone"], packets["plain"]),
             ("Flow Manager", packets["flows"], packets["plain"])]
    lines += [(f"a rule per flow, {int(name[5:]):,} flows", value, packets["plain"])
              for name, value in packets.items() if name.startswith("rules")]
    lines += [(text, packets[name], packets["plain"]) for text, name in [
        ("a set of flows, looked up", "found"),
        ("the same, every packet restarts a kernel timeout", "refreshed")]]
    lines.append(("every packet through NFQUEUE", queued["queue"], queued["plain"]))
    one = result["packetsOneCore"]
    lines.append(("Flow Manager, sender and far end on the same core", one["flows"], one["plain"]))
    for name, value, baseline in lines:
        print(f"  {name:<52}{value:>12,.0f}  {value / baseline:>9.2f}")
    for name, key in [("TCP", "tcp"), ("TCP, offloads off", "tcpWithoutOffloads")]:
        tcp = result[key]
        print(f"  {name:<52}{tcp['flows']:>7.2f} Gb/s  {tcp['flows'] / tcp['plain']:>9.2f}")


# MARK: New flows

def order_to_second(domain: Domain) -> None:
    """New flows of the logical node go to its second gateway, which is not the default: a decision can be seen."""
    with domain.control() as control:
        control.ask("add", selector={"destination": f"{home_prefix(LOGICAL)}"}, to="g1")


def new_flows(domain: Domain, sizes: Sizes) -> dict:
    anchor = domain.managed
    sustained, costs, fresh, known = [], [], [], []
    for _ in range(sizes.rounds):
        domain.start_manager(maximum=1_000_000, idle="3600s")
        order_to_second(domain)
        # Before the rates: one that is too high leaves packets in the queue.
        flows = round(10_000 * 2 * sizes.seconds)
        for reports in [fresh, known]:
            receiver = anchor.receiver()
            anchor.send(2_000_000, flows, 10_000, 0, (LOGICAL, 1))
            reports.append(finish(receiver, stop=True))
        first, best, cost = 0, 0.0, 0.0
        for rate in sizes.rates:
            flows = round(rate * 2 * sizes.seconds)
            before, processor = anchor.arrived(), domain.processor_seconds()
            sent = anchor.send(first, flows, rate, 0, (LOGICAL, 1))["sent"]
            time.sleep(0.3)
            after = anchor.arrived()
            decided = after[1] - before[1]
            first += flows
            if decided < sent or after[0] > before[0]:
                break
            best, cost = rate, (domain.processor_seconds() - processor) / flows * MICROSECONDS
        sustained.append(best)
        costs.append(cost)
        domain.stop_manager()
    return {"sustained": median(sustained), "processorMicroseconds": median(costs), "tried": sizes.rates,
            "first": {key: median([r[key] for r in fresh]) for key in ["p50", "p99", "worst"]},
            "known": {key: median([r[key] for r in known]) for key in ["p50", "p99", "worst"]}}


def print_new_flows(result: dict) -> None:
    print(f"new flows: {result['sustained']:,.0f}/s, every decision applied to the first packet, none lost "
          f"(CPU {result['processorMicroseconds']:.1f} us a flow, verdict and forwarding included)")
    for name, key in [("first packets", "first"), ("packets of known flows", "known")]:
        report = result[key]
        print(f"  under way at 10,000/s, {name:<24} p50 {report['p50']:>7.1f}  p99 {report['p99']:>7.1f} us")


# MARK: Moves

def moves(domain: Domain, sizes: Sizes) -> dict:
    anchor = domain.managed
    domain.start_manager(maximum=2 * sizes.flows + sizes.outage_flows, idle="3600s")
    fill(domain, anchor, sizes.flows)
    order_to_second(domain)
    # Their numbers go on where the others end, so that identifiers are known to be theirs.
    fill(domain, anchor, sizes.outage_flows, first=sizes.flows, nodes=(LOGICAL, 1))
    with domain.control() as control:
        flow = sizes.flows + 1
        times: dict[str, list[float]] = {"move": [], "show": []}
        for number in range(sizes.moves * sizes.rounds):
            for name in times:
                start = time.perf_counter()
                if name == "move":
                    control.ask("move", flow=flow, to=f"g{number % 2}")
                else:
                    control.ask("show tunnels")
                times[name].append((time.perf_counter() - start) * MICROSECONDS)
        outages = [outage(domain, sizes, control) for _ in range(sizes.rounds)]
    domain.stop_manager()
    result: dict = {"outageFlows": sizes.outage_flows, "flows": sizes.flows}
    for name, values in times.items():
        result[name] = {"p50": percentile(values, 0.5), "p99": percentile(values, 0.99)}
    answers = [value for report in outages for value in report["answers"]]
    quiet = [value for report in outages for value in report["quiet"]]
    result["outage"] = {
        "moved": median([report["moved"] for report in outages]), "worst": max(report["moved"] for report in outages),
        "deregistration": median([report["deregistration"] for report in outages]),
        "answers": {"count": len(answers), "p50": percentile(answers, 0.5), "p99": percentile(answers, 0.99)},
        "quiet": {"count": len(quiet), "p50": percentile(quiet, 0.5), "p99": percentile(quiet, 0.99)},
        "othersLost": sum(report["othersLost"] for report in outages),
        "movedLost": sum(report["movedLost"] for report in outages)}
    return result


def outage(domain: Domain, sizes: Sizes, control: Control) -> dict:
    """All flows of the logical node on its second access, which then goes, while they and others have packets."""
    anchor = domain.managed
    with domain.control() as direct:
        for flow in range(sizes.flows + 1, sizes.flows + sizes.outage_flows + 1):
            direct.ask("move", flow=flow, to="g1")
    before = anchor.arrived()
    receiver = anchor.receiver()
    mine = anchor.sender(sizes.flows, sizes.outage_flows, 20_000, 2, (LOGICAL, 1))
    # Nodes 0 and 1 share the gateways of the logical one.
    others = anchor.sender(0, sizes.flows, 10_000, 2, (2, TUNNELS - 2))
    time.sleep(0.5)
    quiet = refreshes(domain, 0.15)
    moment = time.time_ns()
    deregistration = domain.register(LOGICAL, 1, lifetime=0)
    answers = refreshes(domain, 0.15)
    sent, others_sent = finish(mine)["sent"], finish(others)["sent"]
    report = finish(receiver, stop=True)
    after = anchor.arrived()
    difference = {gateway: after[gateway] - before[gateway] for gateway in after}
    left = next(t for t in domain.document("show", "tunnels")["tunnels"] if t["gateway"] == "g1")["flows"]
    # Those of node 1 stay.
    assert left == sizes.flows // TUNNELS, f"{left} flows are left at g1"
    domain.register(LOGICAL, 1, handoff=1)
    return {"moved": (report["tunnels"]["1001"]["last"] - moment) / 1e6,
            "deregistration": deregistration * MICROSECONDS, "answers": answers, "quiet": quiet,
            "othersLost": others_sent - sum(difference[g] for g in range(2, TUNNELS)),
            "movedLost": sent - difference[0] - difference[1]}


def refreshes(domain: Domain, seconds: float) -> list[float]:
    """Microseconds until the answer, one registration after the other."""
    taken, gateway, end = [], 2, time.monotonic() + seconds
    while time.monotonic() < end:
        taken.append(domain.register(gateway, gateway) * MICROSECONDS)
        gateway = gateway + 1 if gateway + 1 < TUNNELS else 2
    return taken


def print_moves(result: dict) -> None:
    move, show, outage = result["move"], result["show"], result["outage"]
    print(f"moves, {result['flows']:,} other flows")
    print(f"  one flow, command to answer              p50 {move['p50']:>7.1f}  p99 {move['p99']:>7.1f} us")
    print(f"  a command that changes nothing           p50 {show['p50']:>7.1f}  p99 {show['p99']:>7.1f} us")
    print(f"  outage with {result['outageFlows']:,} flows: moved {outage['moved']:.1f} ms after the de-registration "
          f"was sent (worst {outage['worst']:.1f} ms), its answer after {outage['deregistration']:.0f} us")
    for name, key in [("meanwhile", "answers"), ("before", "quiet")]:
        report = outage[key]
        print(f"  registrations answered, {name:<16} p50 {report['p50']:>7.1f}  p99 {report['p99']:>7.1f} us "
              f"({report['count']})")
    print(f"  packets lost: {outage['othersLost']} of flows in other tunnels, {outage['movedLost']} of the moved")


# MARK: Memory and time

def memory(domain: Domain, sizes: Sizes) -> dict:
    anchor, flows = domain.managed, sizes.memory_flows
    domain.start_manager(maximum=max(flows, 1_000), idle="3600s")
    empty = domain.resident()
    result: dict = {"flows": flows}
    start = time.monotonic()
    fill(domain, anchor, flows, rate=50_000)
    result["fillSeconds"] = time.monotonic() - start
    with domain.control() as control:
        start = time.monotonic()
        control.ask("show flow", flow=1)
        result["readSeconds"] = time.monotonic() - start
    result["octetsPerFlow"] = (domain.resident() - empty) / flows
    result["highestPerFlow"] = (domain.highest_resident() - empty) / flows
    domain.end("flow-manager")
    start = time.monotonic()
    domain.start_manager(maximum=max(flows, 1_000), idle="3600s")
    result["restartSeconds"] = time.monotonic() - start
    result["restored"] = domain.counters()["flows-restored"]
    result["restartOctetsPerFlow"] = (domain.highest_resident() - empty) / flows
    domain.stop_manager()
    domain.start_manager(maximum=2 * sizes.flows, idle="300s")
    fill(domain, anchor, sizes.flows)
    shares = []
    traffic = anchor.sender(0, sizes.flows, 10_000, sizes.idle_seconds * sizes.rounds + 2)
    time.sleep(1)
    for _ in range(sizes.rounds):
        before = domain.processor_seconds()
        time.sleep(sizes.idle_seconds)
        shares.append((domain.processor_seconds() - before) / sizes.idle_seconds)
    finish(traffic)
    result["cpuShare"] = median(shares)
    result["cpuFlows"] = sizes.flows
    # Without the keys of its flows it has to dump the kernel's map.
    domain.kill("flow-manager")
    start = time.monotonic()
    domain.start_manager(maximum=2 * sizes.flows, idle="300s")
    result["crashRestartSeconds"] = time.monotonic() - start
    result["crashRestored"] = domain.counters()["flows-restored"]
    domain.stop_manager()
    return result


def print_memory(result: dict) -> None:
    print(f"memory with {result['flows']:,} flows: {result['octetsPerFlow']:.0f} octets a flow, at the highest "
          f"{result['highestPerFlow']:.0f}; reading all counters {result['readSeconds']:.2f} s")
    print(f"  restart: {result['restored']:,} flows restored in {result['restartSeconds']:.2f} s, at the highest "
          f"{result['restartOctetsPerFlow']:.0f} octets a flow")
    print(f"  {result['cpuFlows']:,} flows with 10,000 packets/s: {result['cpuShare']:.2%} of a core; after kill -9 "
          f"{result['crashRestored']:,} restored in {result['crashRestartSeconds']:.2f} s")


def main() -> int:
    parser = argparse.ArgumentParser(prog="testbed/bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subject", choices=["flows", "reflector"],
                        help="flows: the anchor, as above; reflector: a terminal with packet-reflector and without")
    parser.add_argument("--quick", action="store_true", help="small and once: shows that it works, not how fast")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each kind; figures are medians")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part (may be repeated)")
    options = parser.parse_args()
    if options.subject == "reflector":
        return reflector(options)
    sizes = Sizes(options.quick, options.rounds)
    # Who asks must not wait for the processor of those who answer.
    os.sched_setaffinity(0, {int(TRAFFIC_CPU)})
    results: dict = {}
    for part in options.only or PARTS:
        measure, show = {"forwarding": (forwarding, print_forwarding), "new-flows": (new_flows, print_new_flows),
                         "moves": (moves, print_moves), "memory": (memory, print_memory)}[part]
        with Domain() as domain:
            domain.start_anchor(domain.anchor("flows"))
            results[part] = measure(domain, sizes)
        if not options.json:
            show(results[part])
    if options.json:
        print(json.dumps(results, indent=2))
    return check(results) if options.quick else 0


def reflector(options: argparse.Namespace) -> int:
    result = reflectorbench.measure(1 if options.quick else options.rounds, 1 if options.quick else 2)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        reflectorbench.show(result)
    problems = reflectorbench.check(result)
    for problem in problems:
        print(f"testbed/bench: {problem}", file=sys.stderr)
    return 1 if problems else 0


def check(results: dict) -> int:
    """Of a quick run: what must hold however slow the machine is."""
    problems = []
    if "new-flows" in results and results["new-flows"]["sustained"] == 0:
        problems.append("first packets were not decided, or lost")
    if "moves" in results and results["moves"]["outage"]["othersLost"] != 0:
        problems.append("packets of flows in other tunnels were lost")
    if "memory" in results and (results["memory"]["restored"], results["memory"]["crashRestored"]) != (
            results["memory"]["flows"], results["memory"]["cpuFlows"]):
        problems.append("flows were not restored")
    for problem in problems:
        print(f"testbed/bench: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
