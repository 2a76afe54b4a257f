"""The SSH server as the practical sets it up for `scp -p` between the web servers."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.guest.resources import File, Package, Password, Resource, Service
from vboxlab.guest.roles.place import Place
from vboxlab.topology.roles import SshServerRole

# sshd_config(5): the first value wins, and Debian's sshd_config reads this directory first.
DROP_IN = "/etc/ssh/sshd_config.d/10-practical.conf"


def ssh_server(role: SshServerRole, _place: Place) -> Iterable[Resource]:
    """Return the resources of an SSH server that lets root in with a password, or does not."""
    lines = (
        f"PermitRootLogin {'yes' if role.root_login else 'prohibit-password'}",
        f"PasswordAuthentication {'yes' if role.password_authentication else 'no'}",
    )
    yield Package("openssh-server")
    yield File(DROP_IN, "\n".join(lines) + "\n", notifies=("ssh",))
    yield Service("ssh")
    if role.root_login and role.password_authentication:
        yield Password("root", role.secret)
