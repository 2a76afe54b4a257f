"""Configuring one web server where nothing changes: vboxlab against pyinfra and ansible-core, same guest, one run.

All three look at the same things, those of a web server that the other two know too: the page, the network's files, the
packages, services enabled and running, the host name. Each is called as its users call it (pyinfra
and ansible-core as programs; vboxlab's configurator through `vboxlab up`'s own code, with the time of its start-up).
ansible-core needs Python in the guest, which the others do not: it is installed first and not measured.

Run it with `python -m benchmarks.configuration`; pyinfra and ansible-core are put into a virtual environment of their
own. VBOXLAB_HOME keeps base and layers for the next run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

from tests.guests.command import CommandLine
from vboxlab.settings import load_settings

GOAL = 0.15
TOOLS = ("pyinfra", "ansible-core")
FILES = {
    "/var/www/html/index.html": 0o644,
    "/etc/hosts": 0o644,
    "/etc/network/interfaces": 0o644,
    "/etc/resolv.conf": 0o644,
}
PACKAGES = ("apache2", "openssh-server")
UNITS = ("ssh", "cron")  # not apache2: Heartbeat owns it by now

VBOXLAB = """\
import sys
from vboxlab.cli.terminal import Terminal
from vboxlab.lab.access import way_in
from vboxlab.lab.observe import need_machine, observe
from vboxlab.guest.configurator import configure
from vboxlab.guest.resources import File, Hostname, Package, Service
from vboxlab.operations.session import opened
from vboxlab.operations.targets import find_target
import json
wanted = json.load(open(sys.argv[1]))
resources = [File(path, text, mode=mode) for path, (text, mode) in wanted["files"].items()]
resources += [Package(name) for name in wanted["packages"]]
resources += [Hostname(wanted["hostname"]), *(Service(name) for name in wanted["units"])]
with opened(Terminal(quiet=True), "qemu") as session:
    context = session.context
    target = find_target(session, "ha")
    machine = need_machine(observe(context.driver, target.lab), "srv-web")
    base = context.bases.get("debian12")
    executor = context.guests.executor(context.directory(target.lab), machine, base)
    report = configure(executor, resources, secrets={})
    assert not report.changed, report
"""

PYINFRA = """\
import json
from io import StringIO
from pyinfra.operations import apt, files, server, systemd
wanted = json.load(open({wanted!r}))
for path, (text, mode) in wanted["files"].items():
    files.put(src=StringIO(text), dest=path, mode=oct(mode)[2:], user="root", group="root", _sudo=True)
apt.packages(packages=wanted["packages"], _sudo=True)
server.hostname(hostname=wanted["hostname"], _sudo=True)
for unit in wanted["units"]:
    systemd.service(service=unit, running=True, enabled=True, _sudo=True)
