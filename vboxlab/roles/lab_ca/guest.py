"""Trust in the lab's own certification authority, as an administrator adds one on Debian."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.filling import CA_HOLE, filled
from vboxlab.guest.place import Place
from vboxlab.guest.resources import Command, File, Package, Resource
from vboxlab.guest.roles import GuestRole
from vboxlab.language import N_
from vboxlab.roles.lab_ca.role import LabCaRole

# update-ca-certificates(8): what ends in .crt there goes into the bundle, which the second file is.
AUTHORITY, BUNDLE = "/usr/local/share/ca-certificates/vboxlab.crt", "/etc/ssl/certs/ca-certificates.crt"
# The second line of a certificate has its serial number in it, so no other's is the same.
IS_TRUSTED = '[ -s "$1" ] && grep -qxF -e "$(sed -n 2p "$1")" "$2"'
TRUSTED = N_("the lab's certification authority trusted")


class LabCaInGuest(GuestRole[LabCaRole]):
    """A machine that trusts the lab's certification authority."""

    def resources(self, role: LabCaRole, place: Place) -> Iterable[Resource]:
        """Return the authority's certificate, and what makes programs trust it."""
        del role, place
        yield Package("ca-certificates")
        yield File(AUTHORITY, filled(CA_HOLE + "\n"))
        yield Command(
            TRUSTED, run=("update-ca-certificates",), unless=("sh", "-c", IS_TRUSTED, "sh", AUTHORITY, BUNDLE)
        )


IN_GUEST = LabCaInGuest()
