"""Bases that were added: recorded with their login, found, listed and forgotten."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.contract.worlds import DEAF_GUEST
from vboxlab.base.added import NewBase, Origin
from vboxlab.base.store import BaseStore
from vboxlab.base.unused import remove_layers
from vboxlab.cli.main import run
from vboxlab.errors import BaseError, MachineNotFound, UsageError
from vboxlab.hypervisor.memory import MemoryDriver, store_of
from vboxlab.hypervisor.memory_store import Image
from vboxlab.hypervisor.virtualbox.worker.media import Medium
from vboxlab.planning.observed import MachineSpec
from vboxlab.settings import Settings


class AdoptingDriver(MemoryDriver):
    """A memory driver with a teacher's VM, which can become an image."""

    def __init__(self) -> None:
        super().__init__()
        self.store.add_foreign("Debian 12", media=(Medium("SATA", 0, 0, "HardDisk", "/vm/disk.vdi"),))


@pytest.fixture
def store(tmp_path: Path) -> BaseStore:
    return BaseStore(Settings(home=tmp_path))


def teachers(name: str = "my-debian", **fields: str) -> NewBase:
    return NewBase(name, Origin("vm", "Debian 12"), "teacher", password="horse", **fields)  # type: ignore[arg-type]


def test_an_added_base_is_found_with_its_login_and_without_layers(store: BaseStore, tmp_path: Path) -> None:
    driver = AdoptingDriver()
    said = store.add(teachers(root_password="battery"), driver)
    assert said == (
        "my-debian is the VM Debian 12 as of vboxlab-base\n"
        "SATA port 0: /vm/disk.vdi: every machine writes to a differencing disk of its own"
    )
    base = store.get("my-debian")
    assert (base.image, base.prepared, base.stock, base.login.user) == ("my-debian", False, True, "teacher")
    assert base.login.key_file == tmp_path / "keys" / "id_ed25519"
    assert base.login.password_file is not None
    assert base.login.root_password_file is not None
    assert base.login.password_file.read_text() == "horse\n"
    assert base.login.root_password_file.read_text() == "battery\n"
    assert store.ensure_image(driver, base, ("apache2",), ("heartbeat",)) == "my-debian"
    assert store.package_delta(base, (), ("apache2",)) is None
    assert (store.list(), [each.name for each in store.added.all()]) == ((), ["my-debian"])


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_passwords_are_readable_by_their_user_only_and_shown_nowhere(store: BaseStore, tmp_path: Path) -> None:
    new = teachers(root_password="battery")
    assert "horse" not in repr(new)
    assert "battery" not in repr(new)
    store.add(new, AdoptingDriver())
    folder = tmp_path / "bases" / "my-debian"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.name != "added.json"}
    assert modes == {"password": 0o600, "root-password": 0o600}
    assert "horse" not in (folder / "added.json").read_text()


def test_a_name_that_is_taken_is_refused_and_nothing_is_done(store: BaseStore) -> None:
    driver = AdoptingDriver()
    store.add(teachers(), driver)
    for name, why in (("my-debian", "already: VM Debian 12"), ("debian12", "built here")):
        with pytest.raises(BaseError, match=why):
            store.add(teachers(name), driver)
    driver.store.images["left"] = Image(Path(__file__), None)
    with pytest.raises(BaseError, match="memory has an image left already"):
        store.add(teachers("left"), driver)
    for name in ("", "../etc", "-x", "Größe"):
        with pytest.raises(BaseError, match="cannot be a base's name"):
            store.add(teachers(name), driver)
    with pytest.raises(BaseError, match="cannot be a user's name"):
        store.add(NewBase("x", Origin("vm", "x"), "a b"), driver)
    assert [each.name for each in store.added.all()] == ["my-debian"]


def test_what_the_driver_refuses_is_not_recorded(store: BaseStore) -> None:
    driver = MemoryDriver()
    with pytest.raises(MachineNotFound, match="no VM Debian 12"):
        store.add(teachers(), driver)
    driver.store.add_foreign("Debian 12", media=(Medium("SATA", 0, 0, "HardDisk", "/vm/disk.vdi", "Writethrough"),))
    with pytest.raises(BaseError, match="the VM Debian 12 cannot be a base") as caught:
        store.add(teachers(), driver)
    assert "it is writethrough" in str(caught.value)
    assert store.added.all() == ()


