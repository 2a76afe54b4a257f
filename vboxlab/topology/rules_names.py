"""Rules for names: what VirtualBox, file systems, DNS and RFC 1123 accept, and that no two things share one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Literal

from vboxlab.language import N_, _
from vboxlab.topology.conditions import wanted
from vboxlab.topology.model import Topology
from vboxlab.topology.parameters import is_parameter_name
from vboxlab.topology.places import show
from vboxlab.topology.problems import Place, Problem
from vboxlab.topology.subject import Subject

# RFC 1123, section 2.1: letters, digits and hyphens, neither first nor last a hyphen, at most 63 characters.
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_UUID = re.compile(r"\{?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?")
_LAB = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_-]{0,38}[A-Za-z0-9])?")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# Characters that Windows refuses in file names; VirtualBox names a VM's folder after the VM.
_NOT_IN_FILE_NAMES = '/\\:*?"<>|'
LONGEST_NAME = 80
# Categories of Unicode: controls, formats (U+202E turns what follows round), and spaces that look like the usual one.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})


def name_fault(name: str) -> str | None:
    """Return what makes a text unfit as the name of a VM, network or snapshot; None when it is fit."""
    if not name.strip():
        return _("is empty")
    wrong = next((char for char in name if char in _NOT_IN_FILE_NAMES), None)
    if wrong:
        return _("contains `{character}`, which no folder name may have on every system").format(character=wrong)
    if any(ord(char) < 0x20 for char in name):
        return _("contains a line break or tab")
    hidden = next((char for char in name if char != " " and unicodedata.category(char) in _HIDDEN), None)
    if hidden:
        return _("contains {character}, which nobody sees").format(character=f"U+{ord(hidden):04X}")
    if name != name.strip() or name[0] in ".-" or name[-1] == ".":
        return _("begins or ends with a space, a dot or a hyphen")
    if _UUID.fullmatch(name):
        return _("looks like a UUID, by which VirtualBox would look for another VM")
    return _("has {count} characters").format(count=len(name)) if len(name) > LONGEST_NAME else None


def is_lab_name(name: str) -> bool:
    """Tell whether a text may name a lab: it becomes a folder and a group, and `--` separates it from a copy's."""
    return _LAB.fullmatch(name) is not None and "--" not in name


def is_word(name: str) -> bool:
    """Tell whether a text is a word that may stand in a file name and in a field of a file."""
    return _WORD.fullmatch(name) is not None


def _name_expected() -> str:
    return _("expected at most {count} letters, digits, spaces, dots and hyphens").format(count=LONGEST_NAME)


def lab_name(subject: Subject) -> Iterator[Problem]:
    """bad-lab-name: the lab's name becomes a folder and a VirtualBox group, `--` separates it from a copy's."""
    lab = subject.topology.lab
    if not is_lab_name(lab):
        message = _(
            "{value} is no name for a lab; expected at most 40 letters, digits, `-` and `_`, without `--`"
        ).format(value=show(lab or None))
        yield subject.problem("bad-lab-name", ("lab",), message)


def machine_names(subject: Subject) -> Iterator[Problem]:
    """bad-machine-name, duplicate-name: VirtualBox's rules for VM names."""
    yield from _keys(
        subject,
        "machines",
        "bad-machine-name",
        unfit=N_("the machine's name {value} {fault}; {expected}"),
        twin=N_("machine `{name}` differs from machine `{other}` only in upper and lower case; expected another name"),
    )
    for name, machine in subject.topology.machines.items():
        fault = name_fault(machine.adopt.vm) if machine.adopt is not None else None
        if machine.adopt is not None and fault:
            place: Place = ("machines", name, "adopt", "vm")
            message = _("the VM's name {value} {fault}").format(value=show(machine.adopt.vm or None), fault=fault)
            yield subject.problem("bad-machine-name", place, message)


def adopted_names(subject: Subject) -> Iterator[Problem]:
    """duplicate-name: one existing VM cannot stand for two machines, nor be one that the lab makes."""
    adopted: dict[str, str] = {}
    for name, machine in subject.topology.machines.items():
        if machine.adopt is None:
            continue
        place: Place = ("machines", name, "adopt", "vm")
        vm = machine.adopt.vm
        first = adopted.setdefault(vm, name)
        if first != name:
            message = _("the VM `{vm}` stands for machine `{machine}` already; expected another VM").format(
                vm=vm, machine=first
            )
            yield subject.repeated("duplicate-name", place, ("machines", first, "adopt", "vm"), message)
        elif vm in subject.topology.machines and vm != name:
            message = _("the VM `{vm}` has the name of a machine of this lab").format(vm=vm)
            yield subject.problem("duplicate-name", place, message)


def adopted_in_copies(subject: Subject) -> Iterator[Problem]:
    """adopted-in-copy: an adopted VM is in networks that no copy's machine is in, and could only be in one copy's."""
    if not subject.for_copy:
        return
    for machine in subject.topology.adopted_machines:
        assert machine.adopt is not None  # noqa: S101 -- adopted_machines returns only those
        variants = [
            f"`--set {name}={_another(subject, name, wanted(values))}`" for name, values in machine.adopt.when.items()
        ]
        if variants:
            text = _(
                "machine `{machine}` is the existing VM `{vm}`, which is in no network of a copy, as copies are "
                "isolated; expected a variant that makes the machine ({variants}), or the lab without copies"
            )
        else:
            text = _(
                "machine `{machine}` is the existing VM `{vm}`, which is in no network of a copy, as copies are "
                "isolated; expected none, or the lab without copies"
            )
        message = text.format(machine=machine.name, vm=machine.adopt.vm, variants=", ".join(variants))
        yield subject.problem_of_key("adopted-in-copy", ("machines", machine.name, "adopt"), message)


