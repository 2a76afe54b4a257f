"""What files of kernel settings set: at boot (sysctl.d(5)), and when somebody loads them (sysctl(8)).

Boot is systemd-sysctl of systemd 252 (src/sysctl/sysctl.c), loading is procps 4.0.2 (src/sysctl.c). They differ: in
which files they read and in what order, in what ends a line, and in what leaves a setting out.
"""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import translate

from vboxlab.lazily import dataclass

CONF = "/etc/sysctl.conf"
FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d")
ENDING = ".conf"
LINK = f"{FOLDERS[0]}/99-sysctl{ENDING}"
"""Debian's link to CONF, without which no boot reads that."""

# One variable of the kernel under two names (the kernel's ip-sysctl, ip_forward).
_FORWARDING = ("net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding")
_NUMBER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)")
_TOO_LONG = 21  # characters of a number (TMPBUFLEN of the kernel's kernel/sysctl.c)
_LARGEST_INT, _LARGEST_LONG = (1 << 31) - 1, (1 << 64) - 1  # of settings of the network, and of any
_CLASSES = {"alpha": "A-Za-z", "lower": "a-z", "upper": "A-Z", "digit": "0-9", "alnum": "0-9A-Za-z"}
_BLANKS = " \t\n\r"  # WHITESPACE of systemd
_SPACES = " \t\n\v\f\r"  # isspace(3) of the C locale


@dataclass(frozen=True)
class Assignment:
    """A line that sets what its key names, below /proc/sys. Without a value it keeps patterns from setting it."""

    file: str
    line: int
    text: str
    key: str
    value: str | None

    @property
    def is_pattern(self) -> bool:
        """Tell whether the key is a pattern of glob(7)."""
        return any(character in self.key for character in "*?[")


def path_of(name: str) -> str:
    """Return the path below /proc/sys of a setting that is named with dots or slashes (sysctl.d(5))."""
    first = re.search(r"[./]", name)
    path = name.translate(str.maketrans("./", "/.")) if first is not None and first[0] == "." else name
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def read_at_boot(files: Mapping[str, bytes]) -> list[str]:
    """Return the files that a boot reads, in its order: by name whatever the folder, of one name only the first."""
    return sorted(_first_of_each_name(files, hidden=False), key=posixpath.basename)


def _first_of_each_name(files: Mapping[str, bytes], *, hidden: bool) -> Iterable[str]:
    found: dict[str, str] = {}
    for folder in FOLDERS:
        for path in files:
            where, _slash, name = path.rpartition("/")
            if where == folder and name.endswith(ENDING) and (hidden or not name.startswith(".")):
                found.setdefault(name, path)
    return found.values()


def lines_at_boot(file: str, data: bytes) -> Iterator[Assignment]:
    """Yield the assignments that systemd-sysctl sees in a file; lines that are none are left out.

    CR and NUL end a line for it as LF does; `line` counts LF, as editors do.
    """
    for number, whole in enumerate(data.decode(errors="replace").split("\n"), 1):
        for part in re.split(r"[\r\0]", whole):
            text = part.strip(_BLANKS)
            if not text or text[0] in "#;":
                continue
            key, sign, value = text.partition("=")
            if sign or key[0] == "-":
                key = path_of(key.removeprefix("-").strip(_BLANKS))
                yield Assignment(file, number, text, key, value.strip(_BLANKS) if sign else None)


def set_at_boot(files: Mapping[str, bytes], name: str) -> list[Assignment]:
    """Return what writes a setting at boot, in order: the last one that the kernel takes is in force.

    An explicit line goes before all patterns; a line that is given twice stands where it stood first, one that is given
    another value stands at its end.
    """
    options: dict[str, Assignment] = {}
    for file in read_at_boot(files):
        for found in lines_at_boot(file, files[file]):
            old = options.get(found.key)
            if old is not None and old.value == found.value:
                continue
            options.pop(found.key, None)
            options[found.key] = found
    return list(_writes(options.values(), path_of(name), options.__contains__))


def lines_loaded(file: str, data: bytes) -> Iterator[Assignment]:
    """Yield the assignments that sysctl(8) of procps sees in a file."""
    for number, whole in enumerate(data.decode(errors="replace").split("\n"), 1):
        text = whole.partition("\0")[0].lstrip(_SPACES)
        if not text or text[0] in "#;":
            continue
        key, sign, value = text.partition("=")
        if sign or key[:1] == "-":
            key = key.removeprefix("-").rstrip(_SPACES)
            yield Assignment(file, number, text.rstrip(_SPACES), key, value.strip(_SPACES) if sign else None)


