"""hosts(5) as the service `files` of the GNU C library 2.36 reads it (`nss/nss_files/files-hosts.c`), for IPv4.

With `multi on` in host.conf(5), as Debian has it, a name has the addresses of all lines that it is on, in their order.
A line whose address is none is passed over without a word. `::1` counts for 127.0.0.1, and an IPv4 address mapped into
IPv6 for itself. Where a line begins with blanks and has no end of line, as a last line may, the library moves it to the
front without its end, so that its last characters stand there twice (`__nss_readline`).
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address

from vboxlab.guest.grammars.internet_addresses import pton, pton6
from vboxlab.lazily import dataclass

_BLANKS = b" \t\n\v\f\r"
_LOOPBACK = IPv4Address("127.0.0.1")


@dataclass(frozen=True)
class Hosts:
    """The addresses of each name in lower case, with their lines, each once; and the lines that say nothing.

    `garbled` is the line whose last characters are read twice, and what is read.
    """

    names: Mapping[str, tuple[tuple[int, str], ...]]
    ignored: tuple[tuple[int, str], ...] = ()
    garbled: tuple[int, str] | None = None

    def of(self, name: str) -> tuple[tuple[int, str], ...]:
        """Return the line and address of each time that a name has another address."""
        return self.names.get(_folded(name.encode()), ())

    def addresses(self, name: str) -> tuple[str, ...]:
        """Return the addresses of a name in the order of the file."""
        return tuple(address for _line, address in self.of(name))


def read(data: bytes) -> Hosts:
    """Return what the C library finds in a file."""
    found: dict[str, dict[str, int]] = {}
    ignored: list[tuple[int, str]] = []
    garbled: tuple[int, str] | None = None
    lines = data.split(b"\n")
    for number, whole in enumerate(lines, 1):
        line = whole.partition(b"\0")[0]
        rest = line.lstrip(_BLANKS)
        if rest != line and (number == len(lines) or b"\0" in whole) and rest[:1] not in (b"", b"#"):
            line = rest + line[len(rest) :]
            garbled = (number, line.decode(errors="replace"))
        # bytes.split parts at the blanks of isspace(3), among them the carriage return.
        words = line.partition(b"#")[0].split()
        if not words:
            continue
        address = _address(words[0])
        if address is not None:
            for name in words[1:]:
                found.setdefault(_folded(name), {}).setdefault(str(address), number)
        elif pton6(words[0]) is None:
            ignored.append((number, whole.decode(errors="replace")))
    names = {name: tuple((line, address) for address, line in those.items()) for name, those in found.items()}
    return Hosts(names, tuple(ignored), garbled)


def _address(text: bytes) -> IPv4Address | None:
    plain = pton(text)
    if plain is not None:
        return plain
    longer = pton6(text)
    if longer is None:
        return None
    return _LOOPBACK if longer.is_loopback else longer.ipv4_mapped


def _folded(name: bytes) -> str:
    """Return a name without the case of ASCII letters (strcasecmp(3) in the C locale)."""
    return name.lower().decode(errors="surrogateescape")
