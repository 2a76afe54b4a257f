"""`parts`: what topologies share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.topology.test_schema import errors
from vboxlab.errors import TopologyInvalid
from vboxlab.settings import Settings
from vboxlab.topology.catalog import FoundParts
from vboxlab.topology.library import Library
from vboxlab.topology.loader import load_topology
from vboxlab.topology.model import Topology

ROOT = Path(__file__).parents[3]

HEAD = """\
lab: small
base: debian12
parameters:
  student: {default: theodore}
  mode: {default: plain, choices: [plain, school]}
"""
SITE = """\
part: a site with a gateway and its clients
parameters:
  site: {description: "name of the site"}
  number: {default: "1"}
  clients: {default: "0"}
  mode: {default: plain, choices: [plain, school, other]}
  student: {default: nobody}
networks:
  lan-{site}: {subnet: "192.168.{number}.0/24"}
machines:
  gate-{site}:
    hostname: gate-{site}-{student}
    adopt: {vm: "GATE_{site}", when: {mode: school}}
    adapters: [{network: "lan-{site}", address: "192.168.{number}.1/24"}]
    roles: [{role: web, page: "{{site}} is {site}, {student}"}]
  client-{site}-{n}:
    for each: {n: "1..{clients}"}
    when: {mode: [plain, other]}
    hostname: client-{site}-{n}
    adapters: [{network: "lan-{site}", address: "192.168.{number}.{n+10}/24"}]
verify:
  - {check: ping, title: "{site}", from: "gate-{site}", to: "192.168.{number}.1", when: {mode: plain}}
  - {check: ping, title: "large {site}", from: "gate-{site}", to: "192.168.{number}.1", when: {number: "2"}}
"""
# The same for paris and lyon, as one would write it.
BY_HAND = """\
networks:
  lan-paris: {subnet: 192.168.1.0/24}
  lan-lyon: {subnet: 192.168.2.0/24}
machines:
  gate-paris:
    hostname: gate-paris-theodore
    adopt: {vm: GATE_paris, when: {mode: school}}
    adapters: [{network: lan-paris, address: 192.168.1.1/24}]
    roles: [{role: web, page: "{{site}} is paris, theodore"}]
  gate-lyon:
    hostname: gate-lyon-zoe
    adopt: {vm: GATE_lyon, when: {mode: school}}
    adapters: [{network: lan-lyon, address: 192.168.2.1/24}]
    roles: [{role: web, page: "{{site}} is lyon, zoe"}]
  client-lyon-1:
    hostname: client-lyon-1
    adapters: [{network: lan-lyon, address: 192.168.2.11/24}]
verify:
  - {check: ping, title: paris, from: gate-paris, to: 192.168.1.1, when: {mode: plain}}
  - {check: ping, title: lyon, from: gate-lyon, to: 192.168.2.1, when: {mode: plain}}
  - {check: ping, title: large lyon, from: gate-lyon, to: 192.168.2.1}
  - {check: ping, from: gate-paris, to: gate-lyon}
"""
TWO = """\
parts:
  - {part: site, site: paris}
  - {part: site, site: lyon, number: "2", clients: "1", student: zoe}
verify:
  - {check: ping, from: gate-paris, to: gate-lyon}
