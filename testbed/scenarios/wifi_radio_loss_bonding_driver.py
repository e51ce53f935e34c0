"""The same as wifi_radio_loss with the kernel's bonding driver, which `backend: auto` takes because it is there; after the
run the terminal is as it was."""

from lib.domain import Domain
from lib.radioloss import lose_radio

# Radios and the bonding driver need a kernel with modules.
NATIVE = False
SECONDS = 150


def run(domain: Domain) -> None:
    lose_radio(domain, "auto", made="bonding", compares_host=True)
