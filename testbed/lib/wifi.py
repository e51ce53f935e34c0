"""Radios of mac80211_hwsim as the node's access: an access point with hostapd (WPA2) per gateway, wpa_supplicant on the
node. All of the kernel's 802.11 is real but the air. Guest only: it needs a kernel with modules."""

import json
import re
import subprocess
import time
from pathlib import Path

from .domain import Domain
from .shell import in_namespace, run, wait_until
from .topology import ACCESSES, GATEWAYS, NODE_MAC

NETWORK, PASSPHRASE = "flowmob", "correct horse battery"
# Access points on channels 1 and 6.
CHANNELS = {"mag1": (1, 2412), "mag2": (6, 2437)}
BSSID = {"mag1": "02:00:00:00:0a:01", "mag2": "02:00:00:00:0a:02"}
# A node with one radio has this interface.
STATION = "if1"


class Air:
    def __init__(self, domain: Domain, stations: list[str] | None = None) -> None:
        """`stations`: the node's interfaces, a radio each."""
        self.domain = domain
        self.stations = stations or [STATION]
        self.processes: dict[str, subprocess.Popen] = {}
        self.supplicant_log = domain.results / f"wpa_supplicant-{STATION}.log"
        self.address_log = domain.results / "addresses.log"
        self.advertisement_log = domain.results / "advertisements.log"

    def create(self) -> None:
        """Radios instead of the cables of the access links."""
        run("modprobe", "mac80211_hwsim", f"radios={len(GATEWAYS) + len(self.stations)}")
        for interface in ACCESSES:
            self.domain.ip("mn", f"link del {interface}\n")
        radios = {name: device for device, name in re.findall(r"phy#(\d+)\s+Interface (\S+)", run("iw", "dev").stdout)
                  if name.startswith("wlan")}
        owners = [(gateway, "ap0", BSSID[gateway]) for gateway in GATEWAYS]
        owners += [("mn", station, NODE_MAC[station]) for station in self.stations]
        for (name, number), (role, device, address) in zip(sorted(radios.items()), owners, strict=True):
            run("iw", "phy", f"phy{number}", "set", "netns", "name", self.domain.namespace(role))
            self.domain.ip(role, f"link set {name} down\nlink set {name} name {device}\n"
                           f"link set {device} address {address}\n")
            if role != "mn":
                self.domain.ip(role, "link add acc0 type bridge\nlink set acc0 up\n")

    def socket(self, gateway: str) -> Path:
        return self.domain.directory / f"hostapd-{gateway}"

    def triggers(self, gateway: str) -> dict[str, str]:
        """What changes in the gateway's configuration: only the access point says who is there."""
        technology = "access-technology: ieee-802.11"
        return {technology: f"{technology}\n    triggers:\n      router-solicitation: false\n      neighbour: false\n"
                            f"      hostapd: [{self.socket(gateway)}/ap0]\n      nl80211: [ap0]"}

    def start_access_point(self, gateway: str) -> None:
        channel, _ = CHANNELS[gateway]
        configuration = self.domain.directory / f"hostapd-{gateway}.conf"
        configuration.write_text(
            f"interface=ap0\nbridge=acc0\ndriver=nl80211\nctrl_interface={self.socket(gateway)}\nssid={NETWORK}\n"
            f"hw_mode=g\nchannel={channel}\nwpa=2\nwpa_key_mgmt=WPA-PSK\nrsn_pairwise=CCMP\n"
            f"wpa_passphrase={PASSPHRASE}\n")
        self.start(gateway, gateway, ["hostapd", "-t", str(configuration)], self.domain.results / f"hostapd-{gateway}.log")
        wait_until(f"the access point of {gateway} is up", (self.socket(gateway) / "ap0").exists, seconds=20)

    def serve(self, gateway: str) -> None:
        """The access point and the gateway, which listens to it and to nothing else."""
        magd = self.domain.magd[gateway]
        magd.write_configuration(self.triggers(gateway))
        self.start_access_point(gateway)
        magd.start()
        wait_until(f"{gateway} listens to hostapd", lambda: self.source(gateway, "hostapd")["state"] == "connected")
        assert self.source(gateway, "nl80211")["state"] == "watching", f"{self.source(gateway, 'nl80211')}"

    def source(self, gateway: str, name: str) -> dict:
        document = self.domain.magd[gateway].document("show", "triggers")
        return next(entry for entry in document["sources"] if entry["source"] == name)

    def start_station(self) -> None:
        """The node's one radio, with logs of what `steps` needs."""
        self.domain.ip("mn", f"link set {STATION} up\n")
        advertisements_and_probes = "icmp6 and (ip6[40] == 134 or (ip6[40] == 135 and src ::))"
        self.start("advertisements", "mn", ["tcpdump", "-tt", "-n", "-l", "-i", STATION, advertisements_and_probes],
                   self.advertisement_log)
        wait_until("the node's capture listens", lambda: "listening" in self.advertisement_log.read_text())
        self.start("addresses", "mn", ["ip", "-ts", "-6", "monitor", "address", "dev", STATION], self.address_log)
        self.associate(STATION, "mag1", list(CHANNELS))

    def associate(self, station: str, gateway: str, scanned: list[str]) -> None:
        """The station joins the gateway's access point, and looks for others on the channels of those scanned."""
        configuration = self.domain.directory / f"wpa_supplicant-{station}.conf"
        frequencies = " ".join(str(CHANNELS[each][1]) for each in scanned)
        configuration.write_text(
            f"ctrl_interface={self.domain.directory}/wpa\nnetwork={{\n  ssid=\"{NETWORK}\"\n  psk=\"{PASSPHRASE}\"\n"
            f"  scan_freq={frequencies}\n  bssid={BSSID[gateway]}\n}}\n")
        self.start(station, "mn", ["wpa_supplicant", "-t", "-i", station, "-c", str(configuration)],
                   self.domain.results / f"wpa_supplicant-{station}.log")

    def wait_until_keyed(self, gateway: str) -> None:
        """A station that asks for its association again while the keys are made loses it seconds later: the emulated
        processor may have kept the access point from answering in time. Wait that out."""
        def is_keyed() -> bool:
            status = self.domain.run(gateway, "hostapd_cli", "-p", str(self.socket(gateway)), "-i", "ap0", "all_sta",
                                     check=False).stdout
            return "[AUTHORIZED]" in status and "hostapdWPAPTKState=11\n" in status

        wait_until(f"{gateway} and its station have keys", is_keyed, seconds=20)

    def start(self, name: str, role: str, command: list[str], log: Path) -> None:
        with log.open("a") as output:
            self.processes[name] = subprocess.Popen(
                in_namespace(self.domain.namespace(role), command), stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def walk(self, gateway: str) -> None:
        """The station goes to the access point of another gateway."""
        for command in (["bssid", "0", BSSID[gateway]], ["reassociate"]):
            self.domain.run("mn", "wpa_cli", "-p", f"{self.domain.directory}/wpa", "-i", STATION, *command)

    def dissociate(self) -> None:
        """No supplicant is left that would change the stations."""
        for station in self.stations:
            self.end(station)

    def end(self, name: str) -> None:
        process = self.processes.pop(name)
        process.terminate()
        process.wait()

    def stop(self) -> None:
        for name in list(self.processes):
            self.end(name)
        # Radios outlive their namespaces: they would come back to the first one, with the names that they have.
        run("modprobe", "-r", "mac80211_hwsim")

    # How long each step took; all clocks are this machine's, seconds since 1970

    def said(self, log: Path, text: str) -> float:
        """When a log last said `text`."""
        return [float(line.split(":", 1)[0]) for line in log.read_text().splitlines() if text in line][-1]

    def heard(self, text: str) -> list[float]:
        """When a neighbour discovery packet with `text` in it was on the node's interface."""
        return [float(line.split()[0]) for line in self.advertisement_log.read_text().splitlines() if text in line]

    def addresses(self) -> list[float]:
        """When a global address of the node became usable or changed."""
        result = []
        for line in self.address_log.read_text().splitlines():
            stamp = re.match(r"\[(\S+)\] (.*)", line)
            if stamp and "scope global" in stamp[2] and not stamp[2].startswith("Deleted"):
                whole, _, fraction = stamp[1].partition(".")
                result.append(time.mktime(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float(f"0.{fraction}"))
        return result

    def steps(self, gateway: str) -> list[tuple[str, float]]:
        """Seconds of each step of the last attachment, from the association to an address that may be used; those of the
        daemons from their recordings. Waits for what is still being written."""
        def read() -> list[tuple[str, float]] | None:
            try:
                return self.read_steps(gateway)
            except (StopIteration, IndexError, ValueError):
                return None

        return wait_until("the logs have all steps of the attachment", read)

    def read_steps(self, gateway: str) -> list[tuple[str, float]]:
        associated = self.said(self.supplicant_log, "Associated with")
        keyed = self.said(self.domain.results / f"hostapd-{gateway}.log", "AP-STA-CONNECTED")
        at_gateway, at_anchor = recorded(self.domain.magd[gateway].recording), recorded(self.domain.lmad.recording)
        triggered = next(at for at, event, effects in at_gateway
                         if at >= associated and event == "attached" and "send" in effects)
        updated = next(at for at, event, _ in at_anchor if at >= triggered and event == "message")
        answered = next(at for at, _, effects in at_anchor if at >= updated and "send" in effects)
        acknowledged = next(at for at, event, _ in at_gateway if at >= triggered and event == "message")
        advertised = next(at for at, _, effects in at_gateway if at >= acknowledged and "advertise" in effects)
        received = next(at for at in self.heard("router advertisement") if at >= advertised)
        tentative = next(at for at in self.heard("who has 2001:") if at >= received)
        usable = next(at for at in self.addresses() if at >= tentative)
        times = [("association to key (hostapd)", keyed), ("hostapd's event to trigger", triggered),
                 ("trigger to PBU at the anchor", updated), ("to PBA (tunnel and routes of the anchor)", answered),
                 ("to PBA at the gateway", acknowledged),
                 ("to Router Advertisement (tunnel and routes of the gateway)", advertised),
                 ("to the first that the node receives", received), ("to the probe for duplicates (random delay of the node)", tentative),
                 ("to usable address (duplicate address detection)", usable)]
        steps = [(name, at - before) for (name, at), (_, before) in zip(times, [("", associated), *times])]
        return [*steps, ("association to Router Advertisement", advertised - associated),
                ("association to usable address", usable - associated)]


def recorded(recording: Path) -> list[tuple[float, str, list[str]]]:
    """Time, kind and effects of the events of a daemon (docs/recording.md)."""
    turns = [json.loads(line) for line in recording.read_text().splitlines()[1:]]
    # 1/65536 s since 1970.
    return [(turn["at"]["wallClock"] / 65_536, next(iter(turn["event"])),
             [next(iter(effect)) for effect in turn["effects"]]) for turn in turns if "event" in turn]


def print_steps(title: str, steps: list[tuple[str, float]]) -> None:
    # The runner shows these lines of a scenario that passed.
    for name, seconds in steps:
        print(f"figure: {title}: {name}: {seconds * 1000:.0f} ms")
