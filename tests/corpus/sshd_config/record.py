"""What sshd_config(5) comes to for root who logs in from another web server: `sshd -T -C`; null where sshd refuses.

The settings that decide whether a password lets root in. A variant without a main file is read beside Debian's.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

MAIN, FOLDER = Path("/etc/ssh/sshd_config"), Path("/etc/ssh/sshd_config.d")
ASKED = "user=root,host=192.168.50.12,addr=192.168.50.12,laddr=192.168.50.11,lport=22"
TOLD = ("permitrootlogin", "passwordauthentication", "allowusers", "denyusers", "authenticationmethods", "forcecommand")

Path("/run/sshd").mkdir(parents=True, exist_ok=True)
subprocess.run(["ssh-keygen", "-A"], check=True, stdout=subprocess.DEVNULL)
debian = MAIN.read_bytes()
verdicts = {}
for variant in sorted(Path("variants").iterdir()):
    MAIN.write_bytes(debian)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    for path in sorted(each for each in variant.rglob("*") if each.is_file()):
        target = Path("/") / path.relative_to(variant)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    done = subprocess.run(["/usr/sbin/sshd", "-T", "-C", ASKED], check=False, capture_output=True, text=True)
    meaning: dict[str, list[str]] = {name: [] for name in TOLD}
    for line in done.stdout.splitlines():
        name, _blank, value = line.partition(" ")
        if name in TOLD:
            meaning[name].append(value)
    verdicts[variant.name] = meaning if done.returncode == 0 else None
MAIN.write_bytes(debian)
json.dump(verdicts, sys.stdout)
