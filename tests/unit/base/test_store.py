from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from filelock import FileLock

from vboxlab.base.keys import ensure_key
from vboxlab.base.model import Wanted
from vboxlab.base.recipe import DEBIAN12, Recipe
from vboxlab.base.store import BaseStore
from vboxlab.base.stored import image_name
from vboxlab.base.unused import remove_layers
from vboxlab.errors import BaseError
from vboxlab.hypervisor.driver import Progress
from vboxlab.hypervisor.memory import MemoryDriver
from vboxlab.planning.observed import MachineSpec
from vboxlab.settings import Settings


@pytest.fixture
def store(tmp_path: Path) -> BaseStore:
    return BaseStore(Settings(home=tmp_path))


def put_base(home: Path, digest: str | None = None) -> str:
    """Put a finished base on disk as a build leaves it, the recipe's own digest by default."""
    _private, public_key = ensure_key(home)
    digest = digest or DEBIAN12.digest(public_key)
    directory = home / "bases" / image_name("debian12", digest)
    directory.mkdir(parents=True)
    (directory / "disk.qcow2").write_bytes(b"disk" * 4096)
    (directory / "base.json").write_text(json.dumps({"name": "debian12", "digest": digest, "built": 1000.0}))
    return directory.name


def put_layer(home: Path, image: str, packages: tuple[str, ...]) -> str:
    directory = home / "layers" / f"{image}-12345678"
    directory.mkdir(parents=True)
    (directory / "disk.qcow2").write_bytes(b"layer")
    (directory / "layer.json").write_text(json.dumps({"packages": packages}))
    return directory.name


def test_a_base_that_is_not_built_names_the_command(store: BaseStore) -> None:
    with pytest.raises(BaseError) as caught:
        store.get("debian12")
    assert caught.value == BaseError("base debian12 is not built yet", resolution="vboxlab base build debian12")


def test_an_unknown_base_lists_those_that_exist(store: BaseStore, tmp_path: Path) -> None:
    put_base(tmp_path)
    with pytest.raises(BaseError) as caught:
        store.get("debian11")
    assert caught.value.brief == "there is no base debian11"
    assert caught.value.details == ("bases that can be built: debian12", "bases that are built: debian12")


def test_a_built_base_is_found_with_its_login(store: BaseStore, tmp_path: Path) -> None:
    image = put_base(tmp_path)
    base = store.get("debian12")
    assert (base.image, base.prepared, base.login.user) == (image, True, "debian")
    assert base.login.key_file == tmp_path / "keys" / "id_ed25519"


def test_a_base_of_another_recipe_is_out_of_date(store: BaseStore, tmp_path: Path) -> None:
    put_base(tmp_path, "0" * 64)
    assert [base.current for base in store.list()] == [False]
    base = store.get("debian12")
    assert not base.current
    with pytest.raises(BaseError, match="base debian12 is out of date"):
        base.need_current()


def test_a_base_that_is_out_of_date_serves_the_machines_it_has_and_no_new_ones(
    store: BaseStore, tmp_path: Path
) -> None:
    image = put_base(tmp_path, "0" * 64)
    driver = MemoryDriver()
    with pytest.raises(BaseError, match="base debian12 is out of date"):
        store.ensure_image(driver, store.get("debian12"), ())
    driver.import_image(image, tmp_path / "bases" / image / "disk.qcow2", ours=True)
    assert store.ensure_image(driver, store.get("debian12"), ()) == image
    new = put_base(tmp_path)
    assert (store.get("debian12").image, store.get("debian12").current) == (new, True)


def test_an_interrupted_build_does_not_look_finished(store: BaseStore, tmp_path: Path) -> None:
    for left in (".new", "debian12-cafe"):
        (tmp_path / "bases" / left).mkdir(parents=True)
        (tmp_path / "bases" / left / "disk.qcow2").write_bytes(b"half")
    assert store.list() == ()


@pytest.mark.parametrize("left", [".new", ".gone"])
def test_what_a_killed_build_or_removal_left_is_no_base_and_goes(store: BaseStore, tmp_path: Path, left: str) -> None:
    image = put_base(tmp_path)
    (tmp_path / "bases" / image).rename(tmp_path / "bases" / left)
    (tmp_path / "layers" / left).mkdir(parents=True)
    assert store.list() == ()
    remove_layers(store, MemoryDriver(), [])
    assert sorted(path.name for path in (tmp_path / "bases").iterdir()) == ["bases.lock"]
    assert list((tmp_path / "layers").iterdir()) == []


def test_a_base_whose_packages_are_gone_says_so(store: BaseStore, tmp_path: Path) -> None:
    image = put_base(tmp_path)
    with pytest.raises(BaseError) as caught:
        store.ensure_image(MemoryDriver(), store.get("debian12"), ("apache2",))
    assert caught.value.brief == f"the base debian12 is not whole: {tmp_path / 'bases' / image} has no root.tar"


def test_building_what_is_there_does_nothing(store: BaseStore, tmp_path: Path) -> None:
    image = put_base(tmp_path)
    before = (tmp_path / "bases" / image / "disk.qcow2").stat().st_mtime_ns
    assert store.build().image == image
    assert (tmp_path / "bases" / image / "disk.qcow2").stat().st_mtime_ns == before


