"""What the C library's resolver makes of resolv.conf(5): its own state after res_ninit(3), read from its memory.

`servers` and `search` are what it asks, each once; names are compared as DNS does, without case and final dot. The list
of names in that state has room for six: a seventh is searched as well, but not seen here. `options` are those that are
not as they are without a file.
"""

import ctypes
import ipaddress
import json
import os
import shutil
import sys
from pathlib import Path

FLAGS = {
    1 << 3: "use-vc", 1 << 14: "rotate", 1 << 20: "edns0", 1 << 21: "single-request", 1 << 22: "single-request-reopen",
    1 << 24: "no-tld-query", 1 << 25: "no-reload", 1 << 26: "trust-ad", 1 << 27: "no-aaaa",
}  # fmt: skip
NUMBERS = {"ndots": 1, "timeout": 5, "attempts": 2}
CLONE_NEWUTS = 0x04000000


class Server(ctypes.Structure):
    """struct sockaddr_in."""

    _fields_ = [("family", ctypes.c_uint16), ("port", ctypes.c_uint16), ("address", ctypes.c_uint8 * 4),
                ("zero", ctypes.c_char * 8)]  # fmt: skip


class Server6(ctypes.Structure):
    """struct sockaddr_in6."""

    _fields_ = [("family", ctypes.c_uint16), ("port", ctypes.c_uint16), ("flow", ctypes.c_uint32),
                ("address", ctypes.c_uint8 * 16), ("scope", ctypes.c_uint32)]  # fmt: skip


class Extension(ctypes.Structure):
    """The servers over IPv6: member `_u._ext` of struct __res_state."""

    _fields_ = [("nscount", ctypes.c_uint16), ("nsmap", ctypes.c_uint16 * 3), ("nssocks", ctypes.c_int * 3),
                ("nscount6", ctypes.c_uint16), ("nsinit", ctypes.c_uint16), ("nsaddrs", ctypes.POINTER(Server6) * 3),
                ("reserved", ctypes.c_uint * 2)]  # fmt: skip


class State(ctypes.Structure):
    """struct __res_state of <bits/types/res_state.h>."""

    _fields_ = [
        ("retrans", ctypes.c_int), ("retry", ctypes.c_int), ("options", ctypes.c_ulong), ("nscount", ctypes.c_int),
        ("servers", Server * 3), ("id", ctypes.c_uint16), ("search", ctypes.c_char_p * 7),
        ("domain", ctypes.c_char * 256), ("pfcode", ctypes.c_ulong), ("counts", ctypes.c_uint32),
        ("sort_list", ctypes.c_uint32 * 20), ("hooks", ctypes.c_void_p * 2), ("h_errno", ctypes.c_int),
        ("vcsock", ctypes.c_int), ("flags", ctypes.c_uint), ("more", Extension), ("room", ctypes.c_char * 64),
    ]  # fmt: skip


def state() -> State:
    """Return what the library has read from /etc/resolv.conf."""
    read = State()
    if library.__res_ninit(ctypes.byref(read)) != 0:
        sys.exit("res_ninit failed")
    return read


def servers(read: State) -> list[str]:
    """Return the addresses of the servers in the order asked, each once."""
    found = []
    for index in range(read.nscount):
        if read.servers[index].family:
            found.append(str(ipaddress.IPv4Address(bytes(read.servers[index].address))))
        else:
            server = read.more.nsaddrs[index].contents
            found.append(str(ipaddress.IPv6Address(bytes(server.address))))
    return list(dict.fromkeys(found))


def meaning() -> dict[str, object]:
    """Return what the library has understood."""
    read = state()
    search = [name.decode(errors="surrogateescape") for name in read.search[:6] if name is not None]
    values = {"ndots": read.counts & 15, "timeout": read.retrans, "attempts": read.retry}
    options: dict[str, int] = {word: values[word] for word, usual in NUMBERS.items() if values[word] != usual}
    options.update({word: 1 for flag, word in FLAGS.items() if read.options & flag})
    if read.counts >> 4 & 15:
        options["sortlist"] = read.counts >> 4 & 15
    names = [ascii_lower(name.removesuffix(".")) for name in search]
    return {"servers": servers(read), "search": list(dict.fromkeys(names)), "options": options}


def ascii_lower(name: str) -> str:
    """Return a name as DNS compares it."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


library = ctypes.CDLL("libc.so.6")
if __name__ == "__main__":
    # Where nothing is to be searched for, the host's own domain would be.
    library.unshare(CLONE_NEWUTS)
    library.sethostname(b"load-balancer-theodore", 22)
    os.environ.pop("LOCALDOMAIN", None)
    os.environ.pop("RES_OPTIONS", None)
    verdicts: dict[str, object] = {}
    for variant in sorted(Path("variants").iterdir()):
        shutil.copy(variant, "/etc/resolv.conf")
        os.utime("/etc/resolv.conf", ns=(len(verdicts) * 10**9, len(verdicts) * 10**9))  # it is read again when newer
        verdicts[variant.name] = meaning()
    json.dump(verdicts, sys.stdout)
