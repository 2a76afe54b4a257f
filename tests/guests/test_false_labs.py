"""Real guests of which something is not true that `verify` claims: none of these labs passes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.guests.command import PAGE, CommandLine
from tests.guests.living import live
from vboxlab.roles.dns.guest import CONFIGURATION
from vboxlab.topology.scenario import Scenario
from vboxlab.verification.live import LiveLab
from vboxlab.verification.report import StepReport
from vboxlab.verification.runner import run_scenario

pytestmark = [pytest.mark.guests, pytest.mark.timeout(1800)]

RELOAD = "systemctl restart dnsmasq"
NAME_SERVER = "192.168.100.10"
URL = "http://192.168.200.5"
MASTER, SECOND = "srv-web", "srv-web-bis"
# Listens, accepts, and never says a word: what a program does that hangs.
MUTE = (
    "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 80, Listen => 99, ReuseAddr => 1) or exit 1; "
    "fork and exit; open STDOUT, '>/dev/null'; open STDERR, '>/dev/null'; my @kept; "
    "while (1) { push @kept, scalar $s->accept }"
)


class Trial:
    """Breaks something in a guest, asks one step of it, and mends it."""

    def __init__(self, lab: LiveLab) -> None:
        self.lab = lab

    def root(self, machine: str, script: str) -> str:
        done = self.lab.executor(machine).run(script, root=True, timeout=180)
        assert done.exit_code == 0, (machine, script, done)
        return done.stdout

    def step(self, **step: Any) -> StepReport:
        words = {"from" if key == "source" else key: value for key, value in step.items()}
        return run_scenario(Scenario(steps=({"within": 0, **words},)), self.lab, time_scale=3.0).steps[0]

    def page(self, **more: Any) -> StepReport:
        return self.step(check="page", source="client", url=URL, contains="Srv-Web de", **{"times": 3, **more})

    def address(self, machine: str, *, held: bool) -> StepReport:
        return self.step(check="address", on=machine, address="192.168.200.5", held=held)

    @contextmanager
    def broken(self, machine: str, script: str, mend: str) -> Iterator[None]:
        self.root(machine, script)
        try:
            yield
        finally:
            self.root(machine, mend)


def stopped(trial: Trial) -> StepReport:
    with trial.broken(MASTER, "systemctl stop apache2", "systemctl start apache2"):
        return trial.page()


def mute(trial: Trial) -> StepReport:
    script = f"systemctl stop apache2 && cat > /tmp/mute.pl <<'END'\n{MUTE}\nEND\nperl /tmp/mute.pl"
    with trial.broken(MASTER, script, "pkill -x perl; systemctl start apache2"):
        return trial.page(timeout=1)


def wrong_page(trial: Trial) -> StepReport:
    with trial.broken(MASTER, f"mv {PAGE} /tmp/page; echo It works > {PAGE}", f"mv /tmp/page {PAGE}"):
        return trial.page()


def held_by_both(trial: Trial) -> StepReport:
    alias = "ip address {} 192.168.200.5/24 dev enp0s3"
    with trial.broken(SECOND, alias.format("add"), alias.format("del")):
        return trial.address(SECOND, held=False)


def held_by_none(trial: Trial) -> StepReport:
    gone = "ip address del 192.168.200.5/24 dev enp0s3"
    back = "ip address add 192.168.200.5/24 brd + dev enp0s3 label enp0s3:0"
    with trial.broken(MASTER, gone, back):
        return trial.address(MASTER, held=True)


def no_name_server(trial: Trial) -> StepReport:
    script = "cp /etc/resolv.conf /tmp/resolv.conf; echo nameserver 192.168.200.52 > /etc/resolv.conf"
    with trial.broken(MASTER, script, "cp /tmp/resolv.conf /etc/resolv.conf"):
        return trial.step(check="resolves", source=MASTER, name="www.mlif.local", address="192.168.200.5")


def wrong_answer(trial: Trial) -> StepReport:
    """The DNS server answers for the lab's name with another address than the lab's."""
    change = f"cp {CONFIGURATION} /tmp/lab.conf; sed -i '/www/s/200.5$/200.6/' {CONFIGURATION}; {RELOAD}"
    with trial.broken("dns", change, f"cp /tmp/lab.conf {CONFIGURATION}; {RELOAD}"):
        return trial.step(check="resolves", source=MASTER, name="www.mlif.local", address="192.168.200.5")


def route_gone(trial: Trial) -> StepReport:
    back = "ip route add default via 192.168.200.254"
    with trial.broken(MASTER, "ip route del default", back):
        return trial.step(check="ping", source=MASTER, to="192.168.100.10")


def a_day_off(trial: Trial) -> StepReport:
    with trial.broken(SECOND, "date -s '+1 day' >/dev/null", "date -s '-1 day' >/dev/null"):
        return trial.step(check="clocks", on=[MASTER, SECOND])


def cable_out(trial: Trial) -> StepReport:
    trial.lab.set_cable("client", 1, False)
    try:
        return trial.page(timeout=1)
    finally:
        trial.lab.set_cable("client", 1, True)


def hanging(trial: Trial) -> StepReport:
    """Apache is there, listens, and does nothing: its processes are stopped."""
    script = "systemctl kill --signal={} apache2"
    with trial.broken(MASTER, script.format("STOP"), script.format("CONT")):
        return trial.step(check="probe", source="client", url=URL, contains="Srv-Web", timeout=1)


def closed(trial: Trial) -> StepReport:
    """Nobody listens, where an answer is expected: refused by the machine itself, and dropped by the firewall."""
    trials = ((MASTER, "tcp://192.168.200.52:8080", "refused"), ("client", "tcp://192.168.200.5:8080", "timeout"))
    for source, url, expected in trials:
        right = trial.step(check="probe", source=source, url=url, expect=expected, timeout=1)
        assert right.outcome == "passed", right
    return trial.step(check="probe", source=MASTER, url="tcp://192.168.200.52:8080", timeout=1)


def named_otherwise(trial: Trial) -> StepReport:
    """The name server is asked from outside, and pinged: both answer, but not what is expected."""
    for url, contains in ((f"dns://{NAME_SERVER}/www.mlif.local", "192.168.200.5"), (f"ping://{NAME_SERVER}", "")):
        right = trial.step(check="probe", source="client", url=url, contains=contains)
        assert right.outcome == "passed", right
    return trial.step(
        check="probe", source="client", url="dns://192.168.100.10/www.mlif.local", contains="192.168.200.6"
    )


def not_enabled(trial: Trial) -> StepReport:
    with trial.broken(MASTER, "systemctl stop cron", "systemctl start cron"):
        return trial.step(check="service", on=MASTER, service="cron")


def prober_killed(trial: Trial) -> StepReport:
    """The prober ends in the middle of a measure whose cause harms nothing."""

    def kill() -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if trial.lab.executor("client").run("pgrep -x perl").exit_code == 0:
                time.sleep(4)
                trial.lab.executor("client").run("pkill -9 -x perl", root=True)
                return
            time.sleep(0.5)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        return trial.step(
            measure="interruption", source="client", url=URL, served_by=MASTER, observe=30, within=60,
            cause={"fault": "stop-service", "machine": MASTER, "service": "cron"}, limits={"longest_gap": 5},
        )  # fmt: skip
    finally:
        killer.join()


def masked(trial: Trial) -> StepReport:
    """The successor's Apache cannot start: it takes the address over, and serves nothing."""
    with trial.broken(SECOND, "systemctl mask apache2", "systemctl unmask apache2"):
        return trial.step(
            measure="interruption", source="client", url=URL, served_by=SECOND, within=10,
            cause={"fault": "power-off", "machine": MASTER}, limits={"interruption": 15},
        )  # fmt: skip


