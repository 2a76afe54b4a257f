"""What machines get of a VM's disks and drives, from a description alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from vboxlab.hypervisor.virtualbox.sentences.telling import say
from vboxlab.hypervisor.virtualbox.worker.media import Medium, judge, refusals
from vboxlab.hypervisor.virtualbox.worker.settings_file import leaves_nothing

SYSTEM = Medium("SATA", 0, 0, "HardDisk", "/vm/disk.vdi")


def disk(kind: str, *, port: int = 1, present: bool = True, physical: bool = False) -> Medium:
    return Medium("SATA", port, 0, "HardDisk", f"/vm/{kind}.vdi", kind, present, physical)


@pytest.mark.parametrize("kind", ["Normal", "MultiAttach"])
def test_disks_that_snapshots_hold_are_linked(kind: str) -> None:
    found = judge([SYSTEM, disk(kind)])
    assert [judgement.outcome for judgement in found] == ["link", "link"]
    assert say(found[1].told) == f"SATA port 1: /vm/{kind}.vdi: every machine writes to a differencing disk of its own"
    assert refusals(found) == []


@pytest.mark.parametrize(
    ("medium", "why"),
    [
        (disk("Writethrough"), "it is writethrough: no snapshot holds it, and every machine would write to that"),
        (disk("Shareable"), "it is shareable: no snapshot holds it, and every machine would write to that"),
        (disk("Immutable"), "it is immutable: machines would lose what they wrote to it"),
        (disk("Readonly"), "it is readonly: vboxlab does not know that kind"),
        (disk("unknown 9"), "it is unknown 9: vboxlab does not know that kind"),
        (disk("Normal", physical=True), "it is a disk of this computer itself"),
    ],
)
def test_other_disks_are_left_out_and_refused_as_the_first(medium: Medium, why: str) -> None:
    second, first = judge([SYSTEM, medium]), judge([medium, SYSTEM])
    assert [judgement.outcome for judgement in second] == ["link", "leave out"]
    assert f"/vm/{medium.kind}.vdi: left out: {why}" in say(second[1].told)
    assert [judgement.outcome for judgement in first] == ["refuse", "link"]
    assert [f"SATA port 1: /vm/{medium.kind}.vdi: {why}" in say(told) for told in refusals(first)] == [True]


def test_a_disk_that_cannot_be_read_is_refused_wherever_it_is() -> None:
    for media in ([SYSTEM, disk("Normal", present=False)], [disk("Writethrough", present=False), SYSTEM]):
        assert len(refusals(judge(media))) == 1
        assert "cannot be read" in say(refusals(judge(media))[0])


def test_drives_are_emptied_and_empty_ones_not_mentioned() -> None:
    media = [
        SYSTEM,
        Medium("IDE", 1, 0, "DVD", "/iso/debian.iso", "Readonly"),
        Medium("IDE", 1, 1, "DVD", "/iso/gone.iso", "Readonly", present=False),
        Medium("SATA", 3, 0, "DVD", "/dev/sr0", "Writethrough", physical=True),
        Medium("SATA", 4, 0, "DVD"),
        Medium("Floppy", 0, 0, "Floppy", "/iso/driver.img", "Writethrough"),
    ]
    found = judge(media)
    assert [say(judgement.told) for judgement in found[1:]] == [
        "IDE port 1: /iso/debian.iso: machines have an empty DVD drive",
        "IDE port 1 device 1: /iso/gone.iso: machines have an empty DVD drive (the file is gone)",
        "SATA port 3: /dev/sr0: machines have an empty DVD drive (this is a drive of this computer itself)",
        "Floppy port 0: /iso/driver.img: machines have an empty floppy drive",
    ]
    assert refusals(found) == []


@pytest.mark.parametrize("media", [[], [Medium("IDE", 0, 0, "DVD", "/iso/live.iso")]])
def test_a_vm_without_a_disk_is_refused(media: list[Medium]) -> None:
    assert [say(told) for told in refusals(judge(media))] == ["it has no hard disk: there is nothing to clone"]


@pytest.mark.parametrize(
    ("part", "clean"),
    [
        ('<HardDisk uuid="{1}" location="a.vdi" type="Normal"/>', True),
        ('<HardDisk uuid="{1}" location="a.vdi" type="Writethrough"/>', False),
        ('<AttachedDevice type="HardDisk" port="0"><Image uuid="{1}"/></AttachedDevice>', True),
        ('<AttachedDevice type="DVD" port="0"/>', True),
        ('<AttachedDevice type="DVD" port="0"><Image uuid="{1}"/></AttachedDevice>', False),
        ('<AttachedDevice type="DVD" port="0"><HostDrive src="/dev/sr0"/></AttachedDevice>', False),
        ('<AttachedDevice passthrough="true" type="DVD" port="0"/>', False),
        ('<AttachedDevice type="Floppy" port="0"><Image uuid="{1}"/></AttachedDevice>', False),
    ],
)
def test_settings_of_an_image_tell_whether_clones_must_be_looked_at(tmp_path: Path, part: str, clean: bool) -> None:
    settings = tmp_path / "image.vbox"
    settings.write_text(f'<VirtualBox xmlns="http://www.virtualbox.org/"><Machine>{part}</Machine></VirtualBox>')
    assert leaves_nothing(settings) is clean
