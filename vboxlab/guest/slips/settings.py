"""Slips in kernel settings: lost or another at the next boot, never taken into use, or seen otherwise by `sysctl`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from itertools import islice

from vboxlab.guest.facts import Facts
from vboxlab.guest.findings import Finding, Severity, Where
from vboxlab.guest.grammars.sysctl import (
    CONF,
    FOLDERS,
    LINK,
    Assignment,
    is_same,
    is_taken,
    lines_at_boot,
    loaded_by_system,
    path_of,
    read_at_boot,
    set_at_boot,
    set_by_loading,
)
from vboxlab.guest.place import Place
from vboxlab.guest.resources import Sysctl

SHOWN = 80  # characters of a line
_ALIKE = 0.8  # of two lines that mean the same by all likelihood
_MOST = 5  # findings of one kind


def slips(setting: Sysctl, place: Place, facts: Facts) -> Iterator[Finding]:
    """Yield what is wrong with a setting: what a boot makes of it (sysctl.d(5)), else its value now."""
    files = {path: fact.data for path, fact in facts.files.items() if _holds_settings(path)}
    yield from _Judged(setting, place.machine.name, files).findings(facts.settings.get(setting.name))


def _holds_settings(path: str) -> bool:
    return path == CONF or path.rpartition("/")[0] in FOLDERS


class _Judged:
    """A setting and the files that may set it."""

    def __init__(self, setting: Sysctl, machine: str, files: Mapping[str, bytes]) -> None:
        self.setting, self.machine, self.files = setting, machine, files
        self.line = f"{setting.name}={setting.value}"
        self.written = [each for each in set_at_boot(files, setting.name) if each.value is not None]

    def findings(self, now: str | None) -> Iterator[Finding]:
        kept = self.in_force(self.written)
        if kept is None:
            found = list(self.causes())
            yield from found or [self.finding("setting-not-kept", self.setting.file, None, line=self.line)]
        elif not self.is_right(kept):
            yield self.other(kept)
        else:
            if now is not None and not is_same(self.setting.name, now, self.setting.value):
                file = self.setting.file
                values = {"found": now or "-", "expected": self.setting.value,
                          "command": "sysctl -p" if file == CONF else f"sysctl -p {file}"}  # fmt: skip
                where = Where("kernel", self.setting.name)
                yield Finding("setting-off", self.machine, where, values, explains=(self.setting.key,))
            yield from self.seen_otherwise(kept)

    def in_force(self, written: Sequence[Assignment]) -> Assignment | None:
        taken = [each for each in written if is_taken(self.setting.name, each.value or "", self.setting.value)]
        return taken[-1] if taken else None

    def is_right(self, line: Assignment) -> bool:
        return is_same(self.setting.name, line.value or "", self.setting.value)

    def finding(
        self, code: str, file: str, line: int | None, severity: Severity = "error", /, **values: str
    ) -> Finding:
        values = {"expected": self.line, "name": self.setting.name, **values}
        return Finding(code, self.machine, Where("file", file, line), values, severity, (self.setting.key,))

    def shown(self, file: str) -> str:
        """Return the file that a link is to, as far as that can be told."""
        return CONF if file == LINK and self.files.get(CONF) == self.files[LINK] else file

    def lines(self) -> Iterator[Assignment]:
        """Yield all assignments in all files, also in those that no boot reads, each once."""
        for file, data in self.files.items():
            if file != LINK or self.shown(file) == LINK:
                yield from lines_at_boot(file, data)

    def other(self, kept: Assignment) -> Finding:
        """Return the finding that another value is in force, and which right line is in vain."""
        path = path_of(self.setting.name)
        right = [each for each in self.lines() if each.key == path and each.value and self.is_right(each)]
        values = {"line": _short(kept.text), "found": _short(kept.value or "")}
        if not right:
            return self.finding("setting-other", self.shown(kept.file), kept.line, **values)
        values["other"] = f"{self.shown(right[-1].file)}:{right[-1].line}"
        return self.finding("setting-overridden", self.shown(kept.file), kept.line, **values)

    def causes(self) -> Iterator[Finding]:
        """Yield why nothing sets it, line by line."""
        found = list(islice(self._understood(), _MOST))
        yield from found
        if not found:
            yield from islice(self._nearly(), _MOST)

    def _understood(self) -> Iterator[Finding]:
        path, read = path_of(self.setting.name), {self.shown(file) for file in read_at_boot(self.files)}
        for each in self.lines():
            where = (each.file, each.line)
            if each.key != path:
                continue
            if each.value is None:
                yield self.finding("setting-excluded", *where, line=_short(each.text))
            elif not is_taken(self.setting.name, each.value, self.setting.value):
                yield self.finding("setting-refused", *where, found=_short(each.value) or "-")
            elif self.is_right(each) and each.file not in read:
                yield self.finding("setting-unread", *where, line=_short(each.text))

    def _nearly(self) -> Iterator[Finding]:
        for file, data in self.files.items():
            if file == LINK and self.shown(file) == CONF:
                continue
            for number, text in enumerate(data.decode(errors="replace").split("\n"), 1):
                stripped = "".join(text.split())
                if stripped.lstrip("#;") == self.line and stripped != self.line:
                    yield self.finding("setting-commented", file, number)
                elif stripped[:1] not in ("#", ";") and _is_alike(stripped, self.line):
                    yield self.finding("setting-line", file, number, found=_short(text.strip()))

    def seen_otherwise(self, kept: Assignment) -> Iterator[Finding]:
        """Yield what the commands that load files set instead, though a boot is right."""
        file = self.shown(kept.file)
        loads = {"sysctl -p" if file == CONF else f"sysctl -p {file}": [file]}
        if CONF in self.files and file != CONF:
            loads["sysctl -p"] = [CONF]
        loads["sysctl --system"] = loaded_by_system(self.files)
        for command, loaded in loads.items():
            written = [each for each in set_by_loading(self.files, self.setting.name, loaded) if each.value is not None]
            found = self.in_force(written)
            if found is not None and not self.is_right(found):
                values = {"command": command, "found": _short(found.value or "")}
                yield self.finding("setting-loaded-other", self.shown(found.file), found.line, "hint", **values)
                return
            if found is None and file in loaded:
                yield self.finding("setting-not-loaded", file, kept.line, "hint", command=command)
                return


def _is_alike(text: str, line: str) -> bool:
    text = text[: 2 * len(line)].lower()
    match = SequenceMatcher(None, text, line, autojunk=False)
    return match.real_quick_ratio() >= _ALIKE and match.quick_ratio() >= _ALIKE and match.ratio() >= _ALIKE


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
