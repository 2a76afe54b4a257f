"""What is in the guest: a file with the quote, and systemd, which hands it to whoever connects."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.place import Place
from vboxlab.guest.resources import Command, File, Resource
from vboxlab.guest.roles import GuestRole

from .role import QuoteRole

QUOTE = "/etc/quote"
# systemd.socket(5): with Accept=yes each connection starts a service of its own.
SOCKET = """\
[Unit]
Description=Quote of the day

[Socket]
ListenStream=0.0.0.0:17
Accept=yes

[Install]
WantedBy=sockets.target
"""
SERVICE = f"""\
[Unit]
Description=Quote of the day for one client

[Service]
ExecStart=/bin/cat {QUOTE}
StandardInput=socket
StandardOutput=socket
"""
# A Service is a unit that ends in .service; of others, systemd is asked.
LISTENS = "systemctl is-active -q quote.socket && systemctl is-enabled -q quote.socket"


class QuoteInGuest(GuestRole[QuoteRole]):
    """A quote for whoever connects."""

    def resources(self, role: QuoteRole, place: Place) -> Iterable[Resource]:
        """Return the file, the two units, and that the socket listens."""
        del place
        yield File(QUOTE, role.text + "\n")
        yield File("/etc/systemd/system/quote@.service", SERVICE)
        yield File("/etc/systemd/system/quote.socket", SOCKET)
        yield Command("quote", ("systemctl", "enable", "--now", "quote.socket"), unless=("sh", "-c", LISTENS))


IN_GUEST = QuoteInGuest()
