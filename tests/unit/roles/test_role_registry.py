"""Roles that cannot be used: said with the distribution that they are of, as any other wrong set-up."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import pytest

from tests.unit.roles.toy import GUEST, ROLE, TOPOLOGY, python, vboxlab, write_role
from vboxlab.errors import EXIT_INVALID, RoleUnusable
from vboxlab.topology import role_registry
from vboxlab.topology.code import Broken

with (Path(__file__).parents[3] / "pyproject.toml").open("rb") as file:
    OURS = set(tomllib.load(file)["project"]["entry-points"]["vboxlab.roles"])
FIRST = ["web", "heartbeat", "router", "dns", "client", "ssh_server", "time", "lvs"]
MODULES = (f"toy_unusable_{number}" for number in itertools.count())


def found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], tuple[Broken, ...]]:
    """Return the roles that can be used, and those that cannot."""
    monkeypatch.syspath_prepend(folder)
    role_registry._found.cache_clear()
    try:
        return list(role_registry.installed_roles()), role_registry.broken_roles()
    finally:
        role_registry._found.cache_clear()


def unusable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Broken:
    usable, (broken,) = found(folder, monkeypatch)
    assert set(usable) == OURS
    return broken


def test_ours_come_first_and_others_by_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_role(tmp_path, value=f"{next(MODULES)}.role:MotdRole")
    usable, broken = found(tmp_path, monkeypatch)
    assert usable[: len(FIRST)] == FIRST
    assert set(usable) == {*OURS, "motd"}
    assert broken == ()


def test_another_one_with_the_name_of_ours_leaves_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    role = ROLE.replace('"motd"', '"web"')
    write_role(tmp_path, name="web", value=f"{next(MODULES)}.role:MotdRole", role=role)
    broken = unusable(tmp_path, monkeypatch)
    assert broken.brief == "the role web of toy-motd 1.0 cannot be loaded"
    assert broken.why.told() == "its name is also that of one of vboxlab 0.1.0"


def test_two_others_of_one_name_are_both_unusable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in ("one", "two"):
        write_role(tmp_path, distribution=f"toy-{number}", value=f"{next(MODULES)}.role:MotdRole")
    usable, broken = found(tmp_path, monkeypatch)
    assert set(usable) == OURS
    assert sorted((each.origin, each.why.told()) for each in broken) == [
        ("toy-one 1.0", "its name is also that of one of toy-two 1.0"),
        ("toy-two 1.0", "its name is also that of one of toy-one 1.0"),
    ]


@pytest.mark.filterwarnings("ignore:Field name")
@pytest.mark.parametrize(
    ("role", "kind", "why"),
    [
        ("import nothing_like_that", "MotdRole", "ModuleNotFoundError: No module named 'nothing_like_that'"),
        ("1 / 0", "MotdRole", "ZeroDivisionError: division by zero"),
        (ROLE, "OtherRole", "has no attribute 'OtherRole'"),
        (ROLE, "Field", "Field is no class that derives from vboxlab.topology.roles.Role"),
        (ROLE.replace('"motd"', '"model"'), "MotdRole", 'its class does not say `role: Literal["motd"]`'),
        (ROLE.replace("text: str", "told_by: str"), "MotdRole", "its parameter told_by has the name of"),
        (ROLE + '    list_order: ClassVar = "last"', "MotdRole", "its list_order is 'last'; expected a whole number"),
    ],
)
def test_what_does_not_load(role: str, kind: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    value = f"{next(MODULES)}.role:{kind}"
    write_role(tmp_path, value=value, role=role)
    broken = unusable(tmp_path, monkeypatch)
    assert broken.brief == "the role motd of toy-motd 1.0 cannot be loaded"
    assert broken.written == f"motd = {value}"
    assert why in broken.why.told()


def test_without_any_role_vboxlab_is_to_be_installed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    role_registry._found.cache_clear()
    with pytest.raises(RoleUnusable, match="no role is installed, not even vboxlab's own"):
        role_registry.installed_roles()
    role_registry._found.cache_clear()


@pytest.mark.parametrize(
    ("guest", "lines"),
    [
        ("import nothing_like_that", ["the role motd of toy-motd 1.0 cannot be loaded", "ModuleNotFoundError"]),
        (None, ["the role motd of toy-motd 1.0 cannot be loaded", "there is no guest.py beside its role.py"]),
        ("", ["the role motd of toy-motd 1.0 cannot be loaded", "IN_GUEST of toy_motd.guest is None; expected"]),
    ],
    ids=["a guest's side that fails", "no guest's side", "without its name"],
)
def test_a_guest_s_side_that_cannot_be_used_is_told_where_the_role_is(
    guest: str | None, lines: list[str], tmp_path: Path
) -> None:
    write_role(tmp_path, guest=guest)
    (tmp_path / "greeting.yaml").write_text(TOPOLOGY, encoding="utf-8")
    for verb, stream in (("validate", "stdout"), ("explain", "stderr")):
        done = vboxlab(tmp_path, verb, str(tmp_path / "greeting.yaml"))
        assert done.returncode == EXIT_INVALID
        for line in lines:
            assert line in getattr(done, stream)


TOLD = """
from vboxlab.guest.role_registry import broken_guest_sides
from vboxlab.guest.telling import all_texts