"""
Make = Callable[..., Topology]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    (tmp_path / "parts").mkdir()

    def load(text: str, site: str = SITE, **values: str) -> Topology:
        (tmp_path / "t.yaml").write_text(HEAD + text, encoding="utf-8")
        (tmp_path / "parts" / "site.yaml").write_text(site, encoding="utf-8")
        return load_topology(tmp_path / "t.yaml", values)

    return load


def said(make: Make, *texts: str, **values: str) -> list[str]:
    with pytest.raises(TopologyInvalid) as caught:
        make(*texts, **values)
    return [detail.partition("/t.yaml:")[2] or detail.partition("/parts/")[2] for detail in caught.value.details]


def test_a_part_is_what_one_would_write_by_hand(make: Make) -> None:
    shared, plain = make(TWO), make(BY_HAND)
    assert shared == plain
    assert shared.digest == plain.digest
    assert errors(HEAD + TWO) == []
    assert errors(SITE) == []


def test_a_condition_of_a_part_is_one_on_the_topologys_parameter(make: Make) -> None:
    shared = make(TWO, mode="school")
    assert [machine.name for machine in shared.adopted_machines] == ["gate-paris", "gate-lyon"]
    assert list(shared.machines) == ["gate-paris", "gate-lyon"]
    fixed = make(TWO.replace("site: paris", "site: paris, mode: other"), mode="school")
    assert [machine.name for machine in fixed.adopted_machines] == ["gate-lyon"], "its own value decides for paris"
    assert [step.title for step in fixed.verify.steps] == ["lyon", "large lyon", ""]
    assert [step.title for step in fixed.verify.applying(fixed.values)] == ["large lyon", ""]


def test_our_topologies_are_what_they_were_before_they_shared_parts() -> None:
    """The digests are those of the files that wrote everything out: no lab that exists is seen as changed."""
    for line in (ROOT / "tests" / "golden" / "topology" / "digests.txt").read_text(encoding="utf-8").splitlines():
        name, *values, digest = line.split()
        topology = load_topology(ROOT / "topologies" / f"{name}.yaml", dict(value.split("=") for value in values))
        assert topology.digest == digest, line


def test_parts_can_be_left_out_and_repeated(make: Make) -> None:
    text = "parts:\n  - {part: site, site: 's{n}', number: '{n+4}', for each: {n: 1..3}, when: {n: ['1', '3']}}\n"
    topology = make(text)
    assert list(topology.machines) == ["gate-s1", "gate-s3"]
    assert [str(network.subnet) for network in topology.networks.values()] == ["192.168.5.0/24", "192.168.7.0/24"]
    inner = make(text.replace("number", "clients: '2', number"))
    assert list(inner.machines)[:3] == ["gate-s1", "client-s1-1", "client-s1-2"]


def test_mappings_are_merged_and_everything_else_is_replaced(make: Make) -> None:
    text = TWO + (
        "networks:\n  lan-paris: {description: ours}\n"
        "machines:\n"
        "  gate-paris: {memory: 1024, adopt: {vm: OTHER}, roles: [{role: time}]}\n"
        "  own: {hostname: own, adapters: [{network: lan-lyon}]}\n"
    )
    topology = make(text)
    assert list(topology.machines) == ["gate-paris", "gate-lyon", "client-lyon-1", "own"], "the parts come first"
    gate = topology.machines["gate-paris"]
    assert (gate.hostname, gate.memory, len(gate.adapters)) == ("gate-paris-theodore", 1024, 1)
    assert gate.adopt is not None
    assert (gate.adopt.vm, gate.adopt.when) == ("OTHER", {"mode": "school"})
    assert [role.role for role in gate.roles] == ["time"]
    assert topology.networks["lan-paris"].description == "ours"
    assert str(topology.networks["lan-paris"].subnet) == "192.168.1.0/24"
    assert errors(HEAD + text) == []


def test_a_topology_can_leave_out_what_a_part_describes(make: Make) -> None:
    text = TWO.replace("verify", "machines:\n  client-lyon-1: {when: {student: zoe}}\nverify")
    assert list(make(text).machines) == ["gate-paris", "gate-lyon"]
    assert list(make(text, student="zoe").machines) == ["gate-paris", "gate-lyon", "client-lyon-1"]
    more = TWO.replace("verify", "machines:\n  client-lyon-1: {memory: 1024}\nverify")
    assert make(more).machines["client-lyon-1"].memory == 1024
    assert list(make(more, mode="school").machines) == ["gate-paris", "gate-lyon"], "what a part leaves out stays out"


def test_problems_stand_where_they_are_written_and_name_the_part(make: Make) -> None:
    (problem,) = said(
        make, TWO, SITE.replace('"lan-{site}", address: "192.168.{number}.1/', '"lna", address: "192.168.{number}.1/')
    )
    assert problem.startswith(
        "site.yaml:14:26: [unknown-network] there is no network `lna`; expected one of lan-paris, "
    )
    assert problem.endswith(" (in part `site`, used on line 7, and 1 more)")
    (problem,) = said(make, TWO, SITE.replace("{n+10}", "{n+300}"))
    assert problem.startswith("site.yaml:20:49: [bad-address] `address` of adapter 1 of machine `client-lyon-1` is ")
    assert problem.endswith(" (in part `site`, used on line 8, turn n=1)")
    problem, _client = said(make, TWO.replace("lyon,", '"ly on",').replace("gate-lyon", "gate-paris"))
    assert problem.startswith(
        "site.yaml:12:15: [bad-hostname] `gate-ly on-zoe` is no host name for machine `gate-ly on`"
    )
    (problem,) = said(make, TWO, SITE.replace("{student}\n", "{studnet}\n", 1))
    assert problem == (
        "site.yaml:12:15: [unknown-parameter] `{studnet}` is no parameter of this part; expected one of site, number, "
        "clients, mode, student (a literal brace is written `{{`); did you mean `student`? (in part `site`, "
        "used on line 7, and 1 more)"
    )
    turns = "parts:\n  - {part: site, site: 's{n}', number: '{n+255}', for each: {n: 1..3}}\n"
    subnet, address, pinged = said(make, turns)
    assert subnet.startswith(
        "site.yaml:9:24: [bad-address] `subnet` of network `lan-s1` is `192.168.256.0/24`; expected"
    )
    assert address.startswith("site.yaml:14:49: [bad-address] `address` of adapter 1 of machine `gate-s1` is `192.168.")
    assert pinged.startswith("site.yaml:22:61: [bad-address] `192.168.256.1` is no IPv4 address; expected one such as")
    assert all(problem.endswith(" (in part `site`, turn n=1, and 2 more)") for problem in (subnet, address, pinged))


def test_a_problem_with_two_places_names_the_other_file(make: Make) -> None:
    own = "machines:\n  own: {hostname: own, adapters: [{network: lan-paris, address: 192.168.1.1/24}]}\n"
    (problem,) = said(make, TWO + own)
    assert problem.startswith("12:65: [duplicate-address] `enp0s3` of machine `own` has 192.168.1.1, the address of ")
    assert problem.endswith("/parts/site.yaml); expected another address")
    assert "(line 14 of " in problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("parts: site\n", "6:1: [wrong-type] `parts` is `site`; expected a list of `{part: NAME, parameter: value}`"),
        ("parts: [{site: x}]\n", "6:9: [missing-key] this names no part; expected the name of a part, or `{part:"),
        ("parts: [{part: site, site: a, nubmer: 1}]\n", "6:31: [unknown-key] `nubmer` is no parameter of part"),
        ("parts: [{part: site, site: [a]}]\n", "6:22: [wrong-type] `site` of part `site` is not text; expected"),
        ("parts: [{part: site, site: a, mode: b}]\n", "6:37: [wrong-value] parameter `mode` cannot be `b`; exp"),
        ("parts: [{part: site, site: '{studnet}'}]\n", "6:28: [unknown-parameter] `{studnet}` is no parameter"),
        ("parts: [{part: nowhere}]\n", "6:16: [unknown-part] there is no part `nowhere`; expected one of client"),
    ],
)  # fmt: skip
def test_a_wrong_use_is_said_once_where_it_stands(make: Make, text: str, problem: str) -> None:
    (found,) = said(make, text)
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("part: a site", "prat: a site", "site.yaml:1:1: [unknown-key] `prat` is not a key of the file"),
        ("{default: nobody}", "{defualt: nobody}", "site.yaml:7:13: [unknown-key] `defualt` is not a key of param"),
        ("networks:\n", "networks: 5\nx:\n", "site.yaml:8:11: [wrong-type] `networks` is `5`; expected keys"),
        ("verify:\n", "lab: x\nverify:\n", "site.yaml:21:1: [unknown-key] `lab` is not a key of the file"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_part_itself_is_said(make: Make, before: str, after: str, problem: str) -> None:
    found = said(make, "parts: [{part: site, site: a}]\n", SITE.replace(before, after, 1))
    assert found[0].startswith(problem)


# Each site has disks of its own, one that both nodes share, and a password; all sites have a network and one password.
STORAGE = """\
part: two nodes that share a disk
parameters:
  site: {}
  number: {default: "1"}
  size: {default: 1 GiB}
