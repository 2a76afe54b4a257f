"""Slips in kernel settings: lost at the next boot, or never taken into use."""

from __future__ import annotations

from collections.abc import Iterator

from vboxlab.guest.facts import Facts
from vboxlab.guest.findings import Finding, Where
from vboxlab.guest.place import Place
from vboxlab.guest.resources import Sysctl


def slips(setting: Sysctl, place: Place, facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with a setting (sysctl.conf(5)): its line in the file, else its value now."""
    machine, line = place.machine.name, f"{setting.name}={setting.value}"
    content = facts.files[setting.file].content if setting.file in facts.files else ""
    kept, commented = False, None
    for number, text in enumerate(content.splitlines(), 1):
        stripped = "".join(text.split())
        kept = kept or stripped == line
        if stripped.lstrip("#;") == line and stripped != line:
            commented = number
    if not kept:
        code = "setting-not-kept" if commented is None else "setting-commented"
        where = Where("file", setting.file, commented)
        yield Finding(code, machine, where, {"line": line, "expected": line}, explains=(setting.key,))
    elif setting.name in facts.settings and facts.settings[setting.name] != setting.value:
        values = {"found": facts.settings[setting.name] or "-", "expected": setting.value}
        yield Finding("setting-off", machine, Where("kernel", setting.name), values, explains=(setting.key,))
