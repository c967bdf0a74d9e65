"""What systemd hands to a web process, and what it hears back: the socket to listen on, and that it serves.

A socket that somebody else holds outlives the process: connections that come while it is replaced wait in the queue, and
several processes may share it. The protocol is that of sd_listen_fds(3) and sd_notify(3), small enough to speak here.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

#: the first descriptor handed over
FIRST = 3


def inherited_sockets(environment: MutableMapping[str, str] = os.environ) -> list[socket.socket]:
    """The listening sockets meant for this process; empty where there are none. Takes the variables out of the
    environment, so that no child takes them for its own."""
    pid, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdigit():
        return []
    found = [socket.socket(fileno=number) for number in range(FIRST, FIRST + int(count))]
    for one in found:
        one.set_inheritable(False)
        one.setblocking(False)
    return found


def say(state: str, environment: MutableMapping[str, str] = os.environ) -> None:
    """Tell systemd ``READY=1`` or ``STOPPING=1``; nobody listens elsewhere, and then nothing happens."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address:
        return
    # a leading @ stands for the zero byte of an abstract address
    target = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            channel.sendto(state.encode(), target)
        except OSError:
            pass  # the service goes on; systemd notices for itself
