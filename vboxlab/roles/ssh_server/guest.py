"""The SSH server as the practical sets it up for `scp -p` between the web servers."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.place import Place
from vboxlab.guest.resources import File, Package, Password, Resource, Service
from vboxlab.guest.roles import GuestRole
from vboxlab.roles.ssh_server.role import SshServerRole

# sshd_config(5): the first value wins, and Debian's sshd_config reads this directory first.
DROP_IN = "/etc/ssh/sshd_config.d/10-practical.conf"


class SshServerInGuest(GuestRole[SshServerRole]):
    """An SSH server."""

    def resources(self, role: SshServerRole, place: Place) -> Iterable[Resource]:
        """Return the resources of an SSH server that lets root in with a password, or does not."""
        del place
        lines = (
            f"PermitRootLogin {'yes' if role.root_login else 'prohibit-password'}",
            f"PasswordAuthentication {'yes' if role.password_authentication else 'no'}",
        )
        yield Package("openssh-server")
        yield File(DROP_IN, "\n".join(lines) + "\n", notifies=("ssh",))
        yield Service("ssh")
        if role.root_login and role.password_authentication:
            yield Password("root", role.secret)


IN_GUEST = SshServerInGuest()
