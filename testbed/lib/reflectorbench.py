"""What the packet reflector costs a terminal: throughput with it beside throughput without, taken alternately.

              ┌── if1 ───┐
  terminal  mn            far  correspondent
              └── if2 ───┘

The terminal's default route leads over if1. `home`: the downlink comes by if1 too, so the reflector only looks at packets;
`moved`: it comes by if2, so every uplink packet is routed again. `tracked`: no reflector, but connection tracking, which
the reflector uses and most hosts have running for their firewall.
"""

import json
import signal
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path

from .daemons import PROGRAMS
from .shell import in_namespace, run, wait_until
from .topology import RUNS, Topology, delete_run

MN, FAR = "2001:db8:a::10", "2001:db8:c::2"
AIM = 0.97
STATES = ["without", "tracked", "home", "moved"]


class Terminal(Topology):
    def __enter__(self) -> "Terminal":
        self.directory.mkdir(parents=True)
        run("ip", "-batch", "-", stdin="".join(f"netns add {self.namespace(role)}\n" for role in ["mn", "far"]))
        for name in ["if1", "if2"]:
            run("ip", "link", "add", name, "netns", self.namespace("mn"), "type", "veth", "peer", "name", name, "netns",
                self.namespace("far"))
            for role, address in [("mn", "fe80::10"), ("far", "fe80::1")]:
                self.ip(role, f"link set {name} addrgenmode none\naddr add {address}/64 dev {name} nodad\nlink set {name} up\n")
        self.ip("mn", f"link set lo up\naddr add {MN}/64 dev if1 nodad\nroute add default via fe80::1 dev if1 metric 100\n"
                "route add default via fe80::1 dev if2 metric 200\n")
        self.ip("far", f"link set lo up\naddr add {FAR}/128 dev lo nodad\n")
        self.configuration = self.directory / "packet-reflector.yaml"
        self.configuration.write_text(f"interfaces: [if1, if2]\ncontrol:\n  socket: {self.directory}/reflector.sock\n")
        self.reflector: subprocess.Popen | None = None
        # Into a file: it says much, and would wait for a pipe that nobody empties.
        said = self.directory / "iperf3.log"
        with said.open("w") as file:
            self.server = subprocess.Popen(
                in_namespace(self.namespace("far"), ["iperf3", "-s", "--forceflush"]), stdout=file)
        wait_until("iperf3 listens", lambda: "listening" in said.read_text())
        return self

    def __exit__(self, *_: object) -> None:
        self.enter("without")
        self.server.kill()
        self.server.wait()
        delete_run(Path(RUNS / self.directory.name))

    def enter(self, state: str) -> None:
        """Makes the terminal one of STATES."""
        if self.reflector and state in ("without", "tracked"):
            self.reflector.send_signal(signal.SIGTERM)
            assert self.reflector.wait(timeout=20) == 0, "the reflector did not end in order"
            self.reflector = None
        if self.reflector is None and state in ("home", "moved"):
            self.reflector = subprocess.Popen(in_namespace(
                self.namespace("mn"), [str(PROGRAMS / "packet-reflector"), "run", "-c", str(self.configuration)]),
                stderr=subprocess.DEVNULL)
            wait_until("the reflector answers", lambda: self.show(check=False).returncode == 0)
        self.run("mn", "nft", "delete", "table", "ip6", "tracked", check=False)
        if state == "tracked":
            self.run("mn", "nft", "-f", "-", stdin=(
                "table ip6 tracked {\n  chain input { type filter hook input priority 0; ct state invalid drop; }\n}\n"))
        self.ip("far", f"route replace {MN}/128 via fe80::10 dev {'if2' if state == 'moved' else 'if1'}\n")

    def show(self, check: bool = True) -> subprocess.CompletedProcess:
        return self.run("mn", str(PROGRAMS / "packet-reflector"), "show", "--json", "--socket",
                        f"{self.directory}/reflector.sock", check=check)

    def offloads(self, on: bool) -> None:
        for role in ["mn", "far"]:
            for name in ["if1", "if2"]:
                self.run(role, "ethtool", "-K", name, *[word for feature in ["tso", "gso", "gro", "tx"]
                                                        for word in (feature, "on" if on else "off")], check=False)

    def iperf(self, seconds: float, *options: str) -> dict:
        text = self.run("mn", "iperf3", "-c", FAR, "-B", MN, "-J", "-t", str(max(1, round(seconds))), *options,
                        seconds=60).stdout
        return json.loads(text)["end"]

    def tcp(self, seconds: float, *options: str) -> float:
        """Gbit/s of one connection."""
        return self.iperf(seconds, *options)["sum_received"]["bits_per_second"] / 1e9

    def datagrams(self, seconds: float) -> float:
        """Thousand datagrams of 64 octets a second that leave the terminal."""
        before = self.sent()
        self.iperf(seconds, "-u", "-b", "0", "-l", "64")
        return (self.sent() - before) / max(1, round(seconds)) / 1e3

    def sent(self) -> int:
        return sum(int(self.run("mn", "cat", f"/sys/class/net/{name}/statistics/tx_packets").stdout)
                   for name in ["if1", "if2"])

    def check_paths(self) -> None:
        """What is measured is what is said: the uplink leaves by if2 exactly when it has moved."""
        counters = json.loads(self.show().stdout)["counters"]
        assert counters["rerouted-packets"] > 0, f"nothing was routed again: {counters}"


def measure(rounds: int, seconds: float) -> dict:
    kinds: dict[str, Callable[[Terminal], float]] = {
        "uplink": lambda terminal: terminal.tcp(seconds), "downlink": lambda terminal: terminal.tcp(seconds, "-R"),
        "datagrams": lambda terminal: terminal.datagrams(seconds)}
    taken: dict[str, dict[str, list[float]]] = {}
    with Terminal() as terminal:
        for offloads in [True, False]:
            terminal.offloads(offloads)
            for number in range(rounds):
                # Each round begins with another one: a machine that slows down slows them all.
                for state in STATES[number % len(STATES):] + STATES[:number % len(STATES)]:
                    terminal.enter(state)
                    for kind, take in kinds.items():
                        if kind == "datagrams" and not offloads:
                            continue
                        name = kind if offloads else f"{kind}WithoutOffloads"
                        taken.setdefault(name, {}).setdefault(state, []).append(take(terminal))
                    if state == "moved":
                        terminal.check_paths()
    return {name: {state: statistics.median(values) for state, values in states.items()}
            for name, states in taken.items()}


TITLES = {"uplink": "TCP uplink, Gbit/s", "downlink": "TCP downlink, Gbit/s", "datagrams": "UDP uplink, 1000 packets/s",
          "uplinkWithoutOffloads": "TCP uplink, offloads off", "downlinkWithoutOffloads": "TCP downlink, offloads off"}


def show(result: dict) -> None:
    print(f"{'':<30}{'without':>10}{'tracked':>16}{'home':>16}{'moved':>16}")
    for name, states in result.items():
        line = f"{TITLES[name]:<30}{states['without']:>10.2f}"
        for state in STATES[1:]:
            line += f"{states[state]:>9.2f} ({states[state] / states['without']:.2f})"
        print(line)
    print(f"aim: at least {AIM:.2f} of without")


def check(result: dict) -> list[str]:
    """What must hold however slow the machine is."""
    return [f"{TITLES[name]}: nothing arrived ({state})" for name, states in result.items()
            for state, value in states.items() if value <= 0]
