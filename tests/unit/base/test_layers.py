"""Package layers, made by real workers in a tree that has a shell and, for apt-get, a script that keeps a diary."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.base.test_jobs import needs_namespaces
from vboxlab.base import offered
from vboxlab.base.disk import PARTITION_START
from vboxlab.base.jobs import trees_at_once
from vboxlab.base.layers import Layers
from vboxlab.base.model import NEW, Base, Login
from vboxlab.base.native import listed
from vboxlab.base.recipe import Recipe
from vboxlab.errors import BaseError
from vboxlab.hypervisor.driver import no_progress
from vboxlab.settings import Settings

pytestmark = [
    needs_namespaces,
    pytest.mark.skipif(
        any(
            shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin") is None for name in ("mke2fs", "qemu-img", "zstd")
        ),
        reason="mke2fs, qemu-img and zstd needed",
    ),
]

IMAGE = "tiny-000000000000"
BASE = Base("tiny", Login("root"), IMAGE, prepared=True, digest="0", packages=frozenset({"sudo"}))
RECIPE = Recipe("tiny", "suite", "root", ("sudo",), (), (), "", 32, "tiny", (), (), "")
SOURCES = b"deb http://mirror.example suite main\n"
CACHE = "/var/cache/apt/archives"
# An installation ends once another one has begun, where there is one to come (`company`).
APT = f"""#!/bin/sh
for word; do case $word in
    update) what=update ;;
    install) what=install ;;
    --download-only) what=fetch ;;
    --print-uris) what=print ;;
    -*|*=*) ;;
    *) package=$word ;;
esac; done
echo "$what $package" >> {CACHE}/diary
[ "$package" != broken ] || {{ echo "E: no such package"; exit 1; }}
if [ "$what" = fetch ]; then
    while read -r line; do printf '%s\\n' "$line"; done </var/lib/dpkg/status >{CACHE}/needed_1_all.deb
    : >{CACHE}/known_1_all.deb; : >"{CACHE}/${{package}}_1_all.deb"; : >{CACHE}/older_1_all.deb
fi
if [ "$what" = print ]; then
    for name in needed known "$package"; do echo "'http://mirror.example/$name' ${{name}}_1_all.deb 1 MD5Sum:0"; done
fi
if [ "$what" = install ]; then
    : > /etc/$package; : > {CACHE}/begun-$package
    while [ -e {CACHE}/company ] && [ "$(echo {CACHE}/begun-*)" = "{CACHE}/begun-$package" ]; do :; done
fi
"""


@pytest.fixture
def layers(tmp_path: Path) -> Layers:
    return Layers(Settings(home=tmp_path))


@pytest.fixture
def base_directory(tmp_path: Path) -> Path:
    return put_tree(tmp_path / "bases" / IMAGE)


def put_tree(directory: Path) -> Path:
    """Put the files of a base into a directory: its tree has a shell with the libraries that this host's needs."""
    directory.mkdir(parents=True)
    for name in ("vmlinuz", "initrd.img", "cmdline"):
        (directory / name).write_text(name)
    tree = directory.parent / f"{directory.name}-tree"
    for name in ("dev", "proc", "run", "tmp", "etc/apt", "usr/bin", "usr/sbin", "var/lib/apt/lists", "var/log",
                 "var/lib/dpkg", CACHE.strip("/")):  # fmt: skip
        (tree / name).mkdir(parents=True)
    (tree / "etc/resolv.conf").touch()
    (tree / "var/lib/dpkg/status").touch()
    (tree / "etc/apt/sources.list").write_bytes(SOURCES)
    (tree / "usr/bin/apt-get").write_text(APT)
    (tree / "usr/bin/apt-get").chmod(0o755)
    (tree / "usr/bin/dpkg-deb").write_text('#!/bin/sh\nname=${2##*/}; echo "Package: ${name%%_*}"\n')
    (tree / "usr/bin/dpkg-deb").chmod(0o755)
    shell = Path("/bin/sh").resolve()
    needed = subprocess.run(["ldd", shell], capture_output=True, text=True, check=True).stdout.split()
    for library in {word for word in needed if word.startswith("/")}:
        place = tree / library.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, place)
    (tree / "bin").mkdir()
    shutil.copy(shell, tree / "bin/sh")
    for name in ("root.tar", "boot.tar"):
        with tarfile.open(directory / name, "w") as archive:
            for path in sorted(tree.iterdir()) if name == "root.tar" else ():
                archive.add(path, path.name)
    shutil.rmtree(tree)
    return directory


