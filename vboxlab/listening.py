"""Whether a port of this computer can be forwarded: asked by taking it for a moment, as a hypervisor will take it.

Needs the standard library alone, as vboxlab.language does: VirtualBox's worker runs it in an interpreter of its own.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import NamedTuple

from vboxlab.language import _

LOOPBACK = "127.0.0.1"


class Endpoint(NamedTuple):
    """A port of this computer: `protocol` is tcp or udp, an empty address stands for all that it has."""

    protocol: str
    address: str
    port: int

    def __str__(self) -> str:
        everywhere = self.address in ("", "0.0.0.0", "::")  # noqa: S104
        if self.protocol == "tcp":
            text = _("port {port} of all addresses") if everywhere else _("port {port} of {address}")
        else:
            text = _("UDP port {port} of all addresses") if everywhere else _("UDP port {port} of {address}")
        return text.format(port=self.port, address=self.address)


def local(port: int) -> Endpoint:
    """Return a TCP port of the loopback address: all that vboxlab forwards by itself."""
    return Endpoint("tcp", LOOPBACK, port)


def why_taken(endpoint: Endpoint) -> OSError | None:
    """Return why somebody else has the port, None when it is free. What cannot be told counts as free.

    Both VirtualBox's and QEMU's NAT set SO_REUSEADDR: connections of a listener that has ended, which linger for a
    minute (tcp(7), TIME_WAIT), keep nobody from listening again. On Windows that option would take the port away from
    whoever listens (Microsoft, "Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE"), and for UDP it would do so everywhere.
    """
    stream = endpoint.protocol == "tcp"
    family = socket.AF_INET6 if ":" in endpoint.address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM) as probe:
            if stream and os.name != "nt":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((endpoint.address, endpoint.port))
            if stream:
                probe.listen(1)
    except OSError as error:
        # Windows refuses with WSAEACCES what another program has for itself (bind, Winsock reference).
        taken = {errno.EADDRINUSE, errno.EACCES} if os.name == "nt" else {errno.EADDRINUSE}
        return error if error.errno in taken else None
    return None


def is_free(port: int) -> bool:
    """Tell whether nobody listens on that TCP port of the loopback address."""
    return why_taken(local(port)) is None
