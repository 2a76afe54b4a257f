"""The tables that ipvsadm makes of rules: services, and their servers."""

from __future__ import annotations

import base64
import re
from typing import Any

# Whose servers get the same share whatever their weights (ipvsadm(8)); 0 is none.
UNWEIGHTED = ("rr", "lc")


def meanings(said: str) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Return the meaning of each variant, None where nothing is loaded because of an error, and the complaints."""
    verdicts, complaints = {}, {}
    for line in said.splitlines():
        name, code, *rest = line.split("\t")
        saved, thresholds, words = (base64.b64decode(each).decode(errors="replace") for each in rest)
        table = table_of(saved, thresholds)
        complained = code != "0" or words != ""
        verdicts[name] = None if not table and complained else table
        complaints[name] = words.splitlines()
    return verdicts, complaints


def table_of(saved: str, thresholds: str) -> dict[str, Any]:
    """Return what `ipvsadm -Sn` printed, with thresholds as `ipvsadm -Ln --thresholds` lists them in the same order."""
    limits = iter([line.split()[2:4] for line in thresholds.splitlines()[3:] if line.startswith("  ->")])
    table: dict[str, Any] = {}
    for line in saved.splitlines():
        if found := re.fullmatch(r"-A (\S+ \S+(?: -6)?) -s (\S+) ?(.*)", line):
            table[found[1]] = {"scheduler": found[2], "options": found[3], "servers": {}}
        elif found := re.fullmatch(r"-a (\S+ \S+(?: -6)?) -r (\S+) (-[mgi]) -w (\d+) ?(.*)", line):
            service, weight = table[found[1]], found[4]
            if service["scheduler"] in UNWEIGHTED and weight != "0":
                weight = "above 0"
            most, least = next(limits)
            options = found[5].replace("--tun-type ipip", "").strip()
            options += f" -x {most}" * (most != "0") + f" -y {least}" * (least != "0")
            service["servers"][found[2]] = {"method": found[3], "weight": weight, "options": options.strip()}
        else:
            raise ValueError(line)
    return table