def _another(subject: Subject, parameter: str, values: tuple[str, ...]) -> str:
    """Return a value that a parameter may have instead of some, the default first."""
    declared = subject.topology.parameters.get(parameter)
    known = (declared.default, *declared.choices) if declared is not None else ()
    return next((each for each in known if each and each not in values), "…")


def host_names(subject: Subject) -> Iterator[Problem]:
    """bad-hostname, duplicate-hostname: one label as RFC 1123 has it; DNS does not tell upper from lower case."""
    seen: dict[str, Place] = {}
    owners: dict[str, str] = {}
    for name, machine in subject.topology.machines.items():
        place: Place = ("machines", name, "hostname")
        hostname = machine.hostname
        if not _LABEL.fullmatch(hostname) or hostname.lower() == "localhost":
            if "." in hostname:
                text = _(
                    "{value} is no host name for machine `{machine}`; expected 1 to 63 letters, digits and hyphens, "
                    "with no hyphen first or last (the domain is given by `domain`)"
                )
            else:
                text = _(
                    "{value} is no host name for machine `{machine}`; expected 1 to 63 letters, digits and hyphens, "
                    "with no hyphen first or last"
                )
            yield subject.problem("bad-hostname", place, text.format(value=show(hostname or None), machine=name))
        key = hostname.lower()
        if key in seen:
            message = _(
                "machine `{machine}` has the host name `{hostname}` of machine `{owner}`; expected another one"
            ).format(machine=name, hostname=hostname, owner=owners[key])
            yield subject.repeated("duplicate-hostname", place, seen[key], message)
        else:
            seen[key], owners[key] = place, name


def network_names(subject: Subject) -> Iterator[Problem]:
    """bad-network-name, duplicate-name: the same rules as for machines, since hosts name files after networks."""
    yield from _keys(
        subject,
        "networks",
        "bad-network-name",
        unfit=N_("the network's name {value} {fault}; {expected}"),
        twin=N_("network `{name}` differs from network `{other}` only in upper and lower case; expected another name"),
    )


def _keys(
    subject: Subject, section: Literal["machines", "networks"], code: str, *, unfit: str, twin: str
) -> Iterator[Problem]:
    """Yield the names in a section that are unfit or have a twin: upper and lower case are one to some hosts."""
    seen: dict[str, str] = {}
    for name in getattr(subject.topology, section):
        place: Place = (section, name)
        fault = name_fault(name)
        if fault:
            message = _(unfit).format(value=show(name or None), fault=fault, expected=_name_expected())
            yield subject.problem_of_key(code, place, message)
        first = seen.setdefault(name.casefold(), name)
        if first != name:
            yield subject.problem_of_key("duplicate-name", place, _(twin).format(name=name, other=first))


def stage_names(subject: Subject) -> Iterator[Problem]:
    """bad-stage-name, duplicate-stage, bad-snapshot-name."""
    seen: dict[str, int] = {}
    for index, stage in enumerate(subject.topology.stages):
        place: Place = ("stages", index)
        if not is_word(stage.name):
            message = _("{value} is no name for a stage; expected letters, digits, `.`, `-` and `_`").format(
                value=show(stage.name or None)
            )
            yield subject.problem("bad-stage-name", (*place, "name"), message)
        first = seen.setdefault(stage.name, index)
        if first != index:
            message = _("stage `{stage}` stands twice; expected it once (the first is on line {line})").format(
                stage=stage.name, line="{line}"
            )
            yield subject.repeated("duplicate-stage", (*place, "name"), ("stages", first, "name"), message)
        fault = name_fault(stage.snapshot) if stage.snapshot is not None else None
        if fault:
            message = _("the snapshot's name {value} {fault}; {expected}").format(
                value=show(stage.snapshot or None), fault=fault, expected=_name_expected()
            )
            yield subject.problem("bad-snapshot-name", (*place, "snapshot"), message)


def parameter_names(subject: Subject) -> Iterator[Problem]:
    """bad-parameter-name: a name that `{name}` cannot hold would never be replaced."""
    for name in subject.topology.parameters:
        if not is_parameter_name(name):
            message = _("{value} is no name for a parameter; expected a letter, then letters, digits, `-`, `_`").format(
                value=show(name or None)
            )
            yield subject.problem_of_key("bad-parameter-name", ("parameters", name), message)


def is_bad_domain(domain: str) -> bool:
    """Tell whether a text is not labels of RFC 1123 joined by dots."""
    labels = domain.removesuffix(".").split(".")
    return len(domain) > 253 or not all(_LABEL.fullmatch(label) for label in labels)


def _domains(topology: Topology, subject: Subject) -> Iterator[tuple[str, Place]]:
    if topology.domain is not None:
        yield topology.domain, ("domain",)
    for name, machine in topology.machines.items():
        for index, domain in enumerate(machine.search):
            yield domain, ("machines", name, "search", index)
    for _machine, role, place in subject.roles():
        for key, domain in role.names_answered().items():
            yield domain, (*place, key)


def domains(subject: Subject) -> Iterator[Problem]:
    """bad-domain: labels of RFC 1123 joined by dots."""
    for domain, place in _domains(subject.topology, subject):
        if is_bad_domain(domain):
            message = _("{value} is no domain name; expected labels joined by dots, such as mlif.local").format(
                value=show(domain or None)
            )
            yield subject.problem("bad-domain", place, message)
