"""Which driver is taken, and why."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from vboxlab.errors import DriverUnavailable, UsageError
from vboxlab.hypervisor.memory import MemoryDriver
from vboxlab.hypervisor.registry import open_driver
from vboxlab.settings import Settings

READINESS = "vboxlab.hypervisor.virtualbox.readiness"
DRIVER = "vboxlab.hypervisor.virtualbox.driver"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def virtualbox_is(monkeypatch: pytest.MonkeyPatch, problem: str) -> None:
    """Put a VirtualBox on the host that has this problem, "" for none."""
    readiness, driver = ModuleType(READINESS), ModuleType(DRIVER)
    readiness.usable = readiness.installed = lambda: problem  # type: ignore[attr-defined]
    driver.VirtualBoxDriver = lambda _home, **_options: MemoryDriver()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, READINESS, readiness)
    monkeypatch.setitem(sys.modules, DRIVER, driver)


def qemu_is_missing(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setenv("PATH", str(settings.home))


def qemu_is_there(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    for name in ("qemu-system-x86_64", "qemu-img"):
        program = settings.home / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(settings.home))


def test_auto_takes_virtualbox_where_it_is_usable(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    virtualbox_is(monkeypatch, "")
    opened = open_driver(settings)
    assert opened.driver.name == "memory"  # what stands for VirtualBox here
    assert opened.note == "VirtualBox is usable here"


def test_auto_takes_qemu_else_and_says_why(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    virtualbox_is(monkeypatch, "its kernel driver is not loaded")
    qemu_is_there(monkeypatch, settings)
    opened = open_driver(settings)
    assert opened.driver.name == "qemu"
    assert opened.note == "QEMU, because VirtualBox cannot be used: its kernel driver is not loaded"
    opened.driver.close()


def test_auto_where_nothing_is_usable(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    virtualbox_is(monkeypatch, "VirtualBox is not installed")
    qemu_is_missing(monkeypatch, settings)
    with pytest.raises(DriverUnavailable) as caught:
        open_driver(settings)
    assert caught.value.details[0] == "VirtualBox: VirtualBox is not installed"
    assert "apt install qemu-system-x86" in caught.value.details[1]


def test_a_driver_asked_for_by_name_is_taken_or_refused(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    virtualbox_is(monkeypatch, "its kernel driver is not loaded")
    qemu_is_missing(monkeypatch, settings)
    with pytest.raises(DriverUnavailable, match="VirtualBox") as caught:
        open_driver(settings, "virtualbox")
    assert caught.value.details == ("its kernel driver is not loaded",)
    with pytest.raises(DriverUnavailable, match="QEMU"):
        open_driver(settings, "qemu")
    qemu_is_there(monkeypatch, settings)
    opened = open_driver(settings, "qemu")
    assert (opened.driver.name, opened.note) == ("qemu", "")
    opened.driver.close()


def test_the_preference_goes_before_the_settings(settings: Settings) -> None:
    chosen = settings.model_copy(update={"driver": "virtualbox"})
    assert open_driver(chosen, "memory").driver.name == "memory"
    assert open_driver(settings.model_copy(update={"driver": "memory"})).driver.name == "memory"


def test_a_name_that_no_driver_has(settings: Settings) -> None:
    with pytest.raises(UsageError, match="vmware") as caught:
        open_driver(settings, "vmware")
    assert caught.value.details == ("drivers: auto, virtualbox, qemu, memory",)
