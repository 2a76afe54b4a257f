"""Checks of distributions: found as roles are, and named where they cannot be used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.unit.roles.test_broken_distributions import distribution, doctor
from tests.unit.roles.toy import vboxlab

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "vboxlab-quote"
CHECK = (EXAMPLE / "vboxlab_quote" / "check.py").read_text(encoding="utf-8")
TOPOLOGY = """\
lab: quote
base: debian12
networks: {lan: {subnet: 192.168.7.0/24}}
machines:
  client: {hostname: client, adapters: [{network: lan, address: 192.168.7.2/24}], roles: [{role: client}]}
verify:
  - {check: quote, from: client, at: 192.168.7.1}
"""


def install(folder: Path, check: str, entry: str = "quote = odd.check:QuoteCheck") -> Path:
    distribution(folder, f"[vboxlab.checks]\n{entry}\n")
    (folder / "odd").mkdir()
    (folder / "odd" / "__init__.py").touch()
    (folder / "odd" / "check.py").write_text(check, encoding="utf-8")
    file = folder / "quote.yaml"
    file.write_text(TOPOLOGY, encoding="utf-8")
    return file


def test_an_installed_check_is_used(tmp_path: Path) -> None:
    file = install(tmp_path, CHECK)
    done = vboxlab(tmp_path, "validate", str(file))
    assert (done.returncode, done.stdout) == (0, f"{file}: no problem found\n")
    assert "QuoteCheck" in json.loads(vboxlab(tmp_path, "schema").stdout)["$defs"]
    file.write_text(TOPOLOGY.replace("from: client", "from: clinet"))
    done = vboxlab(tmp_path, "validate", str(file))
    assert "did you mean `client`?" in done.stdout


@pytest.mark.parametrize(
    ("check", "why"),
    [
        ("raise SystemExit(1)", "SystemExit: 1"),
        (
            CHECK.replace("ClassVar[int] = 1", "ClassVar[int] = 2"),
            "it is made for version 2 of the interface of checks",
        ),
        (CHECK.replace('Literal["quote"]', 'Literal["other"]'), 'its class does not say `check: Literal["quote"]`'),
        (CHECK.replace("def judge", "def not_judge"), "its class lacks judge"),
        (CHECK.replace("def machines", "def not_machines"), "its class lacks machines"),
        ("class QuoteCheck: ...", "is no class that derives from vboxlab.topology.check_interface.OutsideCheck"),
    ],
)
def test_a_broken_check_is_told_at_its_step_and_by_the_doctor(check: str, why: str, tmp_path: Path) -> None:
    file = install(tmp_path, check)
    done = vboxlab(tmp_path, "validate", str(file))
    assert (done.returncode, done.stderr) == (3, "")
    assert done.stdout.startswith(f"{file}:7:13: [unusable-check] the check quote of odd 2.0 cannot be loaded: ")
    assert why in done.stdout
    (found,) = doctor(tmp_path)
    assert why in found
    shutil.copy(ROOT / "topologies" / "failover.yaml", tmp_path)
    assert "unusable" not in vboxlab(tmp_path, "validate", str(tmp_path / "failover.yaml")).stdout


def test_a_name_of_ours_stays_ours(tmp_path: Path) -> None:
    install(tmp_path, CHECK.replace('Literal["quote"]', 'Literal["ping"]'), "ping = odd.check:QuoteCheck")
    assert vboxlab(tmp_path, "validate", "failover").returncode == 0
    (found,) = doctor(tmp_path)
    assert found == "the check ping of odd 2.0 cannot be loaded: its name is also that of one of vboxlab"