print(all_texts().found["page-missing"])
for broken in broken_guest_sides():
    print(broken.brief, broken.why.told(), sep="\\n")
"""


@pytest.mark.parametrize(
    ("code", "owner"),
    [("page-missing", "web (vboxlab 0.1.0)"), ("file-missing", "vboxlab")],
    ids=["another role's", "ours"],
)
def test_a_code_of_a_finding_is_one_owner_s(code: str, owner: str, tmp_path: Path) -> None:
    write_role(tmp_path, guest=GUEST.replace("motd-rude", code))
    done = python(tmp_path, "-c", TOLD)
    assert done.stdout.splitlines() == [
        "the page is missing",
        "the role motd of toy-motd 1.0 cannot be loaded",
        f"its code {code} of a finding is also one of {owner}; expected one that begins with its name",
    ]


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ("import nothing_like_that", "ModuleNotFoundError: No module named 'nothing_like_that'"),
        ("def rules(subject): ...", "toy_motd.rules has no function problems"),
    ],
)
def test_rules_that_do_not_load_are_told_by_who_applies_them(rules: str, why: str, tmp_path: Path) -> None:
    write_role(tmp_path, rules=rules)
    (tmp_path / "greeting.yaml").write_text(TOPOLOGY, encoding="utf-8")
    done = vboxlab(tmp_path, "validate", str(tmp_path / "greeting.yaml"))
    assert done.returncode == EXIT_INVALID
    assert "the role motd of toy-motd 1.0 cannot be loaded" in done.stdout
    assert why in done.stdout


def test_a_role_may_have_no_rules(tmp_path: Path) -> None:
    write_role(tmp_path, rules=None)
    (tmp_path / "greeting.yaml").write_text(TOPOLOGY, encoding="utf-8")
    assert vboxlab(tmp_path, "validate", str(tmp_path / "greeting.yaml")).returncode == 0


def test_its_class_is_in_role_py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = next(MODULES)
    write_role(tmp_path, value=f"{package}.guest:MotdInGuest")
    broken = unusable(tmp_path, monkeypatch)
    assert broken.why.told() == f"{package}.guest is no module role of a package"


def test_an_unusable_role_is_told_by_every_verb_that_reads_a_topology_with_it(tmp_path: Path) -> None:
    write_role(tmp_path, role="import nothing_like_that")
    (tmp_path / "greeting.yaml").write_text(TOPOLOGY, encoding="utf-8")
    done = vboxlab(tmp_path, "validate", str(tmp_path / "greeting.yaml"))
    assert done.returncode == EXIT_INVALID
    assert "the role motd of toy-motd 1.0 cannot be loaded" in done.stdout
    assert "Traceback" not in done.stderr
    assert vboxlab(tmp_path, "--help").returncode == 0


DESTROY = """
from pathlib import Path
from vboxlab.cli.main import run
from vboxlab.hypervisor.memory import MemoryDriver, store_of
from vboxlab.hypervisor.memory_store import Image
from vboxlab.planning.observed import MachineSpec

driver = MemoryDriver(store_of(Path({home!r})))
marks = {{"lab": "ha", "machine": "srv-web", "topology": "failover"}}
driver.store.images["image"] = Image(None, None, 0)
driver.create(MachineSpec("srv-web", "image", 1, 64, (), marks))
print(run(["destroy", "failover", "--yes"]), list(driver.machines()))
"""


def test_a_lab_can_be_destroyed_whatever_is_installed(tmp_path: Path) -> None:
    write_role(tmp_path, role="import nothing_like_that")
    done = python(tmp_path, "-c", DESTROY.format(home=str(tmp_path / "home")))
    assert done.stdout.splitlines() == ["lab ha is gone: 1 machines removed", "0 []"], done.stderr


@pytest.mark.parametrize("content", [b"", b"no catalogue"], ids=["empty", "something else"])
def test_a_broken_catalogue_is_told_to_who_speaks_its_language(content: bytes, tmp_path: Path) -> None:
    write_role(tmp_path)
    (tmp_path / "toy_motd" / "locale" / "fr" / "LC_MESSAGES" / "vboxlab.mo").write_bytes(content)
    (tmp_path / "greeting.yaml").write_text(TOPOLOGY, encoding="utf-8")
    assert vboxlab(tmp_path, "validate", str(tmp_path / "greeting.yaml")).returncode == 0
    done = vboxlab(tmp_path, "validate", str(tmp_path / "greeting.yaml"), "--lang", "fr")
    assert done.returncode == EXIT_INVALID
    assert "le rôle motd de toy-motd 1.0 ne peut pas être chargé" in done.stdout
    assert "ne peuvent pas être lues" in done.stdout
