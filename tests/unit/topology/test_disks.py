"""Disks besides the first, and the drive, as topologies say them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.topology.language_world import made, said
from vboxlab.planning.disks import disks_of
from vboxlab.planning.observed import DiskState
from vboxlab.topology.disks import guest_path, in_words, mebibytes
from vboxlab.topology.loader import doubts_in
from vboxlab.topology.source import parse_source

TEXT = """\
lab: storage
base: debian12
networks:
  lan: {}
disks:
  quorum: {size: 64 MiB}
machines:
  one:
    hostname: one
    adapters: [{network: lan}]
    disks:
      - {size: 1 GiB, name: data}
      - {size: 512 MiB}
      - {shared: quorum}
    dvd: discs/tools.iso
  two:
    hostname: two
    adapters: [{network: lan}]
    disks: [{shared: quorum}]
"""


def test_disks_have_a_size_and_a_name_that_is_their_place_where_none_is_given() -> None:
    topology = made(TEXT)
    assert disks_of(topology, topology.machines["one"]) == (
        DiskState("data", 1024),
        DiskState("disk3", 512),
        DiskState("quorum", 64, shared=True),
    )
    assert disks_of(topology, topology.machines["two"]) == (DiskState("quorum", 64, shared=True),)


def test_the_disc_in_the_drive_is_named_from_the_file_on() -> None:
    topology = made(TEXT)
    assert topology.machines["one"].dvd == str(Path.cwd() / "discs" / "tools.iso")
    assert topology.machines["two"].dvd is None
    absolute = made(TEXT.replace("discs/tools.iso", "/srv/discs/tools.iso"))
    assert absolute.machines["one"].dvd == "/srv/discs/tools.iso"


def test_disks_are_part_of_what_a_lab_is_and_where_a_disc_lies_is_not() -> None:
    digest = made(TEXT).digest
    assert made(TEXT.replace("discs/tools.iso", "/elsewhere/tools.iso")).digest == digest
    assert made(TEXT.replace("1 GiB", "2 GiB")).digest != digest
    assert made(TEXT.replace("64 MiB", "65 MiB")).digest != digest


def test_a_size_is_said_as_it_is_read() -> None:
    assert [in_words(mebibytes(size)) for size in ("1 GiB", "512MiB", "1536 MiB", "2048 MiB")] == [
        "1 GiB", "512 MiB", "1536 MiB", "2 GiB",
    ]  # fmt: skip


def test_a_guest_finds_a_disk_by_its_name() -> None:
    assert guest_path("data") == "/dev/disk/by-id/ata-vboxlab_data"


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (
            "{size: 512 MiB}", "{size: 512 MB}",
            ("13:16: [wrong-value] `size` of item 2 of `disks` of machine `one` is `512 MB`; expected a size such as "
            "512 MiB or 2 GiB"),
        ),
        (
            "{size: 512 MiB}", "{size: 512 MiB, shared: quorum}",
            ("13:9: [wrong-value] item 2 of `disks` of machine `one`: expected `size` (and `name`) for a disk of its "
            "own, or `shared` alone for a shared one"),
        ),
        (
            "{size: 512 MiB}", "{name: logs}",
            ("13:9: [wrong-value] item 2 of `disks` of machine `one`: expected `size` (and `name`) for a disk of its "
            "own, or `shared` alone for a shared one"),
        ),
        (
            "{size: 512 MiB}", "{size: 512 MiB, name: data}",
            "13:31: [duplicate-name] machine `one` has a disk `data` already (line 12); expected another name",
        ),
        (
            "{size: 512 MiB}", "{size: 512 MiB, name: my data}",
            ("13:31: [bad-disk-name] `my data` is no name for a disk; expected 1 to 20 letters, digits and hyphens, no "
            "hyphen first or last"),
        ),
        (
            "[{shared: quorum}]", "[{shared: quorom}]",
            ("19:22: [unknown-disk] there is no disk `quorom` under `disks` of the topology; expected quorum; did you "
            "mean `quorum`?"),
        ),
        (
            "[{shared: quorum}]", "[{for each: {n: 1..6}, size: 1 GiB}]",
            "19:5: [too-many-disks] machine `two` has 6 disks besides its first; expected at most 5",
        ),
        (
            "  quorum: {size", "  the-quorum-of-a-cluster: {size",
            ("6:3: [bad-disk-name] `the-quorum-of-a-cluster` is no name for a disk; expected 1 to 20 letters, digits "
            "and hyphens, no hyphen first or last"),
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_disks_is_said_where_it_stands(before: str, after: str, problem: str) -> None:
    assert problem in said(TEXT.replace(before, after))


def test_disks_can_be_counted_up_and_left_out() -> None:
    text = TEXT.replace("[{shared: quorum}]", '[{for each: {n: 1..3}, size: "{n} GiB", name: "data-{n}"}]')
    topology = made(text)
    assert [disk.name for disk in disks_of(topology, topology.machines["two"])] == ["data-1", "data-2", "data-3"]


def test_a_shared_disk_is_warned_of_where_snapshots_are_taken() -> None:
    assert doubts(TEXT) == []
    assert doubts(TEXT + "stages: [{name: web, snapshot: clean}]\n") == [
        (
            "t.yaml:6:3: warning: [disk-outside-snapshots] snapshots do not hold the disk `quorum`, which one, two "
            "share: clean can hold none of these machines"
        )
    ]
    unshared = TEXT.replace("{shared: quorum}", "{size: 1 GiB}")
    assert doubts(unshared + "stages: [{name: web, snapshot: clean}]\n") == []


def doubts(text: str) -> list[str]:
    found = doubts_in(parse_source(text, "t.yaml"), {}, "t")
    return [each.render("t.yaml") for each in found if each.code == "disk-outside-snapshots"]
