"""Where Debian packages come from: the user's setting, else this host's apt sources, else Debian's public default."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path

from vboxlab import programs
from vboxlab.credentials import Address, known, redacted
from vboxlab.errors import BaseError
from vboxlab.language import _
from vboxlab.lazily import dataclass
from vboxlab.settings import DEFAULT_MIRROR, Settings

DEFAULT_SECURITY = "http://deb.debian.org/debian-security"
APT_DIRECTORY = Path("/etc/apt")
_DEBIAN_SUITE = re.compile(
    r"^(?:stretch|buster|bullseye|bookworm|trixie|forky|sid|stable|oldstable|testing|unstable)(?P<part>[-/]\S+)?$"
)
_ONE_LINE = re.compile(r"^deb\s+(?:\[[^\]]*\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?:\s|$)")


@dataclass(frozen=True)
class Mirror:
    """Where to fetch Debian from. `security` is None where it cannot be known (a mirror set by the user).

    The addresses are without users and passwords: they go into guests, and into command lines that everybody sees.
    """

    uri: str
    security: str | None
    origin: str  # where this was found, for messages
    proxy: str | None = field(default=None, repr=False)  # may hold a password: for environments only
    options: tuple[str, ...] = ()  # apt options of the host that its sources need
    logins: tuple[Address, ...] = field(default=(), repr=False)

    @classmethod
    def of(
        cls, uri: str, security: str | None, origin: str, proxy: str | None, options: tuple[str, ...] = ()
    ) -> Mirror:
        """Return the mirror at these addresses, which may hold users and passwords."""
        main, other = Address.of(uri), Address.of(security) if security else None
        known(Address.of(proxy or "").password)
        logins = tuple(address for address in (main, other) if address and address.user)
        for login in logins:
            known(login.password)
        return cls(main.url, other.url if other else None, origin, proxy, options, logins)

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that make apt and others use the proxy: nobody else can read an environment."""
        return {name: self.proxy for name in ("http_proxy", "https_proxy") if self.proxy}

    @property
    def netrc(self) -> str:
        """Return the users and passwords as a file for apt (apt_auth.conf(5)), "" where none are needed."""
        return "".join(address.netrc for address in self.logins)

    def sources(self, suite: str, components: str = "main") -> tuple[str, ...]:
        """Return the sources.list lines for a suite, its updates and its security fixes."""
        lines = [f"deb {self.uri} {suite} {components}", f"deb {self.uri} {suite}-updates {components}"]
        if self.security:
            lines.append(f"deb {self.security} {suite}-security {components}")
        return tuple(lines)


def find_mirror(settings: Settings, apt: Path = APT_DIRECTORY) -> Mirror:
    """Return the mirror to use: Settings.mirror, else the Debian mirror of the host's apt, else the public default."""
    proxy = settings.proxy or _apt_value("Acquire::http::Proxy")
    if settings.mirror:
        return Mirror.of(settings.mirror.rstrip("/"), None, _("the setting 'mirror'"), proxy)
    main, security, found_in = _host_sources(apt)
    if main is None:
        return Mirror.of(DEFAULT_MIRROR, DEFAULT_SECURITY, _("Debian's public default"), proxy)
    options = tuple(
        f'{name} "{value}";'
        for name in ("Acquire::Check-Valid-Until", "Acquire::Check-Date")
        if (value := _apt_value(name)) is not None
    )
    return Mirror.of(main, security, _("this machine's {file}").format(file=found_in), proxy, options)


def check_reachable(mirror: Mirror, suite: str, timeout: float = 20.0) -> None:
    """Fetch the suite's release file (timeout in seconds). Raises BaseError naming the mirror and the setting."""
    import urllib.error
    import urllib.request

    url = f"{mirror.uri}/dists/{suite}/InRelease"
    headers = next((login.headers for login in mirror.logins if login.url == mirror.uri), {})
    handlers = [urllib.request.ProxyHandler({"http": mirror.proxy, "https": mirror.proxy})] if mirror.proxy else []
    request = urllib.request.Request(url, headers=headers, method="HEAD")  # noqa: S310 -- the scheme is the user's or apt's own
    try:
        urllib.request.build_opener(*handlers).open(request, timeout=timeout).close()
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise unreachable(mirror, str(reason)) from error


def unreachable(mirror: Mirror, reason: str) -> BaseError:
    """Return the error for a mirror that does not answer."""
    details = [
        _("mirror: {uri} (from {origin})").format(uri=mirror.uri, origin=mirror.origin),
        _("answer: {reason}").format(reason=reason),
    ]
    if mirror.proxy:
        details.append(_("through the proxy {proxy}").format(proxy=redacted(mirror.proxy)))
    return BaseError(
        _("the Debian mirror cannot be reached"),
        details=details,
        resolution=_("check the network, or set another mirror: `mirror` in settings.yaml or VBOXLAB_MIRROR=URL"),
    )


def read_sources(files: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield (file, URI, suite) of each binary source in apt's files, both formats of sources.list(5)."""
    for name, text in files.items():
        lines = _deb822(text) if name.endswith(".sources") else _one_line(text)
        yield from ((name, uri, suite) for uri, suite in lines)


def _one_line(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if match := _ONE_LINE.match(line.strip()):
            yield match["uri"], match["suite"]


def _deb822(text: str) -> Iterator[tuple[str, str]]:
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in " \t" and key:
                fields[key] += " " + line.strip()
            elif ":" in line:
                key, _colon, value = line.partition(":")
                key = key.strip().lower()
                fields[key] = value.strip()
        if fields.get("enabled", "yes").lower() == "no" or "deb" not in fields.get("types", "").split():
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield uri, suite


def _host_sources(apt: Path) -> tuple[str | None, str | None, str]:
    paths = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]
    texts = {
        str(path): path.read_text(encoding="utf-8", errors="replace")
        for path in paths
        if path.suffix in (".list", ".sources") and path.is_file()
    }
    return choose(read_sources(texts))


def choose(sources: Iterable[tuple[str, str, str]]) -> tuple[str | None, str | None, str]:
    """Return the archive and the security URI among apt's sources, and the file that names the archive.

    Only sources with a suite of Debian and a path ending in debian or debian-security count, so that a third party's
    repository, or another distribution's, is never taken for a Debian mirror.
    """
    main = security = None
    found_in = ""
    for name, raw, suite in sources:
        match = _DEBIAN_SUITE.match(suite)
        uri = raw.rstrip("/")
        if not match or not uri.startswith(("http://", "https://")):
            continue
        if "security" in (match["part"] or "") or uri.endswith("debian-security"):
            security = security or uri
        elif main is None and uri.endswith("debian"):
            main, found_in = uri, name
    return main, security, found_in


def _apt_value(name: str) -> str | None:
    try:
        done = programs.run(
            ["apt-config", "shell", "value", name], capture_output=True, text=True, errors="replace", timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.match(r"value='(.*)'$", done.stdout.strip())
    return match[1] if match and match[1] else None
