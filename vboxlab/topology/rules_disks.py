"""Rules for disks besides the first, and what is to be said of those that machines share."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.language import _
from vboxlab.topology.disks import MOST_DISKS, NAME
from vboxlab.topology.places import show
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.subject import Subject


def disk_names(subject: Subject) -> Iterator[Problem]:
    """bad-disk-name, duplicate-name: a guest finds a disk by its name."""
    known: dict[str, str] = {}
    for name in subject.topology.disks:
        if not NAME.fullmatch(name):
            yield subject.problem_of_key("bad-disk-name", ("disks", name), _unfit(name))
        other = known.setdefault(name.casefold(), name)
        if other != name:  # they would be one file on some hosts
            text = _("shared disk `{name}` differs from `{other}` only in upper and lower case; expected another name")
            yield subject.problem_of_key("duplicate-name", ("disks", name), text.format(name=name, other=other))
    for machine in subject.topology.machines.values():
        seen: dict[str, Place] = {}
        for index, disk in enumerate(machine.disks):
            place: Place = ("machines", machine.name, "disks", index)
            where = (*place, "shared" if disk.shared else "name")
            if not disk.shared and not NAME.fullmatch(disk.called):
                yield subject.problem("bad-disk-name", where, _unfit(disk.called))
            first = seen.setdefault(disk.called.casefold(), where)
            if first != where:
                message = _(
                    "machine `{machine}` has a disk `{disk}` already (line {line}); expected another name"
                ).format(machine=machine.name, disk=disk.called, line="{line}")
                yield subject.repeated("duplicate-name", where, first, message)


def _unfit(name: str) -> str:
    text = _("{value} is no name for a disk; expected 1 to 20 letters, digits and hyphens, no hyphen first or last")
    return text.format(value=show(name or None))


def disk_counts(subject: Subject) -> Iterator[Problem]:
    """too-many-disks."""
    for machine in subject.topology.machines.values():
        if len(machine.disks) > MOST_DISKS:
            message = _("machine `{machine}` has {count} disks besides its first; expected at most {most}").format(
                machine=machine.name, count=len(machine.disks), most=MOST_DISKS
            )
            yield subject.problem_of_key("too-many-disks", ("machines", machine.name, "disks"), message)


def shared_disks(subject: Subject) -> Iterator[Problem]:
    """unknown-disk: disks that machines share are declared once, under `disks` of the topology."""
    if "disks" in subject.source.uncertain:
        return
    declared = subject.named_in_file("disks") or ()
    for machine in subject.topology.machines.values():
        for index, disk in enumerate(machine.disks):
            if disk.shared is not None and disk.shared not in declared:
                place: Place = ("machines", machine.name, "disks", index, "shared")
                yield subject.problem("unknown-disk", place, subject.no_disk(disk.shared, place))


def outside_snapshots(subject: Subject) -> Iterator[Problem]:
    """disk-outside-snapshots (a warning): no snapshot holds a disk that machines share (VirtualBox leaves them out)."""
    topology = subject.topology
    snapshots = [stage.snapshot for stage in topology.stages if stage.snapshot]
    names = snapshots + [name for name in (topology.start_from, topology.reset) if name and name not in snapshots]
    text = _(
        "snapshots do not hold the disk `{disk}`, which {machines} share: {snapshots} can hold none of these machines"
    )
    for disk in topology.disks if names else ():
        users = [each.name for each in topology.owned_machines if any(own.shared == disk for own in each.disks)]
        if users:
            message = text.format(disk=disk, machines=", ".join(users), snapshots=", ".join(names))
            yield subject.doubt("disk-outside-snapshots", ("disks", disk), message)
