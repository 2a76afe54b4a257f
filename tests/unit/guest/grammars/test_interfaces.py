"""The reader of /etc/network/interfaces against what ifupdown itself made of the corpus."""

from __future__ import annotations

from typing import Any

import pytest

from tests.corpus import Variant, variants
from vboxlab.guest.grammars.ifup import answers, boot, mapped, started
from vboxlab.guest.grammars.interfaces import INTERFACES, Reading, read_interfaces

MANAGEMENT = "allow-hotplug enp0s19\niface enp0s19 inet static\n    address 10.0.9.15/24\n"
NAMES = ("lo", "enp0s3", "enp0s8", "enp0s19")
CORPUS = variants("interfaces")


def files(variant: Variant) -> dict[str, bytes]:
    own = {path or INTERFACES: data for path, data in variant.files.items()}
    return {"/etc/network/interfaces.d/vboxlab-management": MANAGEMENT.encode(), **own}


def meaning(reading: Reading) -> Any:
    """Return what the recorder writes down, told by the reader."""
    if reading.refused is not None:
        return None
    after = boot(reading, NAMES)
    interfaces = {
        name: {
            "up": link.up,
            "dhcp": link.dhcp,
            "addresses": sorted(
                f"{a.ip}{more}" if " peer" in more else f"{a.ip}/{a.network.prefixlen}{more}"
                for a, more in link.addresses
            ),
            "mtu": link.mtu,
            "mac": link.mac,
            "configured": name in after.configured,
        }
        for name, link in after.kernel.links.items()
        if name in ("enp0s3", "enp0s8")
    }
    ordered = sorted(after.kernel.routes, key=lambda route: ("default" if not route.to.prefixlen else str(route.to),
                                                             route.metric))  # fmt: skip
    routes = [
        ["default" if not route.to.prefixlen else str(route.to), str(route.via) if route.via else None, route.device]
        for route in ordered
    ]
    return {"interfaces": interfaces, "routes": routes}


@pytest.mark.parametrize("variant", CORPUS, ids=str)
def test_the_reader_understands_as_ifup_does(variant: Variant) -> None:
    assert meaning(read_interfaces(files(variant))) == variant.meaning


@pytest.mark.parametrize("variant", CORPUS, ids=str)
def test_the_reader_answers_as_ifquery_does(variant: Variant) -> None:
    reading = read_interfaces(files(variant))
    if variant.asked is None:
        assert reading.refused is not None
        return
    for kind in ("auto", "hotplug"):
        assert sorted(name for name, _logical in started(reading, kind, NAMES)) == sorted(variant.asked[kind])
    for name in NAMES:
        if not mapped(reading, name):
            said = answers(reading, name)
            assert (said is None) == (variant.asked["options"][name] is None)
            assert sorted(said or ()) == sorted(variant.asked["options"][name] or ())
