"""Slips in interfaces files: errors where, and only where, the machine boots otherwise than with ours."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from ipaddress import IPv4Interface

import pytest

from tests.corpus import Variant, variants
from tests.golden_files import check_golden
from tests.unit.guest.grammars.test_interfaces import files
from tests.unit.guest.test_slips import lines
from tests.unit.plan_world import topology
from vboxlab.guest.configurator import ResourceResult, StageReport
from vboxlab.guest.differences import guest_findings
from vboxlab.guest.facts import Answer, Facts, FileFact
from vboxlab.guest.findings import Finding
from vboxlab.guest.place import Place
from vboxlab.guest.role_registry import resources_for
from vboxlab.guest.slips.interfaces import slips

CORPUS = variants("interfaces")
BY_NAME = {variant.name: variant for variant in CORPUS}
NAMES = ("enp0s19", "enp0s3", "enp0s8", "lo")
LIVE = {"enp0s3": ("192.168.200.5/24",), "enp0s8": ("192.168.201.1/24",), "enp0s19": ("10.0.9.15/24",)}
GATEWAYS = (("192.168.200.254", "enp0s3"),)


@functools.cache
def balancer() -> Place:
    source = topology("loadbalancing", health="none")
    return Place(source, source.machines["load-balancer"], "balancing")


def facts(contents: Mapping[str, bytes], answers: Mapping[str, Answer] | None = None) -> Facts:
    found = {path: FileFact(path, 0o644, "root:root", data) for path, data in contents.items()}
    return Facts(files=found, interfaces=NAMES, addresses=LIVE, gateways=GATEWAYS, answers=answers or {})


def judge(variant: Variant) -> list[Finding]:
    return list(slips(balancer(), facts(files(variant))))


@pytest.mark.parametrize("variant", CORPUS, ids=str)
def test_errors_are_found_where_the_meaning_is_another(variant: Variant) -> None:
    findings = judge(variant)
    errors = [finding for finding in findings if finding.severity == "error"]
    assert (errors == []) == variant.is_same, findings
    assert all(finding.explains == ("file:/etc/network/interfaces",) for finding in findings)
    assert "interfaces-otherwise" not in [finding.code for finding in findings]


# What is told besides of files that mean the same.
WORTH_A_WORD = {
    "broken-file-beside": ["interfaces-broken"],
    "no-source-no-loopback": ["interfaces-management"],
}


@pytest.mark.parametrize("variant", [each for each in CORPUS if each.is_same], ids=str)
def test_nothing_is_told_of_other_words_for_the_same(variant: Variant) -> None:
    assert [finding.code for finding in judge(variant)] == WORTH_A_WORD.get(variant.name, [])


# One variant for each code, whose exact words are kept.
SHOWN = {
    "interfaces-no-name": "no-name",
    "interfaces-family": "no-family",
    "interfaces-no-method": "capital-static",
    "interfaces-inherits-nothing": "inherits-without-a-name",
    "interfaces-inherits-unknown": "inherits-from-nobody",
    "interfaces-no-value": "no-break-space",
    "interfaces-misplaced": "option-after-auto",
    "interfaces-two-scripts": "two-scripts-in-a-mapping",
    "interfaces-broken": "error-ends-a-file-beside",
    "interfaces-not-seen": "source-quoted-pattern",
    "interfaces-too-long": "a-line-of-a-mebibyte",
    "interfaces-management": "not-sourced",
    "interfaces-mapping": "no-scripts-of-a-mapping",
    "interfaces-fails": "second-stanza-the-same",
    "interfaces-option": "misspelt-option",
    "interfaces-changes": "mtu",
    "interfaces-extra-address": "backup-copy-is-read-too",
    "interfaces-second-gateway": "gateway-twice",
    "interfaces-extra-route": "up-adds-a-route",
}


@pytest.mark.parametrize("code", SHOWN)
def test_the_words_of_a_slip(code: str) -> None:
    findings = judge(BY_NAME[SHOWN[code]])
    assert code in [finding.code for finding in findings]
    check_golden(f"slips/{code}.txt", lines(findings))


def judged(text: str, answers: Mapping[str, Answer] | None = None) -> list[Finding]:
    return list(slips(balancer(), facts({"/etc/network/interfaces": text.encode()}, answers)))


OURS = BY_NAME["ours"].content.decode()


def test_an_address_without_a_prefix_has_that_of_its_class() -> None:
    machine = balancer().machine
    first, *others = machine.adapters
    other = first.model_copy(update={"address": IPv4Interface("10.0.0.5/24"), "gateway": None})
    place = Place(balancer().topology, machine.model_copy(update={"adapters": (other, *others)}), "balancing")
    text = OURS.replace("192.168.200.5/24", "10.0.0.5").replace("    gateway 192.168.200.254\n", "")
    live = facts({"/etc/network/interfaces": text.encode()})
    findings = [finding for finding in slips(place, live) if finding.where.kind == "file"]
    assert [finding.code for finding in findings] == ["interfaces-no-prefix"]
    check_golden("slips/interfaces-no-prefix.txt", lines(findings))


def test_no_interface_is_renamed() -> None:
    findings = judged(OURS.replace("auto lo", "rename enp0s8=enp0s9\nauto lo"))
    assert [(finding.code, finding.severity) for finding in findings] == [("interfaces-rename", "error")]
    check_golden("slips/interfaces-rename.txt", lines(findings))


def test_a_command_that_only_a_shell_understands_is_told() -> None:
    findings = judged(
        OURS.replace("    gateway", "    up for each in 1 2; do ip addr add 10.0.0.$each/24; done\n    gateway")
    )
    assert [(finding.code, finding.severity) for finding in findings] == [("interfaces-command", "warning")]
    check_golden("slips/interfaces-command.txt", lines(findings))


@pytest.mark.parametrize("variant", [each for each in CORPUS if each.is_same], ids=str)
def test_what_ifquery_says_of_other_words_for_the_same_is_no_slip(variant: Variant) -> None:
    options = {name: said for name, said in variant.asked["options"].items() if said is not None}
    answers = {
        f"ifquery-{name}": Answer(0, "".join(f"{line}\n" for line in said), "") for name, said in options.items()
    }
    findings = slips(balancer(), facts(files(variant), answers))
    assert [finding.code for finding in findings] == WORTH_A_WORD.get(variant.name, [])


def test_ifquery_is_believed_where_it_read_more() -> None:
    said = "address: 192.168.200.5\naddress: 192.168.200.99\n"
    findings = judged(f"source /root/net.cfg\n{OURS}", {"ifquery-enp0s3": Answer(0, said, "")})
    assert [finding.code for finding in findings] == ["interfaces-not-seen", "interfaces-asked"]
    check_golden("slips/interfaces-asked.txt", lines(findings))
    complaint = "ifquery: /root/net.cfg:1: misplaced option\nifquery: couldn't read interfaces file\n"
    findings = judged(OURS, {"ifquery": Answer(1, "", complaint)})
    assert [finding.code for finding in findings] == ["interfaces-unreadable"]
    check_golden("slips/interfaces-unreadable.txt", lines(findings))


@pytest.mark.parametrize("variant", CORPUS, ids=str)
def test_other_words_are_no_difference_and_another_meaning_always_is(variant: Variant) -> None:
    place = balancer()
    resources = resources_for(place.topology, place.machine, "balancing")
    index = next(i for i, r in enumerate(resources) if r.key == "file:/etc/network/interfaces")
    result = ResourceResult(resources[index].key, "would-change", "content differs")
    preview = StageReport(place.machine.name, (result,))
    found = guest_findings(place, resources[index : index + 1], facts(files(variant)), preview)
    about = [finding for finding in found if finding.where.name.startswith("/etc/network/")]
    assert any(finding.severity == "error" for finding in about) == (not variant.is_same)
    assert not any(finding.code.startswith("file-") for finding in about)