FALSE_LABS: dict[str, tuple[Callable[[Trial], StepReport], str]] = {
    "Apache is stopped": (stopped, "failed"),
    "a service accepts and never answers": (mute, "failed"),
    "another page is served": (wrong_page, "failed"),
    "both hold the address": (held_by_both, "failed"),
    "nobody holds the address": (held_by_none, "failed"),
    "the resolver has no name server": (no_name_server, "failed"),
    "the DNS server answers otherwise": (wrong_answer, "failed"),
    "the default route is gone": (route_gone, "failed"),
    "a clock is a day off": (a_day_off, "failed"),
    "the client's cable is out": (cable_out, "failed"),
    "a service hangs": (hanging, "failed"),
    "nobody listens": (closed, "failed"),
    "a name has another address": (named_otherwise, "failed"),
    "a service does not run": (not_enabled, "failed"),
    "the prober is killed": (prober_killed, "error"),
    "the successor's Apache is masked": (masked, "failed"),
}


FAULTS: tuple[dict[str, Any], ...] = (
    {"fault": "hang-service", "service": "heartbeat", "machine": SECOND},
    {"fault": "kill-service", "service": "dnsmasq", "machine": "dns"},  # systemd starts it no more
    {"fault": "clock-jump", "seconds": 86400, "machine": SECOND},
    {"fault": "fill-disk", "path": "/tmp", "machine": "client"},
    {"fault": "command", "run": ["touch", "/run/trouble"], "undo": ["rm", "/run/trouble"], "machine": SECOND},
)


