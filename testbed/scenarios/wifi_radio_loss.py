"""A terminal with one logical interface over two radios (802.11 with WPA2) loses one of them in the middle of a TCP download:
the connection goes on over the other one, after a pause no longer than 300 ms and one retransmission timeout; the flow of
the other radio loses nothing. The pause is printed, on an emulated processor."""

from lib.domain import Domain
from lib.radioloss import lose_radio

# Radios need a kernel with modules.
NATIVE = False
SECONDS = 150


def run(domain: Domain) -> None:
    lose_radio(domain, "veth", made="veth")
