"""What differs between the VirtualBox releases, as data: one record per release series.

What is called of VirtualBox in another way in one series than in another is called here and nowhere else: a test holds
all other calls of the worker against tables of each series (tests/virtualbox/series), and tries the functions of this
file on stand-ins made of them.
"""

from __future__ import annotations

import re
from typing import Any

from vboxlab.hypervisor.virtualbox.worker.protocol import Failure
from vboxlab.hypervisor.virtualbox.worker.told import Told, names
from vboxlab.lazily import dataclass

Series = tuple[int, int]


@dataclass(frozen=True)
class Differences:
    """How one release series is called where the series are not alike."""

    platform_argument: bool  # createMachine takes the platform (7.1)
    encryption_arguments: bool  # createMachine takes cipher, password id and password (7.0)
    platform_object: bool  # chipset and clock belong to IMachine.platform (7.1)
    audio_settings: bool  # the audio adapter belongs to IMachine.audioSettings (7.0)
    execution_engine: bool  # IMachine.VMExecutionEngine exists (7.1)
    serial_address: bool  # ISerialPort.IOAddress is called so, and no more IOBase (7.1)
    host_only_networks: bool  # macOS has them instead of host-only interfaces (7.0)


DIFFERENCES = {
    (6, 1): Differences(False, False, False, False, False, False, False),
    (7, 0): Differences(False, True, False, True, False, False, True),
    (7, 1): Differences(True, True, True, True, True, True, True),
    (7, 2): Differences(True, True, True, True, True, True, True),
}
# The Python versions whose import of the binding was seen to work with a series (Ubuntu's 6.1.50 and 7.0.16, Debian's
# 7.2.22); others crash, or lack the binding's library.
PYTHONS = {(6, 1): ("3.10",), (7, 0): ("3.11",), (7, 2): ("3.14", "3.13", "3.12", "3.11")}
OLDEST, NEWEST = min(DIFFERENCES), max(DIFFERENCES)


def parse_version(text: str) -> tuple[int, ...]:
    """Return a version such as "7.2.22_Debianr175245" as integers."""
    numbers = re.match(r"[\d.]*", text)
    return tuple(int(number) for number in numbers[0].split(".") if number) if numbers else ()


def spell(series: Series) -> str:
    """Return a release series as people write it."""
    return "{}.{}".format(*series)


def differences_of(version: str) -> tuple[Differences, Told | None]:
    """Return the record for a version and a warning (None: there is none).

    Raises Failure for versions older than all that are known; a newer one is taken for the newest known.
    """
    series = parse_version(version)[:2]
    known = names(spell(each) for each in sorted(DIFFERENCES))
    if len(series) == 2 and series in DIFFERENCES:
        return DIFFERENCES[series], None
    if series > NEWEST:
        return DIFFERENCES[NEWEST], Told("newer-version", {"version": version, "known": known})
    raise Failure("version", Told("unsupported-version", {"version": version, "known": known}))


def create_machine(
    vbox: Any, constants: Any, differences: Differences, settings: str, name: str, group: str, os_type: str
) -> Any:
    """Make a machine object that is neither saved nor registered yet."""
    arguments: list[Any] = [settings, name]
    if differences.platform_argument:
        arguments.append(constants.PlatformArchitecture_x86)
    arguments += [[group], os_type, ""]
    if differences.encryption_arguments:
        arguments += ["", "", ""]
    return vbox.createMachine(*arguments)


def set_quiet_hardware(machine: Any, differences: Differences) -> None:
    """Set the clock to UTC and turn sound off."""
    (machine.platform if differences.platform_object else machine).RTCUseUTC = True
    audio = machine.audioSettings.adapter if differences.audio_settings else machine.audioAdapter
    audio.enabled = False


def set_serial_address(port: Any, differences: Differences, address: int) -> None:
    """Set the I/O address of a serial port."""
    setattr(port, "IOAddress" if differences.serial_address else "IOBase", address)


def set_execution_engine(machine: Any, constants: Any, differences: Differences, engine: str) -> None:
    """Choose how the guest's code is executed ("interpreter" needs no kernel driver). Raises Failure where unknown."""
    wanted = f"VMExecutionEngine_{engine.capitalize()}"
    if not differences.execution_engine or not hasattr(constants, wanted):
        raise Failure("version", Told("no-engine", {"engine": engine}))
    machine.VMExecutionEngine = getattr(constants, wanted)
