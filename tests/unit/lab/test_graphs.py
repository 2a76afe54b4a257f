"""Pictures of topologies and labs: golden texts, and that nothing overlaps or is left out."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from tests.golden_files import check_golden
from tests.unit.plan_world import World, desired, topology
from tests.unit.topology.language_world import made
from vboxlab.cli.main import run
from vboxlab.lab.graphs.colours import STATES
from vboxlab.lab.graphs.dot import render_dot
from vboxlab.lab.graphs.drawing import Drawing, DrawnDisk, DrawnMachine, DrawnNetwork, Link, drawing
from vboxlab.lab.graphs.layout import BAR, lay_out, network_order
from vboxlab.lab.graphs.mermaid import render_mermaid
from vboxlab.lab.graphs.svg import render_svg
from vboxlab.planning.observed import Attachment, PowerState
from vboxlab.planning.planner import plan

STORAGE = """\
lab: storage
base: debian12
networks: {lan: {subnet: 192.168.50.0/24}}
disks: {quorum: {size: 64 MiB}, spare: {size: 1 GiB}}
machines:
  node-1:
    hostname: node-1
    adapters: [{network: lan, address: 192.168.50.1/24}]
    disks: [{name: data, size: 2 GiB}, {size: 512 MiB}, {shared: quorum}]
    dvd: "discs/tools & more.iso"
  node-2:
    hostname: node-2
    adapters: [{network: lan, address: 192.168.50.2/24}]
    disks: [{shared: quorum}]
  own: {hostname: own, adapters: [], disks: [{name: data, size: 1 GiB}]}
"""
RENDERERS = {"mmd": render_mermaid, "dot": render_dot, "svg": render_svg}


def a_broken_lab() -> Drawing:
    """Return failover with one machine in each state."""
    source, world = topology(), World()
    wanted = desired(source, world.observed)
    world.apply(plan(wanted, world.observed), wanted)
    first, *others = world.machines["srv-web"].adapters
    moved = replace(first, attachment=Attachment("internal", "cluster"))
    world.change("srv-web", adapters=(moved, *others))
    world.change("dns", power=PowerState.OFF)
    del world.machines["client"]
    return drawing(source, wanted, world.observed)


def strange() -> Drawing:
    """Return a drawing whose texts hold what each format reads as markup."""
    text = 'a<b> & "c" \\n #1; |x|'
    networks = (DrawnNetwork(text, "internal", "", ()), *(DrawnNetwork(f"n{n}", "nat", "", ()) for n in range(9)))
    link = Link(1, "enp0s3", text, "", cable=False)
    disks = (DrawnDisk(text, text), DrawnDisk(text, text, shared=True))
    machine = DrawnMachine(text, text, (text,), (link,), text, "drift", text, disks, text)
    return Drawing(text, text, networks, (machine,), observed=True)


@pytest.mark.parametrize("kind", RENDERERS)
def test_topologies(kind: str) -> None:
    for name in ("failover", "loadbalancing"):
        check_golden(f"graphs/{name}.{kind}", RENDERERS[kind](drawing(topology(name))).splitlines())


@pytest.mark.parametrize("kind", RENDERERS)
def test_disks_and_what_is_in_a_drive(kind: str) -> None:
    source = made(STORAGE)
    check_golden(f"graphs/storage.{kind}", RENDERERS[kind](drawing(source)).splitlines())


@pytest.mark.parametrize("kind", RENDERERS)
def test_an_observed_lab(kind: str) -> None:
    check_golden(f"graphs/failover-observed.{kind}", RENDERERS[kind](a_broken_lab()).splitlines())


def test_states_of_an_observed_lab() -> None:
    states = {machine.name: (machine.state, machine.remark) for machine in a_broken_lab().machines}
    assert states == {
        "firewall": ("running", "running"),
        "dns": ("off", "off"),
        "client": ("absent", "absent"),
        "srv-web": ("drift", "running, adapter 1 is on internal cluster, expected internal sw-dmz"),
        "srv-web-bis": ("running", "running"),
    }
    assert {state for state, _ in states.values()} | {"unknown"} == set(STATES)


def test_what_is_adopted_is_named() -> None:
    source = topology(environment="school")
    machines = {machine.name: machine for machine in drawing(source, desired(source, World().observed)).machines}
    assert machines["firewall"].adopted == "PF_FIREWALL"
    assert machines["srv-web"].adopted == ""


def test_markup_in_texts_stays_text() -> None:
    svg = ET.fromstring(render_svg(strange()))
    assert 'a<b> & "c" \\n #1; |x|' in [element.text for element in svg.iter()]
    assert '"a<b> & \\"c\\" \\\\n #1; |x|"' in render_dot(strange())
    label = re.search(r"vm1\[\"(.*)\"\]", render_mermaid(strange()))
    assert label is not None
    assert label[1].startswith("<b>a#60;b#62; #38; #34;c#34; #92;n #35;1#59; #124;x#124;</b><br/>")
    assert 'vm1 -.-|"enp0s3 (unplugged)"| net1' in render_mermaid(strange())


@pytest.mark.parametrize("name", ["failover", "loadbalancing"])
def test_nothing_overlaps(name: str) -> None:
    layout = lay_out(drawing(topology(name)))
    assert len(layout.boxes) == len(topology(name).machines)
    for one, other in combinations(layout.boxes, 2):
        apart = one.x + one.width <= other.x or other.x + other.width <= one.x
        assert apart or one.y + one.height <= other.y or other.y + other.height <= one.y
    for cable in layout.cables:
        top, bottom = sorted((cable.y_box, cable.y_bar))
        for box in layout.boxes:
            beside = cable.x <= box.x or cable.x >= box.x + box.width
            assert beside or bottom <= box.y or top >= box.y + box.height
        assert any(cable.y_bar in (bar.y, bar.y + BAR) for bar in layout.bars if bar.network == cable.link.network)
    assert all(box.x + box.width <= layout.width and box.y + box.height <= layout.height for box in layout.boxes)


def test_the_order_of_networks() -> None:
    assert network_order(drawing(topology())) == ("wan", "sw-dmz", "servers", "clients")
    order = network_order(drawing(topology("loadbalancing")))
    assert abs(order.index("sw-dmz") - order.index("cluster")) == 1
    assert len(network_order(strange())) == 10
    assert lay_out(Drawing("empty", "empty", (), (DrawnMachine("m", "m", (), ()),), False)).boxes[0].height > 0


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("VBOXLAB_HOME", str(tmp_path))
    monkeypatch.setenv("VBOXLAB_SETTINGS", str(tmp_path / "none.yaml"))
    monkeypatch.setenv("VBOXLAB_DRIVER", "memory")
    assert run(["graph", "failover", "--set", "student=zoe"]) == 0
    assert "<b>srv-web</b><br/>srv-web-zoe<br/>" in capsys.readouterr().out
    target = tmp_path / "lab.svg"
    assert run(["graph", "loadbalancing", "--format", "svg", "-o", str(target)]) == 0
    assert ET.parse(target).getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert run(["graph", "failover", "--format", "dot", "-o", str(tmp_path)]) == 64
    assert run(["graph"]) == 64
    assert "there is no lab on this computer yet" in capsys.readouterr().err
