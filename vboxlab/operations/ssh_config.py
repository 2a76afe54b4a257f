"""`ssh-config`: an OpenSSH client configuration for a lab."""

from __future__ import annotations

from vboxlab.lab.access import way_in
from vboxlab.lab.observe import observe
from vboxlab.lazily import dataclass
from vboxlab.operations.door import Door
from vboxlab.operations.session import opened
from vboxlab.operations.targets import only_target


@dataclass(frozen=True)
class SshConfigRequest:
    """The lab (None: the only one)."""

    lab: str | None = None
    copy: str | None = None
    driver: str | None = None


def ssh_config(request: SshConfigRequest, door: Door) -> list[str]:
    """Return a block of configuration for each machine that has a way in, sorted by their names."""
    with opened(door, request.driver) as session:
        target = only_target(session, request.lab, copy=request.copy)
        observed = observe(session.context.driver, target.lab)
        return [
            way_in(session.context, target.lab, machine, target.base_of(name)).client_configuration()
            for name, machine in sorted(observed.machines.items())
            if machine.management_port is not None
        ]
