"""What a machine has on its network after it has booted with these files (interfaces(5), ifup(8), ifquery(8)).

Each variant boots in a network name space of its own, with virtual cables for the interfaces of a machine of
`loadbalancing`: first what udev does for each interface (ifupdown's `ifupdown-hotplug`), then `ifup -a`. `meaning` is
what the kernel has afterwards, apart from the management interface's own address; `asked` is what ifquery answers.
"""

import ctypes
import ipaddress
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

FOLDER = Path("/etc/network")
INTERFACES, MANAGEMENT = ("enp0s3", "enp0s8"), "enp0s19"
STANZA = f"allow-hotplug {MANAGEMENT}\niface {MANAGEMENT} inet static\n    address 10.0.9.15/24\n"
# Takes no lease, and says of which interface it was to have one; IPv6 is not looked at.
DHCLIENT = """\
#!/bin/sh
case $1 in -6) exit 0 ;; esac
for each; do case $each in enp*) last=$each ;; esac; done
touch "/run/dhcp/$last"
exec ip link set dev "$last" up
"""
REFUSED = "couldn't read interfaces file"
MACS = {"enp0s3": "02:00:00:00:00:03", "enp0s8": "02:00:00:00:00:08", MANAGEMENT: "02:00:00:00:00:19"}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; what it prints need not be UTF-8."""
    return subprocess.run(command, check=False, capture_output=True, errors="replace", timeout=120)


def asked() -> dict[str, object]:
    """Return what ifquery says: the interfaces of two classes, and the options of each interface, None: unknown."""
    options = {}
    for name in ("lo", *INTERFACES, MANAGEMENT):
        done = run("ifquery", name)
        options[name] = done.stdout.splitlines() if done.returncode == 0 else None
    return {
        "auto": run("ifquery", "--list").stdout.split(),
        "hotplug": run("ifquery", "--list", "--allow=hotplug").stdout.split(),
        "options": options,
    }


def boot() -> None:
    """Bring up what comes up at boot, as udev's rule and networking.service do."""
    for name in (*INTERFACES, MANAGEMENT):
        if run("ifquery", "--allow", "hotplug", "-l", name).stdout.strip():
            run("ifup", "--allow=hotplug", name)
    run("ifup", "-a")


def address(info: dict[str, Any]) -> str:
    """Return an address as we write it: with its broadcast address and scope only where they are unusual."""
    text = f"{info['local']}/{info['prefixlen']}"
    usual = str(ipaddress.ip_interface(text).network.broadcast_address)
    if "address" in info:
        text = f"{info['local']} peer {info['address']}/{info['prefixlen']}"
    if info.get("broadcast", usual) != usual and "address" not in info:
        text += f" broadcast {info['broadcast']}"
    return text if info["scope"] == "global" else f"{text} scope {info['scope']}"


def interface(name: str) -> dict[str, object]:
    """Return what an interface has now."""
    (info,) = json.loads(run("ip", "-j", "-4", "addr", "show", "dev", name).stdout) or [{}]
    (link,) = json.loads(run("ip", "-j", "link", "show", "dev", name).stdout)
    return {
        "up": "UP" in link["flags"],
        "dhcp": Path("/run/dhcp", name).exists(),
        "addresses": sorted(map(address, info.get("addr_info", []))),
        "mtu": link["mtu"],
        "mac": None if link["address"] == MACS[name] else link["address"],
        "configured": run("ifquery", "--state", name).returncode == 0,
    }


def routes() -> list[list[object]]:
    """Return the routes that do not come with an address, the preferred one first."""
    found = json.loads(run("ip", "-j", "-4", "route").stdout)
    told = [r for r in found if r.get("protocol") != "kernel"]
    told.sort(key=lambda r: (r["dst"], r.get("metric", 0)))
    return [[r["dst"], r.get("gateway"), r.get("dev")] for r in told]


def one() -> None:
    """Boot, and print what came of it. Runs in name spaces of its own."""
    if ctypes.CDLL(None).mount(b"sysfs", b"/sys", b"sysfs", 0, None) != 0:  # shows the name space that mounted it
        sys.exit("no /sys of its own")
    run("ip", "link", "set", "lo", "up")
    for number, name in enumerate(MACS):
        run("ip", "link", "add", name, "address", MACS[name], "type", "veth", "peer", "name", f"cable{number}")
        run("ip", "link", "set", f"cable{number}", "up")
    refused = REFUSED in run("ifquery", "--list").stderr
    answers = None if refused else asked()
    boot()
    state = None if refused else {"interfaces": {name: interface(name) for name in INTERFACES}, "routes": routes()}
    json.dump({"meaning": state, "asked": answers}, sys.stdout)


def place(variant: Path) -> None:
    """Put a variant's files where they belong; one that is a file is the machine's /etc/network/interfaces."""
    for path in (FOLDER, Path("/run/dhcp"), Path("/run/network")):
        shutil.rmtree(path, ignore_errors=True)
    Path("/run/dhcp").mkdir()
    shutil.copytree("/srv/network", FOLDER)
    if variant.is_dir():
        shutil.copytree(variant, "/", dirs_exist_ok=True)
    else:
        shutil.copy(variant, FOLDER / "interfaces")
    management = FOLDER / "interfaces.d/vboxlab-management"
    management.parent.mkdir(exist_ok=True)
    management.write_text(STANZA)


def main() -> None:
    """Print the verdicts of all variants."""
    dhclient = Path("/usr/local/sbin/dhclient")
    dhclient.write_text(DHCLIENT)
    dhclient.chmod(0o755)
    if not Path("/srv/network").exists():
        shutil.copytree(FOLDER, "/srv/network")
    verdicts = {}
    for variant in sorted(Path("variants").iterdir()):
        place(variant)
        done = run("unshare", "--net", "--mount", "--propagation", "unchanged", sys.executable, __file__, "one")
        if not re.match(r"\{", done.stdout):
            sys.exit(f"{variant.name}: {done.stderr}")
        verdicts[variant.name] = json.loads(done.stdout)
    json.dump(verdicts, sys.stdout)


if sys.argv[1:] == ["one"]:
    one()
else:
    main()
