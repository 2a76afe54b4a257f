"""The sampler for real: in a network of two computers, of which one asks the other by ARP."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from vboxlab.topology.invariants import HoldersInvariant
from vboxlab.verification.probes import program_text
from vboxlab.verification.samplers import samplings
from vboxlab.verification.sightings import Claimed, SamplerBegun

# Two computers on one cable; the second takes 10.99.0.5 after a second, and so does the first's neighbour on a bridge.
NETWORK = """
ip link set lo up
ip link add hub type bridge && ip link set hub up
for number in 1 2 3; do
    ip netns add lab$$-$number
    ip link add port$number type veth peer name card netns lab$$-$number
    ip link set port$number master hub up
    ip -n lab$$-$number link set card address 08:00:27:00:00:0$number up
    ip -n lab$$-$number address add 10.99.0.1$number/24 dev card
done
trap 'for number in 1 2 3; do ip netns del lab$$-$number; done' EXIT
(sleep 1; ip -n lab$$-2 address add 10.99.0.5/24 dev card; sleep 1; ip -n lab$$-3 address add 10.99.0.5/24 dev card) &
sleep 3 | ip netns exec lab$$-1 sh -c "$1"
wait
"""


def unshared(script: str) -> subprocess.CompletedProcess[str]:
    words = ["unshare", "--net", "--mount", "sh", "-c", NETWORK, "sh", script]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def possible() -> bool:
    tried = "ip link add hub type bridge && ip netns add vboxlab-tried && ip netns del vboxlab-tried"
    return (
        subprocess.run(["unshare", "--net", "--mount", "sh", "-c", tried], capture_output=True, check=False).returncode
        == 0
    )


def test_the_program_needs_nothing_outside_perl_base() -> None:
    folder = next(Path("/usr/lib").glob("*-linux-gnu/perl-base"), None)
    if folder is None:
        pytest.skip("this host has no separate perl-base")
    alone = ["perl", "-e", f"BEGIN {{ @INC = ('{folder}') }} {program_text('sampler.pl')}", "--"]
    looks = (("address", "0.1", "127.0.0.1"), ("command", "0.1", "it", "echo", "is it"), ("arp", "0.1", "240.0.0.1"))
    for look in looks:
        done = subprocess.run([*alone, *look], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        said = [line.split() for line in done.stdout.splitlines()]
        assert [words[0] for words in said] == ["M", "X" if look[0] == "arp" else "H"], (look, done)
        assert done.stderr == ""
        assert look[0] == "arp" or said[1][2] == "1"


@pytest.mark.skipif(not possible(), reason="no network namespaces for this user")
def test_everybody_who_answers_by_arp_is_seen() -> None:
    wanted = HoldersInvariant(**{"invariant": "one-holder", "on": ("a", "b"), "from": "client", "address": "10.99.0.5"})
    asking = samplings(4, wanted, 0.4)[-1]
    assert (asking.machine, asking.root) == ("client", True)
    done = unshared(asking.script)
    understand = asking.understand()
    said = [understand(line, 0.0) for line in done.stdout.splitlines()]
    assert isinstance(said[0], SamplerBegun), (done.stdout, done.stderr)
    assert said[0].cards == ("08:00:27:00:00:01",)
    seen = list(dict.fromkeys(one.cards for one in said if isinstance(one, Claimed)))
    assert seen == [(), ("08:00:27:00:00:02",), ("08:00:27:00:00:02", "08:00:27:00:00:03")]


def test_a_line_that_no_sampler_says_is_refused() -> None:
    wanted = HoldersInvariant(invariant="one-holder", on=("a", "b"), address="10.99.0.5")
    understand = samplings(1, wanted, 1.0)[0].understand()
    for line in ("", "H", "H soon 1", "H 1.0 2", "rm -rf /", "A 1.0"):
        with pytest.raises(ValueError, match=r"^"):
            understand(line, 0.0)


def test_no_word_of_a_topology_reaches_the_shell() -> None:
    wanted = HoldersInvariant(
        invariant="at-most-one", on=("a", "b"), run=("echo", "$(id)", "'; id; '"), shows="uid=0(root)"
    )
    script = samplings(1, wanted, 1.0)[0].script
    words = shlex.split(script)
    assert words[-4:] == ["uid=0(root)", "echo", "$(id)", "'; id; '"]
