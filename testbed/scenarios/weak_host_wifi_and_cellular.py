"""The weak-host terminal with Wi-Fi (WPA2, one gateway) and a cellular PPP link (another gateway, 3G-like delay and rate): the
operator moves a UDP stream and a TCP download to cellular and back to Wi-Fi. No packet is lost, the download is whole, and the
uplink follows its downlink: from the first downlink packet on the new access, none leaves by another access than the one
its flow was last heard on."""

from lib.cellular import GATEWAY, INTERFACE, Cellular, move_both_ways
from lib.domain import Domain
from lib.shell import wait_until
from lib.wifi import Air

# Radios and PPP need a kernel with modules.
NATIVE = False
ALONE = True
SECONDS = 90


def run(domain: Domain) -> None:
    air, cellular = Air(domain), Cellular(domain)
    air.create()
    try:
        domain.lmad.start()
        air.serve("mag1")
        domain.magd[GATEWAY].start()
        domain.flow_manager.start()
        domain.reflector.start()
        air.start_station()
        home = wait_until("the node has an address by Wi-Fi", lambda: domain.address("if1"), seconds=30)
        # The gateway of the access that comes later is told of the prefixes of the earlier one.
        cellular.dial()
        wait_until("the node has an address by PPP", lambda: domain.address(INTERFACE), seconds=20)
        move_both_ways(domain, home, "Wi-Fi")
    finally:
        cellular.hang_up()
        air.stop()
