"""Secrets that a lab had and has lost: others are made, and the machines that have the old ones get them."""

from __future__ import annotations

from dataclasses import replace

from vboxlab.guest.role_registry import resources_for
from vboxlab.guest.secrets import SecretStore, holes_of
from vboxlab.language import _
from vboxlab.planning.desired import Desired, DesiredMachine
from vboxlab.planning.machine import BEFORE_STAGES
from vboxlab.planning.observed import MARK_DESIRED, MARK_STAGE, ObservedLab, ObservedMachine
from vboxlab.topology.model import Topology
from vboxlab.topology.secret import CA

LOST = "-"  # no digest: what is on the machine is not what it shall be


def with_lost_secrets(desired: Desired, observed: ObservedLab, store: SecretStore) -> tuple[Desired, tuple[str, ...]]:
    """Return what is desired, so that machines whose secrets are lost are configured anew, and what to say of it.

    Only secrets that the topology names are looked for, and none is made.
    """
    lost: dict[str, list[str]] = {}
    machines = dict(desired.machines)
    for name, machine in desired.machines.items():
        found = observed.machines.get(name)
        missing = _lost_of(desired.topology, machine, found, store) if found is not None else []
        for secret in missing:
            lost.setdefault(secret, []).append(name)
        if missing:
            machines[name] = replace(machine, digests=dict.fromkeys(machine.digests, LOST), earlier_digests={})
    text = _("the lab has lost its secret {secret}: another one is made, and {machines} get it")
    notes = tuple(text.format(secret=secret, machines=", ".join(names)) for secret, names in lost.items())
    return (replace(desired, machines=machines) if lost else desired), notes


def _lost_of(topology: Topology, machine: DesiredMachine, found: ObservedMachine, store: SecretStore) -> list[str]:
    """Return the secrets that a machine has been given and the lab has no more."""
    marked = found.marks.get(MARK_STAGE)
    stage = None if marked == BEFORE_STAGES else marked
    if not topology.secrets or marked is None or stage not in machine.digests:
        return []
    if not machine.is_digest(found.marks.get(MARK_DESIRED), stage):
        return []  # it has to be configured anyway
    holes = holes_of(resources_for(topology, topology.machines[machine.name], stage)).values()
    lost = [hole for hole in holes if (hole.part == CA or hole.secret in topology.secrets) and store.lacks(hole)]
    return list(dict.fromkeys(hole.key if hole.part == CA else hole.secret for hole in lost))
