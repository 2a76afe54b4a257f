"""Which groups adapters are in, and what a guest's tc is asked for, which the real one understands."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.unit.verification.test_runner import topology
from vboxlab.planning.observed import Impairment
from vboxlab.verification.lines import dropping_script, groups_of, netem_script

ALL_BAD = Impairment(loss=0.125, delay=0.25, rate=125_000)


def test_machines_that_no_group_names_are_a_group_of_their_own() -> None:
    def groups(*named: list[str]) -> dict[str, set[int]]:
        return {machine: set(own) for (machine, _slot), own in groups_of(topology(), "sw-dmz", named).items()}

    assert groups(["srv-web"]) == {"srv-web": {1}, "srv-web-bis": {0}}
    assert groups(["client"]) == {"srv-web": {0}, "srv-web-bis": {0}}
    assert groups(["srv-web"], ["srv-web", "srv-web-bis"]) == {"srv-web": {1, 2}, "srv-web-bis": {2}}
    assert groups() == {"srv-web": set(), "srv-web-bis": set()}
    assert groups_of(topology(), "cluster", [["srv-web"]]) == {}


def test_a_line_is_told_in_the_units_of_tc() -> None:
    assert netem_script(2, ALL_BAD) == "tc qdisc replace dev enp0s8 root netem loss 12.5% delay 250ms rate 1000000bit"


@pytest.mark.skipif(shutil.which("tc") is None, reason="tc not installed")
@pytest.mark.parametrize(
    ("script", "allowed"),
    [
        (netem_script(1, ALL_BAD), "Error: Specified qdisc kind is unknown."),
        (netem_script(1, Impairment()), ""),
        (dropping_script(1, ["080027000001", "0800270000AB"]), "Error: TC classifier not found."),
        (dropping_script(1, []), ""),
    ],
)
def test_tc_understands_it(script: str, allowed: str) -> None:
    """On an interface of a namespace of its own; kernels without what is asked for say so, having understood it."""
    asked = f"ip link add enp0s3 type veth peer name other || exit 77\n{script}"
    done = subprocess.run(["unshare", "-rn", "sh", "-c", asked], capture_output=True, text=True, check=False)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no network namespaces for this user")
    said = [line for line in done.stderr.splitlines() if not line.startswith("We have an error talking")]
    assert (done.returncode == 0 and not said) or said == [allowed], done
