"""How long the machine has stood still: a thread that sleeps, and looks how much later than wanted it wakes up."""

import threading
import time

# Seconds between two looks.
INTERVAL = 0.1
# Shorter ones are not remembered.
SHORTEST = 0.05


class Stalls:
    def __init__(self) -> None:
        # (when it ended, how long it was)
        self.seen: list[tuple[float, float]] = []
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self) -> None:
        last = time.monotonic()
        while True:
            time.sleep(INTERVAL)
            now = time.monotonic()
            late = now - last - INTERVAL
            if late >= SHORTEST:
                self.seen.append((now, late))
            last = now

    def longest(self, since: float) -> float:
        return max((length for end, length in list(self.seen) if end >= since), default=0)
