"""What is said about KVM beside VirtualBox goes by the version of both."""

from __future__ import annotations

from pathlib import Path

import pytest

from vboxlab.hypervisor.virtualbox import kvm
from vboxlab.hypervisor.virtualbox.failures import to_error
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure
from vboxlab.hypervisor.virtualbox.worker.told import verbatim


@pytest.mark.parametrize(
    ("version", "linux", "wanted", "unwanted"),
    [
        ("7.2.8", "6.17.0-35-generic", "boot with kvm.enable_virt_at_load=0", "take kvm"),
        ("7.2.10", "6.17.0-35-generic", "take kvm.enable_virt_at_load=0 out", "boot with"),
        ("7.2.22_Debianr175245", "7.1.0", "take kvm.enable_virt_at_load=0 out", "boot with"),
        ("7.2.22", "6.12.48+deb13-amd64", "boot with kvm.enable_virt_at_load=0", "take kvm"),
        ("8.0.0", "6.18", "take kvm.enable_virt_at_load=0 out", "boot with"),
        ("", "6.18", "modprobe -r", "enable_virt_at_load"),
    ],
)
def test_what_to_do_about_kvm_goes_by_virtualboxs_version(version: str, linux: str, wanted: str, unwanted: str) -> None:
    said = kvm.advice(version, linux)
    assert wanted in said
    assert unwanted not in said


def test_who_starts_a_machine_beside_kvm_is_told_by_version() -> None:
    refusals = ("VERR_SVM_IN_USE", "VERR_VMX_IN_VMX_ROOT_MODE", "VERR_SVM_HOST_SVME_NOT_ENABLED")
    for status in refusals:
        for version in ("7.0.20", "7.2.22", ""):
            made = to_error(
                Failure("start", verbatim(f"refused ({status})"), result_code=0x80004005), "srv-web", version
            )
            assert kvm.advice(version) in str(made.resolution)


@pytest.mark.parametrize(
    ("version", "linux", "parameter", "trouble"),
    [
        ("7.2.8", "6.17.0", "Y\n", "holds the processor"),
        ("7.2.8", "6.17.0", "N\n", ""),
        ("7.2.22", "6.17.0", "Y\n", ""),
        ("7.2.22", "6.17.0", "N\n", "was told not to"),
        ("7.2.22", "6.12.48", "Y\n", "holds the processor"),
        ("7.2.22", "6.12.48", "N\n", ""),
        ("7.2.22", "6.17.0", None, ""),
        ("", "6.17.0", "Y\n", ""),
    ],
)
def test_kvm_is_in_the_way_or_not(
    tmp_path: Path, version: str, linux: str, parameter: str | None, trouble: str
) -> None:
    file = tmp_path / "enable_virt_at_load"
    if parameter is not None:
        file.write_text(parameter, encoding="ascii")
    said = kvm.trouble(version, linux, file)
    assert trouble in said
    assert bool(said) == bool(trouble)