def set_by_loading(files: Mapping[str, bytes], name: str, loaded: Iterable[str]) -> list[Assignment]:
    """Return what writes a setting when `sysctl -p` loads these files, in order."""
    found = [line for file in loaded if file in files for line in lines_loaded(file, files[file])]
    written = [Assignment(each.file, each.line, each.text, _loaded_key(each.key), each.value) for each in found]
    explicit = {_loaded_path(each.key) for each in found}
    return list(_writes(written, path_of(name), explicit.__contains__))


def loaded_by_system(files: Mapping[str, bytes]) -> list[str]:
    """Return what `sysctl --system` loads, in its order: as a boot, hidden files as well, and at last CONF."""
    return [*sorted(_first_of_each_name(files, hidden=True), key=posixpath.basename), CONF]


def _loaded_path(key: str) -> str:
    """Return what procps adds to /proc/sys/, to the letter."""
    first = re.search(r"[./]", key.removeprefix("-"))
    swapped = first is not None and first[0] == "."
    return key.removeprefix("-").translate(str.maketrans("./", "/.")) if swapped else key.removeprefix("-")


def _loaded_key(key: str) -> str:
    """Return the path that the kernel finds; "" for one that is no file's, and for one with `..`, which nobody has."""
    path = _loaded_path(key)
    if path.endswith(("/", "/.")) or ".." in path.split("/"):
        return ""
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def _writes(options: Iterable[Assignment], path: str, is_explicit: Callable[[str], bool]) -> Iterator[Assignment]:
    names = _FORWARDING if path in _FORWARDING else (path,)
    for option in options:
        if option.is_pattern and option.value is not None:
            if any(matches(option.key, name) and not is_explicit(name) for name in names):
                yield option
        elif option.key in names:
            yield option


def matches(pattern: str, path: str) -> bool:
    """Tell whether a pattern of glob(7) names a path: part by part, no wildcard stands for a slash."""
    parts, names = pattern.split("/"), path.split("/")
    return len(parts) == len(names) and all(_part(part).match(name) for part, name in zip(parts, names, strict=True))


@functools.lru_cache(maxsize=256)
def _part(part: str) -> re.Pattern[str]:
    for name, characters in _CLASSES.items():
        part = part.replace(f"[:{name}:]", characters)
    part = re.sub(r"\\(.)", lambda found: f"[{found[1]}]" if found[1] in "*?[" else found[1], part)
    return re.compile(translate(part.replace("[^", "[!")))


def is_taken(name: str, value: str, wanted: str) -> bool:
    """Tell whether the kernel takes a value for a setting that takes the wanted one."""
    return bool(_numbers(name, value, wanted)) if _is_numeric(wanted) else bool(value)


def is_same(name: str, value: str, wanted: str) -> bool:
    """Tell whether two values of a setting are the same for the kernel (proc_dointvec of its kernel/sysctl.c).

    Numbers may be octal or hexadecimal, and what follows those that a setting has room for is ignored.
    """
    if not _is_numeric(wanted):
        return value.split() == wanted.split()
    found, expected = _numbers(name, value, wanted), _numbers(name, wanted, wanted)
    if path_of(name) in _FORWARDING:  # "not 0: enabled" (ip-sysctl)
        return bool(found) and any(found) == any(expected)
    return found == expected


def _is_numeric(wanted: str) -> bool:
    return bool(wanted.split()) and all(_NUMBER.fullmatch(word) for word in wanted.split())


def _numbers(name: str, value: str, wanted: str) -> Sequence[int]:
    """Return as many numbers of a value as there are wanted, up to the first word that the kernel refuses."""
    largest = _LARGEST_INT if path_of(name).startswith("net/") else _LARGEST_LONG
    found: list[int] = []
    for word in re.split(r"[ \t\n]+", value.lstrip(_SPACES))[: len(wanted.split())]:
        if len(word) >= _TOO_LONG or _NUMBER.fullmatch(word) is None:
            break
        digits = word.removeprefix("-")
        base = 16 if digits[:2].lower() == "0x" else 8 if digits[0] == "0" else 10
        number = int(digits, base) if digits == word else -int(digits, base)
        if not -largest - 1 <= number <= largest:
            break
        found.append(number)
    return found
