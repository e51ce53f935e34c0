"""How fast lmad answers on the wire.

  anchor: lmad (CPU 1) ── core0 ──┐
                                  ├─ gateways: the generator, and the flood (CPU 0)
    echo: LoadLimits (CPU 1) ─────┘

The echo sends back what it gets and is what raw sockets allow at best. It and lmad take turns, with the same messages.

  rates  registrations and refreshes, as fast as they are answered (the default)
  flood  refreshes at a fixed rate while one source sends useless messages; fails when their p99 exceeds 10 ms
  smoke  rates with few nodes; fails when a message is not answered, however long the answers take
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from . import mobility
from .daemons import PROGRAMS, TESTBED
from .shell import in_namespace, run, wait_until
from .topology import delete_run, RUNS

ANCHOR, ECHO, STRANGER = "2001:db8:1::1", "2001:db8:2::1", "2001:db8:1::bad"
ANCHOR_LINK, ECHO_LINK = "2001:db8:1::1:0", "2001:db8:2::1:0"
# Two groups of eight.
GATEWAYS = 16
SERVER_CPU, CLIENT_CPU = "1", "0"
RESULTS = TESTBED / "results" / "load"
# Routes of which the kernel's own rate is measured, and as many in a dialogue as lmad puts there at most.
ROUTES, ROUTE_BATCH = 50_000, 64
# The flood ends by itself after this long, should nobody end it.
FLOOD_SECONDS = 300
# Microseconds.
FLOOD_BOUND = 10_000
PLURAL = {"registration": "registrations", "refresh": "refreshes"}


class Stage:
    """Namespaces, lmad and the echo."""

    def __init__(self) -> None:
        self.name = f"fm{os.getpid()}"
        self.directory = RUNS / str(os.getpid())
        self.processes: list[subprocess.Popen] = []

    def namespace(self, role: str) -> str:
        return f"{self.name}-{role}"

    def __enter__(self) -> "Stage":
        self.directory.mkdir(parents=True)
        shutil.rmtree(RESULTS, ignore_errors=True)
        RESULTS.mkdir(parents=True)
        try:
            self.link()
            self.start_anchor()
            self.start_echo()
            self.meet()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(timeout=30)
        delete_run(self.directory)

    def link(self) -> None:
        n = self.namespace
        run("ip", "-batch", "-", stdin="".join(f"netns add {n(role)}\n" for role in ["gateways", "anchor", "echo"]))
        for role, address, ours in [("anchor", ANCHOR, ANCHOR_LINK), ("echo", ECHO, ECHO_LINK)]:
            run("ip", "-batch", "-", stdin=f"link add core0 netns {n(role)} type veth peer name {role} netns "
                f"{n('gateways')}\n")
            run("ip", "-6", "-n", n(role), "-batch", "-", stdin="link set lo up\n"
                f"addr add {address}/64 dev core0 nodad\nlink set core0 up\n")
            run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1", namespace=n(role))
            run("ip", "-6", "-n", n("gateways"), "-batch", "-", stdin="".join(
                f"addr add {address_of(ours, i)}/64 dev {role} nodad\n" for i in range(GATEWAYS))
                + (f"addr add {STRANGER}/64 dev {role} nodad\n" if role == "anchor" else "")
                + f"link set lo up\nlink set {role} up\n")

    def start(self, role: str, cpu: str, *command: str, log: str, **options) -> subprocess.Popen:
        with (RESULTS / log).open("a") as output:
            process = subprocess.Popen(
                in_namespace(self.namespace(role), ["taskset", "-c", cpu, *command]), stdin=subprocess.DEVNULL,
                stderr=output, **{"stdout": output, **options})
        self.processes.append(process)
        return process

    def start_anchor(self) -> None:
        gateways = ", ".join(f"{{name: g{i}, address: {address_of(ANCHOR_LINK, i)}}}" for i in range(GATEWAYS))
        text = string.Template((TESTBED / "config/load.yaml").read_text()).substitute(
            anchor=ANCHOR, gateways=gateways, run=self.directory, state=RESULTS / "state")
        file = self.directory / "lmad.yaml"
        file.write_text(text)
        self.anchor = self.start("anchor", SERVER_CPU, str(PROGRAMS / "lmad"), "run", "-c", str(file), log="lmad.log")
        wait_until("lmad is ready", lambda: " ready: " in (RESULTS / "lmad.log").read_text(), seconds=15)

    def start_echo(self) -> None:
        self.echo = self.start("echo", SERVER_CPU, str(PROGRAMS / "LoadLimits"), "echo", ECHO, log="echo.log")
        wait_until("the echo is ready", lambda: "ready" in (RESULTS / "echo.log").read_text())

    def meet(self) -> None:
        """Fills the neighbour caches of both ends."""
        for target, ours in [(ANCHOR, ANCHOR_LINK), (ECHO, ECHO_LINK)]:
            for i in range(GATEWAYS):
                run("ping", "-6", "-c1", "-w5", "-I", address_of(ours, i), target,
                    namespace=self.namespace("gateways"))

    def generate(self, *options: str) -> Iterator[dict]:
        """Runs the generator; its reports, as they come."""
        generator = self.start(
            "gateways", CLIENT_CPU, str(PROGRAMS / "LoadGenerator"), "--anchor", ANCHOR, "--echo", ECHO,
            "--anchor-process", str(self.anchor.pid), "--echo-process", str(self.echo.pid),
            "--gateway", ANCHOR_LINK, "--echo-gateway", ECHO_LINK, *options,
            log="generator.log", stdout=subprocess.PIPE, text=True)
        assert generator.stdout is not None
        for line in generator.stdout:
            yield json.loads(line)
        status = generator.wait()
        self.processes.remove(generator)
        if status != 0:
            raise SystemExit(f"the generator failed: {(RESULTS / 'generator.log').read_text()}")

    def counters(self) -> dict[str, int]:
        return json.loads(run(str(PROGRAMS / "lmad"), "show", "counters", "--json", "--socket",
                              str(self.directory / "lmad.sock")).stdout)["counters"]

    def route_limit(self) -> tuple[float, float]:
        """Routes a second, and microseconds of CPU each, that the kernel alone takes; same kind, empty table."""
        with contextlib.ExitStack() as stack:
            stack.callback(run, "ip", "netns", "del", self.namespace("routes"), check=False)
            run("ip", "-batch", "-", stdin=f"netns add {self.namespace('routes')}\n")
            run("ip", "-n", self.namespace("routes"), "-batch", "-", stdin="link add core0 type veth peer name far\n"
                "link set lo up\nlink set far up\nlink set core0 up\n")
            run("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1", namespace=self.namespace("routes"))
            words = run("taskset", "-c", SERVER_CPU, str(PROGRAMS / "LoadLimits"), "routes", str(ROUTES),
                        str(ROUTE_BATCH), "core0", address_of(ANCHOR_LINK, 0),
                        namespace=self.namespace("routes")).stdout.split()
        return float(words[0]), float(words[1])


def address_of(first: str, offset: int) -> str:
    return str(mobility.IPv6Address(first) + offset)


class Summary:
    """Reports of one target, kind and window: medians over the runs."""

    def __init__(self, reports: list[dict]) -> None:
        self.runs = len(reports)
        self.lost = sum(report["measurement"]["sent"] - report["measurement"]["answered"] for report in reports)
        for key in ["rate", "p50", "p99", "worst", "cpu", "generatorBusy"]:
            setattr(self, key, statistics.median(float(report["measurement"][key]) for report in reports))

    def __str__(self) -> str:
        return (f"{self.rate:>9,.0f}/s  p50 {self.p50:>7.1f}  p99 {self.p99:>7.1f} us  CPU {self.cpu:>5.2f} us  "
                f"generator {self.generatorBusy:>4.0%}" + (f"  LOST {self.lost}" if self.lost else ""))


def measure_rates(options: argparse.Namespace) -> int:
    with Stage() as stage:
        reports = list(stage.generate("--rounds", str(options.rounds), "--nodes", str(options.nodes),
                                      "--singles", str(options.singles)))
        limits = [stage.route_limit() for _ in range(options.rounds)]
        counters = stage.counters()
    expected = options.rounds * (options.nodes + options.singles)
    print(f"{options.rounds} runs each, medians; {counters['bindings']} bindings at the end\n")
    failed = counters["bindings"] != expected
    if failed:
        print(f"expected {expected} bindings")
    route_rate = statistics.median(rate for rate, _ in limits)
    route_cpu = statistics.median(cpu for _, cpu in limits)
    for kind in PLURAL:
        for window in [64, 1]:
            chosen = {target: Summary([report for report in reports if (report["target"], report["kind"],
                                       report.get("window")) == (target, kind, window)])
                      for target in ["lmad", "echo"]}
            lmad, echo = chosen["lmad"], chosen["echo"]
            print(f"{PLURAL[kind]}, window {window}")
            for target, summary in chosen.items():
                print(f"  {target}  {summary}")
                failed |= summary.lost > 0
            print(f"  ratio lmad/echo: rate {lmad.rate / echo.rate:.2f}, p99 {lmad.p99 / echo.p99:.2f}, "
                  f"CPU {lmad.cpu / echo.cpu:.2f}")
            if kind == "registration" and window == 64:
                possible = 1e6 / (1e6 / echo.rate + 1e6 / route_rate)
                print(f"  routes alone, {ROUTE_BATCH} in a dialogue: {route_rate:,.0f}/s, CPU {route_cpu:.2f} us; "
                      f"echo and route: {possible:,.0f}/s; ratio lmad/that: {lmad.rate / possible:.2f}")
    return 1 if failed else 0


def measure_flood(options: argparse.Namespace) -> int:
    """Refreshes of honest gateways while one source sends useless messages, and without."""
    update = mobility.proxy_binding_update("nobody@example.net", "02:00:00:00:99:99")
    malformed = update[:mobility.FIXED_PART_END + 1] + b"\xff" + update[mobility.FIXED_PART_END + 2:]
    floods = [("no flood", None, b""), ("malformed, of a stranger", STRANGER, malformed),
              ("unauthorised, of a stranger", STRANGER, update),
              ("malformed, of a gateway", address_of(ANCHOR_LINK, GATEWAYS - 1), malformed)]
    failed = False
    for name, source, message in floods:
        with Stage() as stage:
            if source is not None:
                # It must not take the processor from the generator, whose clock tells the latency.
                flood = stage.start("gateways", CLIENT_CPU, "nice", "-n", "19", str(PROGRAMS / "LoadLimits"), "flood",
                                    source, ANCHOR, str(options.flood), str(FLOOD_SECONDS), message.hex(),
                                    log="flood.log")
            summary = Summary([report for report in stage.generate(
                "--rounds", str(options.rounds), "--nodes", str(options.rate), "--singles", "0", "--rate",
                str(options.rate)) if report["kind"] == "refresh"])
            print(f"{name}: refreshes at {options.rate}/s: {summary}")
            failed |= summary.lost > 0 or summary.p99 > FLOOD_BOUND
            if source is not None:
                if flood.poll() is not None:
                    raise SystemExit("the flood has ended before the refreshes")
                flood.terminate()
                flood.wait(timeout=30)
                counted = {key: value for key, value in stage.counters().items() if value > 0 and key.startswith(
                    ("mobility-received", "mobility-refused", "mobility-dropped", "mobility-errors", "rejected"))}
                print(f"  sent {(RESULTS / 'flood.log').read_text().strip()}/s; "
                      + ", ".join(f"{key} {value}" for key, value in sorted(counted.items())))
    return 1 if failed else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="testbed/load", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", nargs="?", choices=["rates", "flood", "smoke"], default="rates")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each kind; figures are medians")
    parser.add_argument("--nodes", type=int, default=20_000, help="new nodes in each round, window 64")
    parser.add_argument("--singles", type=int, default=2_000, help="new nodes in each round, window 1")
    parser.add_argument("--flood", type=int, default=200_000, metavar="RATE", help="useless messages a second")
    parser.add_argument("--rate", type=int, default=2_000, help="refreshes a second during the flood")
    options = parser.parse_args()
    if options.mode == "flood":
        return measure_flood(options)
    if options.mode == "smoke":
        options.rounds, options.nodes, options.singles = 1, 2_000, 200
    return measure_rates(options)


if __name__ == "__main__":
    sys.exit(main())