def test_a_base_that_cannot_be_recorded_leaves_no_image(store: BaseStore) -> None:
    driver = AdoptingDriver()
    store.directory.mkdir()
    (store.directory / "my-debian").write_text("in the way")
    with pytest.raises(OSError):  # which one differs between systems
        store.add(teachers(), driver)
    assert driver.store.images == {}
    (store.directory / "my-debian").unlink()
    store.add(teachers(), driver)


def test_a_base_with_clones_stays_and_one_without_is_forgotten(store: BaseStore, tmp_path: Path) -> None:
    driver = AdoptingDriver()
    store.add(teachers(), driver)
    made = driver.create(MachineSpec("srv-web", "my-debian", 1, 512, (), {"lab": "ha"}))
    with pytest.raises(BaseError, match="in use"):
        store.remove("my-debian", driver)
    driver.delete(made.handle)
    assert store.remove("my-debian", driver) == ("my-debian",)
    assert (driver.images(), store.added.all()) == ([], ())
    assert not (tmp_path / "bases" / "my-debian").exists()
    with pytest.raises(BaseError, match="there is no base my-debian"):
        store.get("my-debian")


@pytest.mark.parametrize("left", [".adding", ".gone"])
def test_what_a_killed_add_or_removal_left_is_no_base_and_goes_with_its_passwords(
    store: BaseStore, tmp_path: Path, left: str
) -> None:
    driver = AdoptingDriver()
    store.add(teachers(), driver)
    (tmp_path / "bases" / "my-debian").rename(tmp_path / "bases" / left)
    assert store.added.all() == ()
    remove_layers(store, driver, [])
    assert sorted(path.name for path in (tmp_path / "bases").iterdir()) == ["bases.lock"]


def test_a_base_whose_vm_is_gone_says_so_and_can_be_removed(store: BaseStore) -> None:
    driver = AdoptingDriver()
    store.add(teachers(), driver)
    driver.remove_image("my-debian")
    with pytest.raises(BaseError, match="base my-debian is gone"):
        store.ensure_image(driver, store.get("my-debian"), ())
    assert store.remove("my-debian", driver) == ("my-debian",)


def add(*arguments: str) -> int:
    return run(["base", "add", "my", *arguments])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in (("HOME", tmp_path), ("DRIVER", "memory"), ("SETTINGS", tmp_path / "none.yaml")):
        monkeypatch.setenv(f"VBOXLAB_{name}", str(value))
    (tmp_path / "disk.img").write_bytes(DEAF_GUEST)
    return tmp_path


def test_a_disk_is_added_through_the_command(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "secret").write_text("horse\n")
    disk = home / "disk.img"
    assert add("--disk", str(disk), "--user", "debian", "--password-from", str(home / "secret")) == 0
    said = capsys.readouterr()
    assert f"my was imported from {disk}" in said.out
    assert "horse" not in said.out + said.err
    assert [image.name for image in MemoryDriver(store_of(home)).images()] == ["my"]
    assert run(["base", "list"]) == 0
    assert f"disk {disk} (memory)" in capsys.readouterr().out
    assert run(["base", "remove", "my"]) == 0
    assert MemoryDriver(store_of(home)).images() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--user", "u", "--key", "k"), "one of --vm, --ova and --disk"),
        (("--disk", "d", "--vm", "v", "--user", "u", "--key", "k"), "one of --vm, --ova and --disk"),
        (("--vm", "v", "--user", "u"), "--password-from or --key"),
        (("--vm", "v", "--user", "u", "--key", "/nowhere"), "cannot be read"),
        (("--vm", "v", "--user", "u", "--password-from", "env:NOT_SET_AT_ALL"), "the variable NOT_SET_AT_ALL is not"),
        (("--vm", "v", "--user", "u", "--password-from", "/nowhere"), "cannot be read"),
        (("--disk", "d", "--snapshot", "s", "--user", "u", "--key", "k"), "--snapshot goes with --vm only"),
    ],
)
@pytest.mark.usefixtures("home")
def test_a_command_that_cannot_be_says_why(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(*arguments) == UsageError.exit_code
    assert said in capsys.readouterr().err


def test_a_public_key_is_not_taken_for_a_private_one(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "id.pub").write_text("ssh-ed25519 AAAA me\n")
    assert add("--vm", "v", "--user", "u", "--key", str(home / "id.pub")) == UsageError.exit_code
    assert "without `.pub`" in capsys.readouterr().err
