"""Files of ours that a crash or a hand has damaged: what matters is named with what to do, and nothing is a bug."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.base_on_disk import put_base, put_layers
from tests.unit.lab_world import ROOT
from vboxlab.base.added import RECORD, AddedBases
from vboxlab.base.keys import ensure_key, key_file
from vboxlab.cli.main import run
from vboxlab.errors import EXIT_BUG, EXIT_DRIVER, EXIT_INVALID, BaseError, GuestError, SettingsInvalid
from vboxlab.files import read_json
from vboxlab.guest.hostkeys import forget, pin, pinned_key
from vboxlab.hypervisor.virtualbox.worker.marks import Label, parse_label, split_description
from vboxlab.hypervisor.virtualbox.worker.settings_file import leaves_nothing, read
from vboxlab.lab.access import _reader
from vboxlab.lab.desire import recorded_values
from vboxlab.lab.overview import last_verified
from vboxlab.planning.observed import MARK_VALUES, ObservedMachine, PowerState
from vboxlab.settings import load_settings
from vboxlab.topology.loader import load_topology

DAMAGES = {
    "empty": b"",
    "binary": bytes(range(256)),
    "not UTF-8": '{"name": "été"}'.encode("latin-1"),
    "another type": b"[1, null]",
    "wrong fields": b'{"name": 5, "packages": 7, "manifest": [], "key": 1, "found": {"binary": 5}}',
    "endless": b"[" * 100_000,
}
JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
# Where each is below the home, and whether what it says cannot be had from elsewhere, so that a verb must name it.
FILES = {
    "bases/*/base.json": True,
    "layers/*[!a]/layer.json": True,
    "qemu/images/*.json": True,
    "qemu/runtime": True,
    "qemu/machines/*/machine.json": True,
    "qemu/accelerator.json": False,
    "keys/id_ed25519.pub": False,
    "labs/ha/known_hosts": False,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VBOXLAB_HOME", str(made))
        patch.setenv("VBOXLAB_SETTINGS", str(made / "none.yaml"))
        patch.setenv("VBOXLAB_DRIVER", "qemu")
        patch.chdir(ROOT)
        members: dict[str, tuple[str, ...]] = {"apache-base": ("srv-web", "srv-web-bis")}
        put_layers(put_base(made), load_topology(ROOT / "topologies" / "failover.yaml"), members)
        for disk in made.rglob("disk.qcow2"):
            disk.unlink()
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "64M"], check=True)
            for name in ("vmlinuz", "initrd.img", "cmdline"):
                (disk.parent / name).touch()
        assert run(["up", "failover", "--until", "created"]) == 0
        pin(made / "labs" / "ha" / "known_hosts", "srv-web", "ssh-ed25519 AAAA")
        yield made


@pytest.mark.qemu
@pytest.mark.parametrize("place", FILES)
def test_no_damaged_file_of_a_home_ends_a_verb_as_a_bug(
    home: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = sorted(home.glob(place))[0]
    whole, machines = file.read_bytes(), len(list(home.glob("qemu/machines/*")))
    for damage, content in {**DAMAGES, "cut short": whole[: len(whole) // 2]}.items():
        file.write_bytes(content)
        told = ""
        for words in (["status"], ["plan", "failover"], ["base", "list"], ["up", "failover", "--until", "created"]):
            code = run(words)
            said = capsys.readouterr()
            assert code != EXIT_BUG, (damage, words, said.err)
            assert code in (0, 2, EXIT_DRIVER), (damage, words, said.err)
            told += said.out + said.err
        if FILES[place]:
            assert str(file) in told.replace("\n", ""), damage
        elif place.endswith("known_hosts"):
            assert file.read_bytes() == content
        assert file.read_bytes() in (content, whole) or not FILES[place], damage
    file.write_bytes(whole)
    assert len(list(home.glob("qemu/machines/*"))) == machines
    assert run(["status"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_settings_are_named(tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.yaml"
    path.write_bytes(DAMAGES[damage])
    if damage == "empty":
        assert load_settings(path, {}).driver == "auto"
        return
    with pytest.raises(SettingsInvalid) as caught:
        load_settings(path, {})
    assert str(path) in str(caught.value)
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(path))
    assert run(["doctor", "--offline"]) == EXIT_INVALID


@given(st.text(alphabet="abc:-[]{}&*!?|>'\"#%@`,0159.~\n \t\x00\\", max_size=60) | st.text(max_size=60))
def test_settings_are_read_or_refused(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "settings.yaml"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        refused = ""
        try:
            load_settings(path, {})
        except SettingsInvalid as error:
            refused = str(error)
        assert not refused or str(path) in refused


@pytest.mark.parametrize(
    "line", ["when: 2001-99-99", "1: 2", "time_scale: .inf", "home: !!binary x", "&a [*a]", "[" * 5000, 'home: "a\\0b"']
)
def test_settings_that_yaml_stumbles_over_are_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(line)
    with pytest.raises(SettingsInvalid, match="settings"):
        load_settings(path, {})


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_record_of_an_added_base_is_not_forgotten(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "bases" / "mine" / RECORD
    file.parent.mkdir(parents=True)
    file.write_bytes(DAMAGES[damage])
    for ask in (lambda: AddedBases(tmp_path).find("mine"), AddedBases(tmp_path).all):
        with pytest.raises(BaseError) as caught:
            ask()
        assert str(file) in caught.value.brief
        assert "base add" in str(caught.value.resolution)
    assert AddedBases(tmp_path).find("other") is None
    assert AddedBases(tmp_path).find("../mine") is None


def test_a_damaged_public_key_is_made_anew_from_the_private_one(tmp_path: Path) -> None:
    _private, line = ensure_key(tmp_path)
    public = key_file(tmp_path).with_suffix(".pub")
    for content in DAMAGES.values():
        public.write_bytes(content)
        assert ensure_key(tmp_path)[1] == line
    key_file(tmp_path).write_bytes(b"\xff")
    public.unlink()
    with pytest.raises(BaseError, match="key of the guests"):
        ensure_key(tmp_path)


def test_a_password_that_cannot_be_read_is_named_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_bytes(b"geheim\xff\n")
    read_it = _reader(file)
    assert read_it is not None
    with pytest.raises(GuestError) as caught:
        read_it()
    assert str(file) in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_pins_survive_bytes_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_bytes(b"\xff\xfe odd\nsrv-web ssh-ed25519 AAAA\n\x00\n")
    assert pinned_key(file, "srv-web") == "ssh-ed25519 AAAA"
    pin(file, "client", "ssh-ed25519 BBBB")
    forget(file, "srv-web")
    assert file.read_bytes() == b"\xff\xfe odd\n\x00\nclient ssh-ed25519 BBBB\n"


@given(JSONISH)
def test_marks_of_any_shape_are_marks_or_none(value: object) -> None:
    text = json.dumps(value)
    machine = ObservedMachine(
        handle="1", name="m", power=PowerState.OFF, cpus=1, memory=1, image="", adapters=(),
        marks={MARK_VALUES: text}, snapshots=(), current_snapshot=None,
    )  # fmt: skip
    assert all(isinstance(each, str) for pair in recorded_values([machine]).items() for each in pair)
    assert parse_label(text, "1") == Label()
    assert split_description(f"\n[vboxlab marks] {text}")[1] in (None, value)
    wrong = json.dumps({"id": "1", "image": "", "source": "", "marks": {"lab": value}})
    assert parse_label(wrong, "1") == (Label("1", marks={"lab": value}) if isinstance(value, str) else Label())


@given(st.binary(max_size=200))
def test_json_is_read_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "some.json"
        path.write_bytes(content)
        last_verified(Path(folder))
        with suppress(ValueError):
            read_json(path)


@given(st.binary(max_size=400) | JSONISH.map(lambda value: json.dumps(value).encode()))
def test_machine_settings_of_any_content_are_left_to_virtualbox(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.vbox"
        path.write_bytes(content)
        assert read(path) is None
        assert not leaves_nothing(path)


HEAD, TAIL = "<VirtualBox xmlns='http://www.virtualbox.org/'><Machine>", "</Machine></VirtualBox>"
SNAPSHOT = "<Snapshot uuid='a' name='a' timeStamp='2026-11-25T16:29:14Z'>"


@pytest.mark.parametrize(
    "xml",
    [
        "<?xml version='1.0' encoding='klingon'?><a/>",
        "<?xml version='1.0' encoding='utf-16'?><a/>",
        "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
        "<a>" * 5000 + "</a>" * 5000,
        f"{HEAD}<Hardware><Network><Adapter enabled='true'/></Network></Hardware>{TAIL}",
        f"{HEAD}{f'{SNAPSHOT}<Snapshots>' * 2000}{'</Snapshots></Snapshot>' * 2000}{TAIL}",
        f"{HEAD}<Snapshot uuid='a' name='a' timeStamp='yesterday'/>{TAIL}",
    ],
)
def test_xml_that_says_something_unknown_is_left_to_virtualbox(tmp_path: Path, xml: str) -> None:
    path = tmp_path / "m.vbox"
    path.write_text(xml)
    found = read(path)
    assert found is None or None in (found.adapters, found.snapshots)