"""


def playbook(hostname: str, files: dict[str, tuple[str, int]]) -> list[dict[str, object]]:
    """Return the same as an Ansible playbook."""
    tasks: list[dict[str, object]] = [
        {
            "ansible.builtin.copy": {
                "dest": path,
                "content": text,
                "mode": f"{mode:04o}",
                "owner": "root",
                "group": "root",
            }
        }
        for path, (text, mode) in files.items()
    ]
    tasks.append({"ansible.builtin.apt": {"name": list(PACKAGES), "state": "present"}})
    tasks.append({"ansible.builtin.hostname": {"name": hostname, "use": "systemd"}})
    tasks += [
        {"ansible.builtin.systemd_service": {"name": unit, "state": "started", "enabled": True}} for unit in UNITS
    ]
    return [{"hosts": "all", "become": True, "gather_facts": False, "tasks": tasks}]


def timed(argv: list[str], environment: dict[str, str], folder: Path, proof: str = "") -> float:
    """Return the seconds that a program needs; what it prints must contain the proof that it did look at the guest."""
    begun = time.monotonic()
    done = subprocess.run(argv, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode or proof not in done.stdout + done.stderr:
        raise SystemExit(f"{argv[0]} failed\n{done.stdout}\n{done.stderr}")
    return time.monotonic() - begun


def runners(vboxlab: CommandLine, folder: Path, bin_directory: Path) -> dict[str, Callable[[], float]]:
    """Return how each contestant is run; what they are to look at is read from the guest first."""
    read = {path: vboxlab("ssh", "srv-web", "--", "cat", path) for path in FILES}
    files = {path: (text, FILES[path]) for path, text in read.items()}
    hostname = vboxlab("ssh", "srv-web", "--", "hostname").strip()
    wanted = {"files": files, "packages": PACKAGES, "units": UNITS, "hostname": hostname}
    (folder / "wanted.json").write_text(json.dumps(wanted), encoding="utf-8")
    (folder / "ours.py").write_text(VBOXLAB, encoding="utf-8")
    (folder / "deploy.py").write_text(PYINFRA.format(wanted=str(folder / "wanted.json")), encoding="utf-8")
    (folder / "book.json").write_text(json.dumps(playbook(hostname, files)), encoding="utf-8")
    configuration = folder / "ssh_config"
    configuration.write_text(vboxlab("ssh-config", "failover"), encoding="utf-8")
    ours = vboxlab.environment()
    theirs = {
        **ours, "PATH": f"{bin_directory}:{ours['PATH']}", "ANSIBLE_SSH_ARGS": f"-F {configuration}",
        "ANSIBLE_HOST_KEY_CHECKING": "no", "ANSIBLE_PIPELINING": "1", "LC_ALL": "C.UTF-8",
    }  # fmt: skip
    pyinfra = ["pyinfra", "-y", "--data", f"ssh_config_file={configuration}", "@ssh/srv-web", "deploy.py"]
    ansible = ["ansible-playbook", "-i", "srv-web,", "book.json"]
    return {
        "vboxlab": lambda: timed([sys.executable, str(folder / "ours.py"), "wanted.json"], ours, folder),
        "pyinfra": lambda: timed([str(bin_directory / pyinfra[0]), *pyinfra[1:]], theirs, folder, "No changes"),
        "ansible-core": lambda: timed([str(bin_directory / ansible[0]), *ansible[1:]], theirs, folder, "unreachable=0"),
    }


def main() -> None:
    """Measure, print, and remove the lab."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--against", choices=TOOLS, nargs="+", default=list(TOOLS), help="only these")
    parser.add_argument("--keep", action="store_true", help="leave the lab up")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vboxlab-") as temporary:
        folder = Path(temporary)
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / "bin" / "python"
        subprocess.run([python, "-m", "pip", "install", "-q", *TOOLS], check=True, capture_output=True)
        vboxlab = CommandLine(load_settings().home)
        vboxlab("base", "build")
        vboxlab("up", "failover")
        try:
            vboxlab("ssh", "srv-web", "--", "sudo apt-get -q update && sudo apt-get -q -y install python3-apt")
            contestants = runners(vboxlab, folder, python.parent)
            contestants = {name: run for name, run in contestants.items() if name in ("vboxlab", *options.against)}
            seconds: dict[str, list[float]] = {contestant: [] for contestant in contestants}
            for run in contestants.values():  # a first run each, that may change something
                run()
            for _ in range(options.rounds):
                for contestant, run in contestants.items():
                    seconds[contestant].append(run())
        finally:
            if not options.keep:
                vboxlab("destroy", "failover", "--yes")
    for contestant, measured in seconds.items():
        print(f"{contestant}: {statistics.median(measured):.2f} s (median of {options.rounds})")
    for other in options.against:
        ratio = statistics.median(a / b for a, b in zip(seconds["vboxlab"], seconds[other], strict=True))
        goal = f" (goal: at most {GOAL})" if other == "pyinfra" else ""
        print(f"vboxlab needs {ratio:.2f} times as long as {other}{goal}")


if __name__ == "__main__":
    main()
