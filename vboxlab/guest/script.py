"""Resources compiled into one POSIX sh script that checks each before it changes it.

The order: host name and what package installation needs (network files, interfaces); packages, in one apt-get run and
only when one is missing; the other files; then sysctls, passwords, commands and services as declared, services
restarted once when a file of theirs changed; last, states to wait for. Files that are `as_written` come among the
commands and services, in the order of the resources, and nothing comes after a resource `as_written` that failed.

What comes from a topology or a secret enters the script as base64 in a here-document, or as a single-quoted word.
Names (paths, units, users, packages) must be of plain characters: anything else is refused.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import TypeVar
from urllib.parse import urlsplit

from vboxlab.credentials import Address
from vboxlab.errors import GuestError
from vboxlab.guest.resources import (
    APT_SOURCES,
    NEW_FILE,
    AbsentFile,
    Await,
    Command,
    File,
    Hostname,
    Interface,
    Package,
    Password,
    Resource,
    Restart,
    SecretText,
    Service,
    Sysctl,
)
from vboxlab.language import C_, N_, _
from vboxlab.lazily import dataclass
from vboxlab.settings import DEFAULT_MIRROR

END = "VBOXLAB_END_OF_DATA"  # not in the alphabet of base64
EXIT_PACKAGES_MISSING = 9
CHECK_SECONDS = 60  # times the time scale, for the check of a file
NEWLINE = b"\n"
_PLAIN = {
    "path": re.compile(r"/[A-Za-z0-9._+@:/-]+"),
    "name": re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+@:-]*"),
    "value": re.compile(r"[A-Za-z0-9._-]+"),
    "setting": re.compile(r"[A-Za-z0-9._-]+( [A-Za-z0-9._-]+)*"),
}
_UNFIT = {
    "path": N_("{text!r} cannot be the path of a resource in a guest"),
    "name": N_("{text!r} cannot be the name of a resource in a guest"),
    "value": N_("{text!r} cannot be the value of a resource in a guest"),
    "setting": N_("{text!r} cannot be the value of a resource in a guest"),
}
T = TypeVar("T")


@dataclass(frozen=True)
class AptOptions:
    """How packages are installed where they are missing."""

    mirror: str | None = None  # Debian mirror, such as http://deb.debian.org/debian
    suite: str = "bookworm"
    proxy: str | None = None
    within: float = 180.0  # seconds (times the time scale) for the mirror to become reachable
    resolver: str = "10.0.2.3"  # asked as well where the guest's own name servers do not know the mirror yet


def compile_script(
    resources: Sequence[Resource],
    *,
    changes: bool,
    secrets: Mapping[str, str],
    time_scale: float = 1.0,
    apt: AptOptions | None = None,
    stop_at_missing_packages: bool = False,
    fresh: bool = False,
) -> str:
    """Return the script that brings a guest to these resources, or with changes off tells what it would change.

    With stop_at_missing_packages it ends before it changes anything when a package is missing, with exit code
    EXIT_PACKAGES_MISSING and the indexes of those that are missing reported, so that a faster way can be tried.
    A file that somebody changed is kept beside as NAME.vboxlab-DATE before it is overwritten, unless the guest is
    fresh: nobody has worked in it yet.
    Raises GuestError for what no script can carry: a NUL character, a name of unusual characters, an unknown secret.
    """
    compiler = _Compiler(resources, changes, secrets, time_scale, apt or AptOptions(), stop_at_missing_packages)
    return f"fresh={int(fresh)}\n{compiler.script()}"


def quoted(text: str) -> str:
    """Return text as one word of the shell. Raises GuestError when it holds a NUL character."""
    _encoded(text)
    return shlex.quote(text)


def words(argv: Iterable[str]) -> str:
    """Return an argv list as words of the shell."""
    return " ".join(quoted(word) for word in argv)


def _encoded(text: str) -> bytes:
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise GuestError(_("a text for a guest is not valid Unicode"), details=[str(error)]) from error
    if b"\0" in data:
        raise GuestError(_("a text for a guest holds a NUL character, which no argument or text file can have"))
    return data


def _plain(kind: str, text: str) -> str:
    if not _PLAIN[kind].fullmatch(text):
        raise GuestError(
            _(_UNFIT[kind]).format(text=text),
            resolution=_("use only the characters of {pattern}").format(pattern=_PLAIN[kind].pattern),
        )
    return text


class _Compiler:
    """One compilation: resources are known by their index, in the script and in what it reports."""

    def __init__(
        self,
        resources: Sequence[Resource],
        changes: bool,
        secrets: Mapping[str, str],
        time_scale: float,
        apt: AptOptions,
        stop_at_missing_packages: bool,
    ) -> None:
        self._numbered = list(enumerate(resources))
        self._changes = changes
        self._secrets = secrets
        self._time_scale = time_scale
        self._apt = apt
        self._stop = stop_at_missing_packages
        self._services = [resource.name for resource in resources if isinstance(resource, Service)]
        self._ordered = any(_as_written(resource) for resource in resources)

    def script(self) -> str:
        runtime = files("vboxlab.guest").joinpath("runtime.sh").read_text(encoding="utf-8")
        parts = [f"apply={int(self._changes)}", runtime, *self._gather(), *self._stop_early()]
        parts += ["read_to_restart"] if self._ordered else []
        early = [(i, r) for i, r in self._of(File) if r.before_packages]
        parts += [f"host_name {i} {quoted(r.name)}" for i, r in self._of(Hostname)]
        parts += [self._file(i, r) for i, r in early]
        parts += [self._interface(i, r) for i, r in self._of(Interface)]
        parts += ["install_missing"] if self._of(Package) else []
        parts += [self._file(i, r) for i, r in self._of(File) if not (r.before_packages or r.as_written)]
        parts += [
            f"absent {i} {_plain('path', r.path)} {self._units(r.notifies)}".rstrip() for i, r in self._of(AbsentFile)
        ]
        parts += [self._in_order(i, r, self._declared(i, r)) for i, r in self._numbered]
        parts += [self._in_order(i, r, f"restarted {i} {_plain('name', r.name)}") for i, r in self._of(Restart)]
        parts += ["leave_to_restart"] if self._ordered else []
        parts += [self._await(i, r) for i, r in self._of(Await)]
        parts.append('[ "$failures" = 0 ]')
        return "\n".join(part for part in parts if part) + "\n"

    def _of(self, kind: type[T]) -> list[tuple[int, T]]:
        return [(index, resource) for index, resource in self._numbered if isinstance(resource, kind)]

    def _gather(self) -> list[str]:
        """Return the questions that are asked once for all resources of a kind."""
        parts = []
        wanted = self._of(File)
        touched = [r.path for _index, r in wanted] + [r.path for _index, r in self._of(AbsentFile)]
        touched += [r.file for _index, r in self._of(Sysctl)]
        digests = [f"{self._digest(r)}  {r.path}" for _index, r in wanted]
        digests += [f"{_sha256(_encoded(r.value) + NEWLINE)}  {_proc(r)}" for _index, r in self._of(Sysctl)]
        if digests:
            lines = "\n".join(digests)
            parts.append(f"sums=$(sha256sum -c 2>/dev/null <<'{END}'\n{lines}\n{END}\n)")
        if touched:
            paths = " ".join(_plain("path", path) for path in dict.fromkeys(touched))
            parts.append(f"stats=$(stat -c '%n %f %U %G' {paths} 2>/dev/null)")
        wanted_packages = [_plain("name", r.name) for _index, r in self._of(Package)]
        if wanted_packages:
            query = "dpkg-query -W -f '${Package} ${db:Status-Status}\\n'"
            parts.append(f"installed=$({query} {' '.join(wanted_packages)} 2>/dev/null)")
            parts.append("missing= missing_index=")
            parts += [f"package {i} {r.name}" for i, r in self._of(Package)]
            parts.append(f"apt_within={int(self._apt.within * self._time_scale)} apt_resolver={self._apt.resolver}")
            parts.append(f"apt_host={quoted(self._apt_host())}")
            parts += self._apt_files()
        if self._of(Interface):
            asked = "addr\nroute show default" if any(r.gateway for _index, r in self._of(Interface)) else "addr"
            parts.append(f"addresses=$(ip -br -4 -batch - <<'{END}'\n{asked}\n{END}\n)")
        if self._services:
            units = " ".join(f"{_plain('name', name)}.service" for name in self._services)
            parts.append(f"read_units 0 {units}")
        return parts

    def _stop_early(self) -> list[str]:
        if not (self._stop and self._of(Package)):
            return []
        report = "report_packages missing 'not installed'"
        return [f'if [ -n "$missing" ]; then {report}; exit {EXIT_PACKAGES_MISSING}; fi']

    def _apt_host(self) -> str:
        """Return the name of the host that packages come from, which is the proxy where there is one."""
        return urlsplit(self._apt.proxy or self._apt.mirror or DEFAULT_MIRROR).hostname or ""

    def _apt_files(self) -> list[str]:
        """Return the commands that tell apt of proxy and mirror in files, as students see the command lines of all."""
        if not (self._apt.proxy or self._apt.mirror):
            return ["apt_options="]
        configuration, sources, logins = "", "", ""
        if self._apt.proxy:
            configuration = f'Acquire::http::Proxy "{_word(self._apt.proxy)}";\n'
        if self._apt.mirror:
            mirror = Address.of(_word(self._apt.mirror))
            sources, logins = f"deb {mirror.url} {_plain('name', self._apt.suite)} main\n", mirror.netrc
        own = [_plain("path", r.path) for _index, r in self._of(File) if r.path.startswith(APT_SOURCES)]
        return [" ".join(["apt_files", quoted(configuration), quoted(sources), quoted(logins), *own])]

    def _content(self, file: File) -> bytes:
        if isinstance(file.content, SecretText):
            return _encoded(file.content.filled(lambda hole: self._secret(hole.key)))
        return _encoded(file.content)

    def _digest(self, file: File) -> str:
        return _sha256(self._content(file))

    def _secret(self, name: str) -> str:
        try:
            return self._secrets[name]
        except KeyError:
            known = ", ".join(self._secrets) or C_("secrets", "none")
            raise GuestError(
                _("the secret {secret!r} is not known").format(secret=name),
                resolution=_("known secrets: {secrets}").format(secrets=known),
            ) from None

    def _file(self, index: int, file: File) -> str:
        path, owner, group = _plain("path", file.path), _plain("name", file.owner), _plain("name", file.group)
        raw_mode = f"{0o100000 | file.mode:x}"  # st_mode of a regular file, as stat's %f prints it
        data = _wrapped(self._content(file))
        digest = self._digest(file)
        put = f"put {index} {path} {file.mode:o} {owner} {group} {digest} {self._units(file.notifies)}".rstrip()
        right = f"remember {path} {digest}; report {index} unchanged ''"
        before = f"again {path} {digest}\n" if file.as_written else ""
        if file.check:
            before = f"untried {path}\n{before}" if file.check_in_place else before
            before += f"{self._check(index, file)}\n"
            put = f"check=check_{index}; {put}"
        wanted = f"if difference {path} {raw_mode} {owner} {group}; then {right}"
        return f"{before}{wanted}\nelse {put} <<'{END}'\n{data}{END}\nfi"

    def _check(self, index: int, file: File) -> str:
        """Return the function that checks the new file, which lies beside what it is to replace."""
        checked = file.path if file.check_in_place else f"{file.path}.vboxlab-new"
        argv = [word.replace(NEW_FILE, checked) for word in file.check]
        tried = f"in_place {file.path} " if file.check_in_place else ""
        limit = max(1, round(CHECK_SECONDS * self._time_scale))
        return f"check_{index}() {{ {tried}timeout -k 5 {limit} {words(argv)}; }}"

    def _in_order(self, index: int, resource: Resource, text: str) -> str:
        """Return the part of a resource, brought about only as long as nothing before it failed that it may rest on."""
        if not (self._ordered and text):
            return text
        if not _as_written(resource):
            return f'if going {index} "$stopped"; then\n{text}\nfi'
        return f'if going {index} "$failures"; then\n{text}\nstopped=$failures\nfi'

    def _units(self, names: Iterable[str]) -> str:
        return " ".join(_plain("name", name) for name in names)

    def _interface(self, index: int, interface: Interface) -> str:
        name = _plain("value", interface.name)
        return f"interface {index} {name} {quoted(interface.address)} {quoted(interface.gateway or '')}"

    def _declared(self, index: int, resource: Resource) -> str:
        match resource:
            case File(as_written=True):
                return self._file(index, resource)
            case Sysctl(name, value, file):
                pattern = quoted(name.replace(".", "\\."))
                told = f"{name} {quoted(_plain('setting', value))} {_plain('path', file)} {_proc(resource)} {pattern}"
                return f"setting {index} {told}"
            case Password(user, secret):
                data = base64.b64encode(_encoded(self._secret(secret))).decode()
                return f"password {index} {_plain('name', user)} <<'{END}'\n{data}\n{END}"
            case Command(_, run, unless, as_written, timeout):
                seconds = max(1, round(timeout * self._time_scale))
                limit = f"timeout -k 10 {seconds} " if as_written else ""
                test = f"{{ {limit}{words(unless)}; }}" if as_written else _condition(unless)
                functions = f"unless_{index}() {test}\nrun_{index}() {{ {limit}{words(run)}; }}"
                return f"{functions}\ncommand_done {index}{f' {seconds}' if as_written else ''}"
            case Service(name, enabled, running, pause):
                number = self._services.index(name)
                return f"unit {index} {name} {number} {_yes_no(enabled)} {_yes_no(running)} {pause}"
            case _:
                return ""

    def _await(self, index: int, wanted: Await) -> str:
        seconds = max(1, round(wanted.within * self._time_scale))
        nudge = f"nudge_{index}() {{ {words(wanted.nudge)}; }}\n" if wanted.nudge else ""
        after = round(wanted.nudge_after * self._time_scale) if wanted.nudge else "-"
        unit = _plain("name", wanted.unit) if wanted.unit else "-"
        return f"until_{index}() {_condition(wanted.until)}\n{nudge}await {index} {seconds} {after} {unit}"


def _as_written(resource: Resource) -> bool:
    return bool(getattr(resource, "as_written", False))


def _condition(argv: Sequence[str]) -> str:
    """Return the body of a function that tells whether a condition holds.

    What a shell shall say of it this one says itself, in a subshell: that is a process less to start. A script that
    looks at its own name has a shell of its own.
    """
    match argv:
        case ("sh", "-c", script, _name, *arguments) if "$0" not in script and "${0" not in script:
            return f"( set -- {words(arguments)}; eval {quoted(script)}; )"
        case _:
            return f"{{ {words(argv)}; }}"


def _proc(setting: Sysctl) -> str:
    return "/proc/sys/" + _plain("value", setting.name).replace(".", "/")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _wrapped(data: bytes) -> str:
    return base64.encodebytes(data).decode()


def _word(url: str) -> str:
    if not re.fullmatch(r"[!-~]+", url) or any(character in url for character in "'\"\\$`*?[];&|<>()"):
        raise GuestError(
            _("{address!r} is not an address that apt can use").format(address=url),
            resolution=_("check mirror and proxy"),
        )
    return url


def _yes_no(value: bool | None) -> str:
    return "-" if value is None else "yes" if value else "no"
