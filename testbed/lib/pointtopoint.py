"""A point-to-point link between two machines of the domain: a TUN device in each, joined by two processes that carry the
packets.

    python3 -m lib.pointtopoint NAME DESCRIPTOR    one end: the device of that name, the socket to the other end
"""

import fcntl
import os
import select
import socket
import struct
import subprocess
import sys

from .shell import in_namespace

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
LONGEST = 65_535


class Cable:
    """Plugged in while the processes run: a TUN device without a process has no carrier."""

    def __init__(self, name: str, namespaces: tuple[str, str]) -> None:
        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.processes = [
            subprocess.Popen(in_namespace(namespace, [sys.executable, "-m", "lib.pointtopoint", name, str(end.fileno())]),
                             pass_fds=[end.fileno()])
            for namespace, end in zip(namespaces, ends)]
        for end in ends:
            end.close()

    def pull(self) -> None:
        for process in self.processes:
            process.terminate()
            process.wait()


def main() -> None:
    name, other = sys.argv[1], socket.socket(fileno=int(sys.argv[2]))
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    while True:
        for ready in select.select([device, other], [], [])[0]:
            try:
                if ready is other:
                    packet = other.recv(LONGEST)
                    if not packet:
                        return
                    os.write(device, packet)
                else:
                    other.send(os.read(device, LONGEST))
            except OSError:
                # The device or the other end is not up (yet): the packet is lost, as on any line.
                continue


if __name__ == "__main__":
    main()