def ensure(layers: Layers, directory: Path, *packages: str, later: tuple[str, ...] = ()) -> None:
    layers.ensure(RECIPE, BASE, directory, packages, later, no_progress)


def diary(layers: Layers) -> list[str]:
    return (layers.cache / "archives" / "diary").read_text().splitlines()


def at_once(*works: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.skipif(trees_at_once() < 2, reason="one processor, or little memory")
def test_layers_are_made_side_by_side_and_the_lists_fetched_once(layers: Layers, base_directory: Path) -> None:
    (layers.cache / "archives").mkdir(parents=True)
    (layers.cache / "archives" / "company").touch()
    at_once(lambda: ensure(layers, base_directory, "apache2"), lambda: ensure(layers, base_directory, "dnsmasq"))
    assert [layers.packages_of(name) for name in layers.of(IMAGE)] in (
        [("apache2",), ("dnsmasq",)], [("dnsmasq",), ("apache2",)]
    )  # fmt: skip
    assert sorted(diary(layers)) == [
        "fetch apache2", "fetch dnsmasq", "install apache2", "install dnsmasq", "update "
    ]  # fmt: skip
    assert not (layers.directory / NEW).exists()


def test_one_layer_is_made_once_for_all_who_wait_for_it(layers: Layers, base_directory: Path) -> None:
    at_once(*[lambda: ensure(layers, base_directory, "apache2") for _ in range(3)])
    assert diary(layers) == ["update ", "fetch apache2", "install apache2"]


def test_what_later_stages_want_is_installed_over_the_layer_in_the_same_tree(
    layers: Layers, base_directory: Path
) -> None:
    ensure(layers, base_directory, "apache2", later=("apache2", "heartbeat"))
    assert diary(layers)[1:] == ["fetch apache2", "install apache2", "fetch heartbeat", "install heartbeat"]
    assert layers.complete(BASE, base_directory, ("apache2",), ("heartbeat",))


def test_lists_of_an_earlier_run_are_fetched_again(tmp_path: Path, base_directory: Path) -> None:
    for packages in ("apache2", "dnsmasq"):
        ensure(Layers(Settings(home=tmp_path)), base_directory, packages)
    assert diary(Layers(Settings(home=tmp_path))).count("update ") == 2


def test_layers_are_made_beside_a_base_from_lists_that_its_build_has_fetched(
    tmp_path: Path, layers: Layers, base_directory: Path
) -> None:
    final = tmp_path / "bases" / "not-yet"
    (layers.cache / "archives").mkdir(parents=True)
    listed(layers.cache, SOURCES).touch()
    works, publish = layers.beside(RECIPE, BASE, final, [(("apache2",), ()), (("dnsmasq",), ()), ((), ())], no_progress)
    for number, each in enumerate(works):
        place = tmp_path / str(number)
        place.mkdir()
        each(base_directory / "root.tar", base_directory, place)
    assert layers.of(IMAGE) == ()  # without its base a layer is nothing
    publish()
    assert sorted(layers.packages_of(name) for name in layers.of(IMAGE)) == [("apache2",), ("dnsmasq",)]
    assert "update " not in diary(layers)


def test_a_layer_that_fails_beside_a_base_is_told_of_and_left_out(
    tmp_path: Path, layers: Layers, base_directory: Path
) -> None:
    said: list[str] = []
    works, publish = layers.beside(
        RECIPE, BASE, tmp_path / "not-yet", [(("broken",), ()), (("apache2",), ())],
        lambda text, _percent: said.append(text),
    )  # fmt: skip
    for number, each in enumerate(works):
        place = tmp_path / str(number)
        place.mkdir()
        each(base_directory / "root.tar", base_directory, place)
    publish()
    assert "apt-get install --no-install-recommends --download-only broken failed" in said
    assert [layers.packages_of(name) for name in layers.of(IMAGE)] == [("apache2",)]
    assert not (layers.directory / NEW).exists()
    with pytest.raises(BaseError, match="broken failed") as caught:
        ensure(layers, base_directory, "broken")
    assert caught.value.details == ("E: no such package",)


def test_archives_are_fetched_for_a_guests_own_package_database(layers: Layers, base_directory: Path) -> None:
    found = layers.archives(
        RECIPE, base_directory, b"Package: known\nStatus: install ok installed\n", ("sl",), no_progress
    )
    assert (found.packages, found.along) == (("sl",), ("needed",))
    with tarfile.open(fileobj=io.BytesIO(found.content)) as tar:
        assert sorted(tar.getnames()) == ["known_1_all.deb", "needed_1_all.deb", "sl_1_all.deb"]
        needed = tar.extractfile("needed_1_all.deb")
        assert needed is not None
        assert needed.read() == b"Package: known\nStatus: install ok installed\n"
    assert [line.split()[0] for line in diary(layers)] == ["update", "fetch", "print"]
    assert not (layers.directory / "new").exists()


def test_archives_that_are_not_to_be_had_say_what_apt_says(layers: Layers, base_directory: Path) -> None:
    with pytest.raises(BaseError) as caught:
        layers.archives(RECIPE, base_directory, b"", ("broken",), no_progress)
    assert caught.value.details == ("E: no such package",)


def test_an_image_that_is_no_layer_has_no_packages(layers: Layers, base_directory: Path) -> None:
    ensure(layers, base_directory, "apache2")
    (name,) = layers.of(IMAGE)
    assert (layers.has(name), layers.has(IMAGE), layers.has("")) == (True, False, False)


def offer(layers: Layers, directory: Path, packages: tuple[str, ...], names: tuple[str, ...]) -> Path:
    layers.ensure(RECIPE, BASE, directory, packages, (), no_progress, names)
    return layers.disk(BASE, directory, packages, names)


def in_disk(disk: Path, path: str) -> str:
    raw = disk.with_suffix(".raw")
    subprocess.run(["qemu-img", "convert", "-O", "raw", disk, raw], check=True)
    how = ["debugfs", "-R", f"cat /{path}", f"{raw}?offset={PARTITION_START}"]
    return subprocess.run(how, capture_output=True, text=True, check=True).stdout


def test_offered_packages_are_fetched_and_put_into_the_disk_and_not_installed(
    layers: Layers, base_directory: Path
) -> None:
    disk = offer(layers, base_directory, (), ("sl",))
    assert [each for each in diary(layers) if each.startswith("install")] == []
    assert "fetch sl" in diary(layers)
    (name,) = layers.of(IMAGE)
    assert (disk.parent.name, layers.packages_of(name), layers.offered_in(name)) == (name, (), ("sl",))
    index = in_disk(disk, f"{offered.FOLDER}/Packages")
    assert [line for line in index.splitlines() if line.startswith("Filename")] == [
        "Filename: ./known_1_all.deb", "Filename: ./needed_1_all.deb", "Filename: ./sl_1_all.deb"
    ]  # fmt: skip
    assert in_disk(disk, offered.SOURCES) == offered.SOURCES_TEXT
    assert in_disk(disk, "etc/apt/sources.list") == SOURCES.decode()


def test_a_layer_that_offers_is_another_one_than_that_which_has_them_installed(
    layers: Layers, base_directory: Path
) -> None:
    names = {
        layers.image_name(BASE, packages, at_hand)
        for packages, at_hand in (((), ("a",)), (("a",), ()), (("a",), ("b",)), (("a", "b"), ()), (("b",), ("a",)))
    }
    assert len(names) == 5
    assert layers.disk(BASE, base_directory, (), ()).parent == base_directory