def test_the_base_itself_serves_where_no_packages_are_wanted(store: BaseStore, tmp_path: Path) -> None:
    image = put_base(tmp_path)
    driver = MemoryDriver()
    assert store.ensure_image(driver, store.get("debian12"), ()) == image
    assert [info.name for info in driver.images()] == [image]


def test_a_base_with_clones_is_not_removed(store: BaseStore, tmp_path: Path) -> None:
    image = put_base(tmp_path)
    layer = put_layer(tmp_path, image, ("apache2",))
    driver = MemoryDriver()
    driver.import_image(layer, tmp_path / "layers" / layer / "disk.qcow2", ours=True)
    made = driver.create(MachineSpec("srv-web", layer, 1, 512, (), {"lab": "ha"}))
    with pytest.raises(BaseError) as caught:
        store.remove("debian12", driver)
    assert caught.value.details == (f"{layer}: srv-web",)
    assert [base.layers for base in store.list()] == [(layer,)]
    driver.delete(made.handle)
    assert store.remove("debian12", driver) == (layer, image)
    assert (store.list(), driver.images()) == ((), [])
    assert not any((tmp_path / "layers").iterdir())


class Elsewhere(BaseStore):
    """A store that needs no Debian: what it builds is a file. `broken` builds fail."""

    broken = False

    def _build(
        self, recipe: Recipe, digest: str, layers: Sequence[Wanted], make_room: Callable[[], None], progress: Progress
    ) -> None:
        if self.broken:
            raise BaseError("no mirror answers")
        make_room()
        final = self.directory / image_name(recipe.name, digest)
        final.mkdir()
        (final / "disk.qcow2").write_bytes(b"new")
        (final / "base.json").write_text(json.dumps({"name": recipe.name, "digest": digest, "built": 2000.0}))


def test_a_base_is_built_again_only_when_no_machine_of_any_driver_hangs_on_it_and_goes_only_then(
    tmp_path: Path,
) -> None:
    store = Elsewhere(Settings(home=tmp_path))
    image = put_base(tmp_path)
    layer = put_layer(tmp_path, image, ("apache2",))
    idle, driver = MemoryDriver(), MemoryDriver()
    driver.import_image(layer, tmp_path / "layers" / layer / "disk.qcow2", ours=True)
    made = driver.create(MachineSpec("srv-web", layer, 1, 512, (), {"lab": "ha"}))
    disk = tmp_path / "bases" / image / "disk.qcow2"
    old = disk.read_bytes()
    with pytest.raises(BaseError, match="machines are linked clones of it") as caught:
        store.build(again=True, drivers=(idle, driver))
    assert caught.value.details == (f"{layer}: srv-web",)
    with pytest.raises(BaseError, match="machines are linked clones of it"):
        store.remove("debian12", idle, (driver,))
    driver.delete(made.handle)
    store.broken = True
    with pytest.raises(BaseError, match="no mirror answers"):
        store.build(again=True, drivers=(idle, driver))
    assert (disk.read_bytes(), [base.layers for base in store.list()]) == (old, [(layer,)])
    store.broken = False
    store.build(again=True, drivers=(idle, driver))
    assert (disk.read_bytes(), [base.layers for base in store.list()], driver.images()) == (b"new", [()], [])


def test_removing_what_is_not_there_lists_the_bases(store: BaseStore, tmp_path: Path) -> None:
    image = put_base(tmp_path)
    with pytest.raises(BaseError) as caught:
        store.remove("nonsense", MemoryDriver())
    assert caught.value.details == (f"bases: {image}",)


def test_layers_do_not_depend_on_the_order_of_packages(store: BaseStore, tmp_path: Path) -> None:
    put_base(tmp_path)
    base = store.get("debian12")
    names = {store.layers.image_name(base, packages) for packages in (("a", "b"), ("b", "a"), ("b", "a", "b"))}
    assert len(names) == 1
    assert store.layers.image_name(base, ("a",)) not in names


def test_a_second_builder_waits_and_says_so(store: BaseStore, tmp_path: Path) -> None:
    put_base(tmp_path)
    said: list[str] = []
    lock = FileLock(tmp_path / "bases" / "bases.lock", thread_local=False)
    lock.acquire()
    waiting = threading.Thread(target=lambda: store.build(progress=lambda text, _percent: said.append(text)))
    waiting.start()
    deadline = time.monotonic() + 10
    while not said and time.monotonic() < deadline:
        time.sleep(0.01)
    assert waiting.is_alive()
    lock.release()
    waiting.join(10)
    assert said == ["waiting for another vboxlab process that builds"]


def test_packages_that_the_base_comes_with_make_no_layer(store: BaseStore, tmp_path: Path) -> None:
    image = put_base(tmp_path)
    record = tmp_path / "bases" / image / "base.json"
    record.write_text(json.dumps({**json.loads(record.read_text()), "packages": DEBIAN12.packages}))
    base = store.get("debian12")
    assert base.lacking(("apache2", "curl", "tzdata")) == ("apache2",)
    assert store.ensure_image(MemoryDriver(), base, ("curl", "tzdata"), ("nftables",)) == image
    assert store.package_delta(base, ("curl",), ("curl", "tzdata")) is None


def test_a_base_can_be_built_while_it_is_missing_or_out_of_date(store: BaseStore, tmp_path: Path) -> None:
    assert store.can_build("debian12")
    put_base(tmp_path, "0" * 64)
    assert store.can_build("debian12")
    put_base(tmp_path)
    assert not store.can_build("debian12")
    assert not store.can_build("debian11")
