"""How fast the guests are: an emulated one needs longer than the limits of a topology expect, and is given longer."""

from __future__ import annotations

from collections.abc import Iterable

from vboxlab.errors import InfrastructureTrouble
from vboxlab.language import _
from vboxlab.verification.subject import LabUnderTest

SCRIPT = (
    "perl -e '"
    "my ($begun, $rounds) = ((times)[0], 0); my %h; "
    'do { for my $n (1 .. 2000) { $h{$n % 97} .= "x" if length($h{$n % 97} // "") < 50; $rounds++ } } '
    "while (times)[0] - $begun < 0.3; "
    "printf qq(%.0f\\n), $rounds / ((times)[0] - $begun)'"
)
"""Prints how many rounds of a small calculation a second of the guest's processor is worth."""
EXPECTED = 2.5e6
"""What the slowest guest does for which the limits of topologies hold as they are, in rounds a second.

A guest with hardware virtualisation does many times as much; emulated ones did 1.0 to 1.2 million.
"""
PATIENCE = 60.0


def measured_speeds(lab: LabUnderTest, machines: Iterable[str]) -> dict[str, float]:
    """Return how many times slower each machine is than limits expect, measured one after the other.

    Raises InfrastructureTrouble when one does not tell, GuestError and WaitTimeout as executors do.
    """
    return {machine: _slowness(lab, machine) for machine in machines}


def _slowness(lab: LabUnderTest, machine: str) -> float:
    completed = lab.executor(machine).run(SCRIPT, timeout=PATIENCE)
    try:
        rounds = float(completed.stdout)
        slowness = EXPECTED / rounds
    except (ValueError, ZeroDivisionError):
        raise InfrastructureTrouble(
            _("{machine}: its speed cannot be measured").format(machine=machine),
            details=[completed.stdout.strip(), completed.stderr.strip()],
        ) from None
    return round(slowness, 2)


def scale_for(speeds: Iterable[float]) -> float:
    """Return by how much limits are stretched: as the slowest machine needs, never below 1."""
    return max(1.0, round(max(speeds, default=1.0), 1))
