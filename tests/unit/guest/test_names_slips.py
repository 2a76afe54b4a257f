"""The slips in names and resolvers over the corpus: an error exactly where the program understood something else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.corpus import OURS, Variant, variants
from tests.golden_files import check_golden
from tests.unit.guest.guest_root import GuestRoot, guest_root
from tests.unit.guest.test_slips import lines
from vboxlab.guest.configurator import ResourceResult, StageReport
from vboxlab.guest.differences import guest_findings
from vboxlab.guest.facts import Facts, FileFact
from vboxlab.guest.findings import Finding
from vboxlab.guest.slips import slips

HOSTS, DNS, HOSTNAME, NSSWITCH = "/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/etc/nsswitch.conf"
BALANCING = ("loadbalancing", "load-balancer")
PATHS = {"hosts": HOSTS, "resolver": DNS, "hostname": HOSTNAME, "nsswitch": NSSWITCH}
# One variant for each sentence that a student may read.
TOLD = {
    "hosts": [
        "an-earlier-line-wins", "another-address", "the-name-first", "tabs-comments-case-no-final-newline",
        "the-domain-elsewhere", "its-own-name-at-127.0.0.1", "empty",
    ],
    "resolver": [
        "a-fourth-server", "blanks-before-the-word", "options-for-speed", "options-never-to-ask",
        "another-server-behind", "a-comment-after-the-search-list", "another-domain-wins", "no-search-list",
        "carriage-returns", "empty",
    ],
    "hostname": ["a-comment-behind", "with-the-domain", "only-comments"],
    "nsswitch": ["files-alone", "dns-first", "no-services"],
}  # fmt: skip


@dataclass
class Guests:
    """The guests whose files the variants of each kind are: looked at once, as nothing else of them changes."""

    root: Path
    seen: dict[str, tuple[GuestRoot, Facts]] = field(default_factory=dict)

    def of(self, kind: str) -> tuple[GuestRoot, Facts]:
        if kind not in self.seen:
            # The topology declares what is searched on the load balancer alone.
            on_web_server = kind in ("hosts", "hostname")
            names = ("failover", "srv-web", "heartbeat") if on_web_server else (*BALANCING, "balancing")
            there = guest_root(self.root / kind, *names)
            self.seen[kind] = (there, there.facts())
        return self.seen[kind]

    def judged(self, variant: Variant) -> list[Finding]:
        """Return what is found, with the preview saying of the file that it differs."""
        there, facts = self.of(variant.kind)
        path = PATHS[variant.kind]
        facts = replace(facts, files={**facts.files, path: FileFact(path, 0o644, "root:root", variant.content)})
        key = "hostname" if variant.kind == "hostname" else f"file:{path}"
        differing = tuple(
            ResourceResult(each.key, "would-change", "content differs") for each in there.resources if each.key == key
        )
        found = guest_findings(there.place, there.resources, facts, StageReport("m", differing))
        assert found == slips(there.place, there.resources, facts), "what differs was not understood by the slips"
        return found


@pytest.fixture(scope="module")
def guests(tmp_path_factory: pytest.TempPathFactory) -> Guests:
    return Guests(tmp_path_factory.mktemp("guests"))


def is_same(variant: Variant) -> bool:
    """Tell whether the program understood what matters to the practical: options that only tune do not."""
    ours = next(each.meaning for each in variants(variant.kind) if each.name == OURS)
    found: Any = variant.meaning
    if found is None:
        return False
    if variant.kind == "resolver":
        asks = found["options"].get("attempts", 1) > 0
        return asks and (found["servers"], found["search"]) == (ours["servers"], ours["search"])
    if variant.kind == "hosts":  # a name with the domain may be left to DNS
        return all(
            set(found[name]) <= set(ours[name]) if "." in name else set(found[name]) == set(ours[name]) for name in ours
        )
    return bool(found == ours)


@pytest.mark.parametrize("variant", [v for kind in PATHS for v in variants(kind)], ids=lambda v: f"{v.kind}/{v}")
def test_an_error_exactly_where_the_program_understands_something_else(variant: Variant, guests: Guests) -> None:
    found = [each for each in guests.judged(variant) if each.code not in ("no-health-check", "invisible-character")]
    assert ([each for each in found if each.severity == "error"] == []) == is_same(variant)
    if variant.is_same:
        assert found == []


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in TOLD.items() for name in names])
def test_what_a_student_reads(kind: str, name: str, guests: Guests) -> None:
    variant = next(each for each in variants(kind) if each.name == name)
    check_golden(f"slips/names/{kind}-{name}.txt", lines(guests.judged(variant)))


def test_the_servers_for_resolvconf_are_no_servers_without_it(tmp_path: Path) -> None:
    there = guest_root(tmp_path, "failover", "srv-web", "heartbeat")
    there.write(DNS, "")
    found = {each.code: each for each in slips(there.place, there.resources, there.facts())}
    assert found["resolver"].severity == "error"
    assert found["resolver-elsewhere"].where.line == 10
    assert found["resolver-elsewhere"].explains == ()
    assert found["resolver-search"].severity == "warning"  # of a machine of which nobody said what it searches


def test_names_are_looked_up_in_files_where_there_is_no_dns(tmp_path: Path) -> None:
    there = guest_root(tmp_path, "failover", "dns", "heartbeat")
    there.write(NSSWITCH, "hosts: files\n")
    codes = {each.code for each in slips(there.place, there.resources, there.facts())}
    assert codes == ({"names-looked-up"} if there.place.machine.dns else set())
