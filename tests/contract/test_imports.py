"""The contract of importing disks from elsewhere: read, copied and refused alike by every driver."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.contract.worlds import IMAGE, World
from tests.disk_samples import FORMATS, QEMU_MADE, REFUSED, content, make, needs_qemu_img
from vboxlab.errors import BaseError
from vboxlab.hypervisor.driver import Driver


@pytest.fixture
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the user's folder, apart from the host's."""
    return tmp_path_factory.mktemp("given, by others")


def files_below(folder: Path) -> dict[Path, bytes]:
    """Return the files of the user's folder with their contents."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@needs_qemu_img
def test_every_kind_of_disk_is_copied_whole(world: World, driver: Driver, given: Path) -> None:
    wanted = content()
    differing = {}
    for name in FORMATS:
        disk = make(given, name)
        before = files_below(given)
        driver.import_image(name, disk)
        assert files_below(given) == before
        for path in disk.parent.iterdir():
            path.unlink()  # the image does not need it
        found = world.content_of(name)
        if found is not None and found != wanted:
            differing[name] = len(found)
    assert differing == {}
    assert {image.name for image in driver.images()} == {IMAGE, *FORMATS}
    for name in FORMATS:
        driver.remove_image(name)
    assert [image.name for image in driver.images()] == [IMAGE]


@needs_qemu_img
def test_what_is_no_whole_disk_of_its_own_is_refused_and_leaves_nothing(
    world: World, driver: Driver, given: Path
) -> None:
    before = world.traces()
    wrong = {}
    for number, (name, (maker, words)) in enumerate(REFUSED.items()):
        folder = given / str(number) / "download"
        folder.mkdir(parents=True)
        disk = maker(folder)
        try:
            driver.import_image(f"image-{number}", disk)
        except BaseError as error:
            if not re.search(words, error.brief) or not error.resolution or str(disk.parent) not in error.brief:
                wrong[name] = str(error)
        else:
            wrong[name] = "imported"
    assert wrong == {}
    assert [image.name for image in driver.images()] == [IMAGE]
    assert world.traces() == before
    assert list(driver.collect_garbage()) == []


@needs_qemu_img
def test_a_disk_that_cannot_be_converted_leaves_nothing(world: World, driver: Driver, given: Path) -> None:
    disk = make(given, "vmdk-stream")
    data = bytearray(disk.read_bytes())
    at = data.index(b"\x78", 512 * 128)  # the first compressed grain
    data[at : at + 64] = bytes(64)
    disk.write_bytes(data)
    before = world.traces()
    if world.content_of(IMAGE) is None:
        pytest.skip("this driver converts nothing")
    with pytest.raises(BaseError, match=re.escape(str(disk))):
        driver.import_image("broken", disk)
    assert world.traces() == before
    assert list(driver.collect_garbage()) == []


@needs_qemu_img
def test_only_a_disk_of_ours_may_lie_over_another(driver: Driver, given: Path) -> None:
    maker, words = QEMU_MADE["backing file"]
    disk = maker(given)
    for parent in (None, IMAGE):
        with pytest.raises(BaseError, match=words):
            driver.import_image("overlay", disk, parent=parent)