networks:
  wan: {subnet: 10.1.0.0/16}
disks:
  quorum-{site}: {size: 64 MiB}
machines:
  node-{site}-{n}:
    for each: {n: 1..2}
    hostname: node-{site}-{n}
    adapters: [{network: wan, address: "10.1.{number}.{n}/16"}]
    disks: [{name: data, size: "{size}"}, {shared: "quorum-{site}"}]
    roles: [{role: files, files: [{path: /etc/x, content: "{secret db-{site}}{secret all}{public-key tunnel-{site}}"}]}]
secrets:
  all: {}
  db-{site}: {length: 12}
  tunnel-{site}: {kind: wireguard, on: ["node-{site}-1"]}
"""
SITES = "parts:\n  - {part: site, site: a}\n  - {part: site, site: b, number: '2', size: 2 GiB}\n"


def test_a_part_has_disks_and_secrets(make: Make) -> None:
    topology = make(SITES + "disks:\n  quorum-a: {size: 128 MiB}\nsecrets:\n  own: {}\n", STORAGE)
    assert {name: disk.size for name, disk in topology.disks.items()} == {"quorum-a": "128 MiB", "quorum-b": "64 MiB"}
    assert list(topology.secrets) == ["all", "db-a", "tunnel-a", "db-b", "tunnel-b", "own"]
    assert topology.secrets["tunnel-b"].on == ("node-b-1",)
    disks = topology.machines["node-b-2"].disks
    assert [(disk.called, topology.disk_size(disk)) for disk in disks] == [("data", 2048), ("quorum-b", 64)]
    by_hand = make(
        "networks: {wan: {subnet: 10.1.0.0/16}}\n"
        "disks: {quorum-a: {size: 64 MiB}}\n"
        "machines:\n"
        + "".join(
            f"  node-a-{n}: {{hostname: node-a-{n}, adapters: [{{network: wan, address: 10.1.1.{n}/16}}],\n"
            "    disks: [{name: data, size: 1 GiB}, {shared: quorum-a}],\n"
            "    roles: [{role: files, files: [{path: /etc/x,"
            ' content: "{secret db-a}{secret all}{public-key tunnel-a}"}]}]}\n'
            for n in (1, 2)
        )
        + "secrets: {all: {}, db-a: {length: 12}, tunnel-a: {kind: wireguard, on: [node-a-1]}}\n"
    )
    assert make("parts: [{part: site, site: a}]\n", STORAGE).digest == by_hand.digest
    assert errors(STORAGE) == []
    assert errors(HEAD + SITES + "disks:\n  quorum-a: {when: {mode: plain}}\n") == []


def test_disks_and_secrets_can_be_left_out_and_repeated(make: Make) -> None:
    text = (
        "networks: {lan: {}}\n"
        "disks:\n  d{n}: {for each: {n: 1..2}, size: '{n} GiB', when: {mode: plain}}\n"
        "secrets:\n  s{n}: {for each: {n: 1..2}, when: {n: '2'}}\n"
        "machines:\n  a:\n    hostname: a\n    adapters: []\n    disks: [{shared: d2}]\n"
        '    roles: [{role: files, files: [{path: /x, content: "{secret s2}"}]}]\n'
    )
    topology = make(text)
    assert ([*topology.disks], [*topology.secrets]) == (["d1", "d2"], ["s2"])
    assert errors(HEAD + text) == []
    problem, second = said(make, text.replace("secret s2", "secret s1"), mode="school")
    assert problem == (
        "15:22: [unknown-disk] `when` leaves out shared disk `d2`, as `mode` is `school` (line 8); "
        "expected something that is there, or the same `when` here"
    )
    assert second.startswith("16:55: [unknown-secret] `when` leaves out secret `s1`, as `n` is `1` (line 10); expected")


# What is written otherwise, and the problem that it makes.
WRONG = {
    ("64 MiB", "64 MB"): (
        "site.yaml:9:25: [wrong-value] `size` of shared disk `quorum-a` is `64 MB`; expected a size such as 512 MiB or "
        "2 GiB (in part `site`, used on line 7, and 1 more)"
    ),
    ("2 GiB", "2 TiB"): (
        "site.yaml:15:32: [wrong-value] `size` of item 1 of `disks` of machine `node-b-1` is `2 TiB`; expected a size "
        "such as 512 MiB or 2 GiB (in part `site`, used on line 8, turn n=1, and 1 more)"
    ),
    ('{shared: "quorum', '{shared: "quorom'): (
        "site.yaml:15:52: [unknown-disk] there is no disk `quorom-a` under `disks` of the topology; expected one of "
        "quorum-a, quorum-b; did you mean `quorum-a`? (in part `site`, used on line 7, turn n=1, and 3 more)"
    ),
    ("secret all", "secret al"): (
        "site.yaml:16:59: [unknown-secret] there is no secret `al` under `secrets` of the topology; expected one of "
        "all, db-a, db-b; did you mean `all`? (in part `site`, used on line 7, turn n=1, and 3 more)"
    ),
    ("public-key", "private-key"): (
        "site.yaml:16:59: [secret-not-here] secret `tunnel-a` is not for machine `node-a-2`; expected one of those in "
        "its `on` (node-a-1) (in part `site`, used on line 7, turn n=2, and 1 more)"
    ),
    ("site: b", "site: c d"): (
        "site.yaml:9:3: [bad-disk-name] `quorum-c d` is no name for a disk; expected 1 to 20 letters, digits and "
        "hyphens, no hyphen first or last (in part `site`, used on line 8)"
    ),
    ("length: 12", "length: 4"): (
        "site.yaml:19:23: [out-of-range] `length` of secret `db-a` is `4`; expected a whole number from 8 to 128 "
        "(in part `site`, used on line 7, and 1 more)"
    ),
}


@pytest.mark.parametrize(("before", "after"), WRONG)
def test_what_is_wrong_with_disks_and_secrets_of_a_part(make: Make, before: str, after: str) -> None:
    assert WRONG[before, after] in said(make, SITES.replace(before, after), STORAGE.replace(before, after))


ONE_NAME = "here, and another of this name on line 7; expected a name with a parameter of the part in it (line"
TWICE = "stands here with the same values as on line 6; expected it once, or another value"
COLLISIONS = {
    (
        SITES.replace("site: b", "site: a"),
        "",
        "",
    ): f"8:5: [part-twice] part `site` makes machine `node-a-1` {ONE_NAME} 11 ",
    (SITES, "quorum-{site}: {size: 64 MiB}", "quorum: {size: '{number} GiB'}"): (
        f"8:5: [part-twice] part `site` makes shared disk `quorum` {ONE_NAME} 9 of "
    ),
    (
        SITES,
        "tunnel-{site}: {kind",
        "tunnel: {kind",
    ): f"8:5: [part-twice] part `site` makes secret `tunnel` {ONE_NAME} 20 ",
    ("parts: [{part: site, site: a}, {part: site, site: a}]\n", "", ""): f"6:32: [part-twice] part `site` {TWICE}",
    ("parts: [{part: site, site: a, for each: {n: 1..3}}]\n", "", ""): (
        f"6:9: [part-twice] part `site` {TWICE} (turn n=2, and 1 more)"
    ),
}


@pytest.mark.parametrize(("uses", "before", "after"), COLLISIONS)
def test_two_uses_of_a_part_are_kept_apart(make: Make, uses: str, before: str, after: str) -> None:
    found = said(make, uses, STORAGE.replace(before, after) if before else STORAGE)
    assert any(each.startswith(COLLISIONS[uses, before, after]) for each in found), found


def test_a_part_never_stands_outside_its_folder(make: Make, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text(SITE)
    (tmp_path / "parts" / "sub").mkdir()
    (tmp_path / "parts" / "sub" / "deep.yaml").write_text(SITE)
    for name in ("../secret", "sub/deep", f"{tmp_path}/secret", "..", "./site", "site.yaml", "sub\\deep"):
        (problem,) = said(make, f"parts: [{{part: '{name}', site: a}}]\n")
        assert problem.startswith("6:16: [unknown-part] there is no part `")


def test_the_nearest_part_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    for folder in (project / "topologies" / "parts", tmp_path / "home" / "topologies" / "parts"):
        folder.mkdir(parents=True)
        (folder / "client.yaml").write_text(f"part: of {folder}\n")
    (tmp_path / "home" / "topologies" / "parts" / "own.yaml").write_text("part: own\n")
    monkeypatch.chdir(tmp_path)
    settings = Settings(home=tmp_path / "home")
    found = FoundParts(project / "topologies" / "t.yaml", settings)
    assert found.names() == ("client", "dns", "firewall", "own")
    client, elsewhere = found.source("client"), FoundParts(tmp_path / "t.yaml", settings).source("client")
    assert client is not None
    assert client.data == {"part": f"of {project / 'topologies' / 'parts'}"}
    assert elsewhere is not None
    assert elsewhere.data == {"part": f"of {tmp_path / 'home' / 'topologies' / 'parts'}"}
    assert found.source("none") is None
    library = Library(settings)
    first = library.parts(project / "topologies" / "t.yaml").source("client")
    (project / "topologies" / "parts" / "client.yaml").unlink()
    assert library.source(project / "topologies" / "parts" / "client.yaml") is first, "it is read once"


def test_a_value_that_is_missing_is_all_that_is_told(make: Make) -> None:
    missing, _second = said(make, "parts: [site]\n", STORAGE.replace('number: {default: "1"}', "number: {}"))
    assert missing == "6:9: [missing-value] part `site` lacks a value for `site`; expected `site: …` here"
    own = "machines: {own: {hostname: own, adapters: [{network: wan, address: '{address}'}]}}\nnetworks: {wan: {}}\n"
    (problem,) = said(make, own.replace("machines", "  address: {}\nmachines", 1))
    assert problem.endswith("[missing-key] parameter `address` lacks the key `default`; expected text")