def test_faults_are_in_force_and_undone(fresh_lab: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each on a real guest: seen while it is in force, by steps of the scenario, and gone after it."""
    seen: tuple[dict[str, Any], ...] = (
        {"check": "clocks", "on": [MASTER, SECOND]},
        {"check": "service", "on": "dns", "service": "dnsmasq"},
        {"check": "command", "on": SECOND, "run": "test ! -e /run/trouble"},
        {"check": "command", "on": "client", "run": "cp /etc/passwd /tmp/copy", "root": True},
    )
    with live(fresh_lab, monkeypatch) as lab:
        steps = tuple({"within": 0, **one} for one in seen)
        during = run_scenario(Scenario(steps=(*FAULTS, *steps)), lab, time_scale=3.0)
        assert [step.outcome for step in during.steps] == ["passed"] * len(FAULTS) + ["failed"] * 4 + ["passed"]
        after = run_scenario(Scenario(steps=steps), lab, time_scale=3.0)
        assert [step.outcome for step in after.steps] == ["passed"] * 4


def test_what_stands_still_or_is_cut_off_is_not_seen_and_is_seen_again(
    fresh_lab: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hypervisor's own faults, each seen from another guest while it is in force, and gone when it has ended."""
    network = "sw-dmz"
    ping = {"check": "ping", "from": SECOND, "to": MASTER, "within": 0}
    bad = {"machine": MASTER, "slot": 1}
    steps: tuple[tuple[dict[str, Any], str], ...] = (
        (ping, "passed"),
        ({"fault": "pause", "machine": MASTER}, "passed"),
        (ping, "failed"),
        ({"fault": "resume", "machine": MASTER}, "passed"),
        ({**ping, "within": 30}, "passed"),
        ({"fault": "partition", "network": network, "groups": [[MASTER]]}, "passed"),
        (ping, "failed"),
        ({"fault": "heal", "network": network}, "passed"),
        ({**ping, "within": 30}, "passed"),
        ({"fault": "impair", "loss": 1, **bad}, "passed"),
        (ping, "failed"),
        ({"fault": "repair", **bad}, "passed"),
        ({**ping, "within": 30}, "passed"),
        ({"fault": "partition", "network": network, "groups": [[MASTER], [SECOND]]}, "passed"),
        ({"fault": "pause", "machine": MASTER}, "passed"),
    )
    with live(fresh_lab, monkeypatch) as lab:
        during = run_scenario(Scenario(steps=tuple(step for step, _outcome in steps)), lab, time_scale=3.0)
        assert [step.outcome for step in during.steps] == [outcome for _step, outcome in steps] + ["passed"]
        after = run_scenario(Scenario(steps=({**ping, "within": 30},)), lab, time_scale=3.0)
        assert [step.outcome for step in after.steps] == ["passed"]


def test_no_false_lab_passes(fresh_lab: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    with live(fresh_lab, monkeypatch) as lab:
        trial = Trial(lab)
        assert trial.page(within=60).outcome == "passed"
        found = {}
        for name, (make, _expected) in FALSE_LABS.items():
            step = make(trial)
            found[name] = step.outcome, step.message
        wrong = {name: told for name, told in found.items() if told[0] != FALSE_LABS[name][1]}
        assert wrong == {}
