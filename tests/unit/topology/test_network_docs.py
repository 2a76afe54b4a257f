"""What the pages about sites, name servers and shared addresses show is valid."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from tests.unit.topology.language_world import made

DOCS = Path(__file__).parents[3] / "docs"
LAN = "networks: {lan: {subnet: 192.168.7.0/24}}\n"
HEAD = "lab: shown\nbase: debian12\n"


def shown(page: str, heading: str) -> str:
    """Return the examples below a heading, up to the next one, as one text."""
    text = (DOCS / page).read_text(encoding="utf-8")
    section = re.split(r"^## ", text.partition(f"## {heading}")[2], maxsplit=1, flags=re.MULTILINE)[0]
    return dedent("".join(re.findall(r"^(?: {4}.*\n|\n)(?:(?: {4}.*)?\n)*", section, re.MULTILINE)))


@pytest.mark.parametrize(
    ("page", "heading", "around"),
    [
        ("language.md", "Sites", ""),
        ("roles-network.md", "dns", LAN),
        ("roles-network.md", "vrrp", LAN),
    ],
)
def test_an_example_is_valid(page: str, heading: str, around: str) -> None:
    example = shown(page, heading)
    client = "  client: {hostname: client, adapters: [{network: lan, address: 192.168.7.9/24}]}\n"
    isp = (
        "  isp:\n    hostname: isp\n    adapters: [{network: wan, address: dhcp}, {network: internet, address: "
        "203.0.113.1/24}]\n"
    )
    text = HEAD + around + example.replace("machines:\n", "machines:\n" + (client if around else isp), 1)
    found = made(text)
    assert len(found.machines) > 1
