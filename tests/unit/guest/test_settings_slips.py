"""Kernel settings are judged by what a boot makes of them, however they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpus import OURS, Variant, variants
from tests.golden_files import check_golden
from tests.unit.guest.guest_root import GuestRoot, guest_root
from tests.unit.plan_world import topology
from vboxlab.guest.configurator import ResourceResult, StageReport
from vboxlab.guest.differences import guest_findings
from vboxlab.guest.facts import Facts, FileFact
from vboxlab.guest.findings import Finding
from vboxlab.guest.grammars.sysctl import CONF, FOLDERS, LINK
from vboxlab.guest.place import Place
from vboxlab.guest.resources import Sysctl
from vboxlab.guest.slips import settings, slips
from vboxlab.guest.telling import told
from vboxlab.language import LANGUAGES, speaking

FORWARDING = Sysctl("net.ipv4.ip_forward", "1")
CASES = variants("sysctl")
(AS_OURS,) = (variant.meaning["boot"] for variant in CASES if variant.name == OURS)


def judged(variant: Variant) -> list[Finding]:
    """Return what is found in a router whose settings are as they shall be now."""
    files = {LINK: variant.files[CONF], **variant.files} if CONF in variant.files else variant.files
    facts = Facts(files={path: FileFact(path, 0o644, "root:root", data) for path, data in files.items()})
    source = topology("failover")
    return list(settings.slips(FORWARDING, Place(source, source.machines["firewall"], "heartbeat"), facts))


def lines(findings: list[Finding]) -> list[str]:
    shown = []
    for language in LANGUAGES:
        with speaking(language):
            for each in map(told, findings):
                place = f"{each.finding.severity} {each.place} [{each.finding.code}]"
                shown.append(f"{place} {each.found} => {each.expected}")
    return shown


@pytest.mark.parametrize("variant", CASES, ids=str)
def test_an_error_is_found_where_a_boot_does_otherwise(variant: Variant) -> None:
    findings = judged(variant)
    if variant.meaning["boot"] != AS_OURS:
        assert {each.severity for each in findings} == {"error"}
    elif findings:
        assert [each.severity for each in findings] == ["hint"]
        assert AS_OURS not in (variant.meaning["system"], variant.meaning["load"])


def test_every_variant_is_told_in_words() -> None:
    check_golden("slips/settings.txt", [f"{each}: {line}" for each in CASES for line in lines(judged(each))])


@pytest.fixture(name="router")
def a_router(tmp_path: Path) -> GuestRoot:
    return guest_root(tmp_path, "failover", "firewall", "heartbeat")


def found(guest: GuestRoot) -> list[Finding]:
    return [each for each in slips(guest.place, guest.resources, guest.facts()) if each.code.startswith("setting-")]


def test_all_folders_are_looked_at(router: GuestRoot) -> None:
    router.write(CONF, "# nothing\n")
    assert [each.code for each in found(router)] == ["setting-not-kept"]
    for folder in FOLDERS:
        router.write(f"{folder}/50-any.conf", "net.ipv4.ip_forward = 1\n")
        assert found(router) == []
        router.path(f"{folder}/50-any.conf").unlink()
    router.write("/etc/sysctl.d/forward", "net.ipv4.ip_forward = 1\n")
    assert [(each.code, each.where.name) for each in found(router)] == [("setting-unread", "/etc/sysctl.d/forward")]


def test_without_its_link_no_boot_reads_the_file(router: GuestRoot) -> None:
    assert found(router) == []
    for is_hidden in (False, True):
        router.path(LINK).unlink(missing_ok=True)
        if is_hidden:
            router.path(LINK).symlink_to("/dev/null")
        assert [(each.code, each.where.name, each.where.line) for each in found(router)] == [
            ("setting-unread", CONF, 2)
        ]


def test_a_package_is_hidden_by_a_link_to_nothing(router: GuestRoot) -> None:
    router.write("/usr/lib/sysctl.d/99-zz.conf", "net.ipv4.ip_forward = 0\n")
    assert [each.code for each in found(router)] == ["setting-overridden"]
    router.path("/etc/sysctl.d/99-zz.conf").symlink_to("/dev/null")
    assert found(router) == []


@pytest.mark.parametrize(("now", "codes"), [("1", []), ("2", []), ("0", ["setting-off"]), ("", ["setting-off"])])
def test_the_value_now_is_read_as_the_kernel_does(now: str, codes: list[str], router: GuestRoot) -> None:
    router.write("/proc/sys/net/ipv4/ip_forward", f"{now}\n")
    assert [each.code for each in found(router)] == codes


def test_other_words_for_a_setting_are_no_difference(router: GuestRoot) -> None:
    """The configurator wants its own line; a check does not."""
    router.write(CONF, "# nothing\n")
    router.write("/etc/sysctl.d/90-router.conf", "net/ipv4/ip_forward = 0x1\n")
    (setting,) = (each for each in router.resources if isinstance(each, Sysctl))
    preview = StageReport("firewall", (ResourceResult(setting.key, "would-change", f"not in {CONF}"),))
    assert [each.code for each in guest_findings(router.place, router.resources, router.facts(), preview)] == []
    router.write("/etc/sysctl.d/90-router.conf", "net/ipv4/ip_forward = 0\n")
    findings = guest_findings(router.place, router.resources, router.facts(), preview)
    assert [each.code for each in findings] == ["setting-other"]
