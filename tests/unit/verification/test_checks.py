"""Each kind of check, carried out by a real shell with a guest's programs stood in for."""

from __future__ import annotations

import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.unit.local_lab import FrontPage, LocalLab
from tests.unit.verification.test_readings import ADDRESSES, IPVS
from tests.unit.verification.test_runner import PAGES, program, topology
from vboxlab.topology.scenario import Scenario
from vboxlab.verification.report import StepReport
from vboxlab.verification.runner import run_scenario


@pytest.fixture
def lab(tmp_path: Path) -> LocalLab:
    return LocalLab(topology(), FrontPage(PAGES), commands=tmp_path)


def check(lab: LocalLab, kind: str, **parameters: Any) -> StepReport:
    step = {"check": kind, "within": 0, **{key.rstrip("_"): value for key, value in parameters.items()}}
    return run_scenario(Scenario(steps=(step,)), lab).steps[0]


def said(lab: LocalLab, kind: str, **parameters: Any) -> str:
    """Return the only problem of a check that must fail."""
    step = check(lab, kind, **parameters)
    assert (step.outcome, step.details) == ("failed", ())
    return step.message


def test_ping_names_who_does_not_reach_whom(lab: LocalLab) -> None:
    program(lab, "ping", 'case "$*" in *.52) echo "1 packets transmitted, 0 received"; exit 1;; esac')
    assert check(lab, "ping", from_="srv-web", to="srv-web").outcome == "passed"
    assert check(lab, "ping", from_="srv-web", to=["srv-web", "192.168.200.254"]).message == "2 of 2 answered"
    assert said(lab, "ping", from_="srv-web", to=["srv-web", "srv-web-bis"]) == (
        "srv-web does not reach srv-web-bis (192.168.200.52): 1 packets transmitted, 0 received"
    )


def test_resolves(lab: LocalLab) -> None:
    program(lab, "getent", '[ "$1 $2 $4" = "-s dns www" ] || exit 2; printf "10.0.0.7 STREAM www\\n10.0.0.7 DGRAM\\n"')
    assert check(lab, "resolves", from_="srv-web", name="www").message == "www is 10.0.0.7"
    assert said(lab, "resolves", from_="srv-web", name="www", address="10.0.0.8") == (
        "srv-web gets 10.0.0.7, expected 10.0.0.8"
    )
    assert said(lab, "resolves", from_="srv-web", name="ftp") == "srv-web gets no answer for ftp"


def test_clocks(lab: LocalLab, tmp_path: Path) -> None:
    assert check(lab, "clocks", on=["srv-web", "srv-web-bis", "client"]).outcome == "passed"
    ahead = tmp_path / "ahead"
    ahead.mkdir()
    for name, script in (("date", "exec /bin/date -d '+2 hours' \"$@\""), ("bash", "exit 127")):
        (ahead / name).write_text(f"#!/bin/sh\n{script}\n")
        (ahead / name).chmod(0o755)
    lab.executor("srv-web-bis").commands = ahead
    assert said(lab, "clocks", on=["srv-web", "srv-web-bis"]) == "srv-web-bis is 7200.0 s ahead of srv-web"


def test_address(lab: LocalLab) -> None:
    program(lab, "ip", f"cat <<'END'\n{ADDRESSES}END")
    there: dict[str, Any] = {"on": "srv-web", "address": "192.168.200.5"}
    assert check(lab, "address", **there, label="enp0s3:0").message == "192.168.200.5/24 on enp0s3 as enp0s3:0"
    assert said(lab, "address", **there, interface="enp0s8") == (
        "srv-web holds 192.168.200.5/24 on enp0s3 as enp0s3:0, expected on enp0s8"
    )
    assert said(lab, "address", **there, held=False) == (
        "srv-web holds 192.168.200.5/24 on enp0s3 as enp0s3:0, expected not to"
    )
    absent: dict[str, Any] = {"on": "srv-web", "address": "192.168.200.9"}
    assert check(lab, "address", **absent, held=False).outcome == "passed"
    assert said(lab, "address", **absent) == (
        "srv-web does not hold 192.168.200.9; it holds 192.168.200.51/24 on enp0s3, 192.168.200.5/24 on enp0s3"
    )


def test_page_shows_what_came_instead(lab: LocalLab) -> None:
    lab.front.hold("srv-web", "srv-web-bis")
    wanted = {"url": lab.front.url, "contains": "Srv-Web-bis", "times": 4}
    step = check(lab, "page", from_="client", **wanted)
    assert (
        step.message == "2 of 4 requests ended as expected; the first other: status 200, <h1>Srv-Web de theodore</h1>"
    )
    assert "2 x status 200, <h1>Srv-Web de theodore</h1>" in step.evidence[0].output
    lab.front.hold()
    assert said(lab, "page", from_="client", **wanted) == "0 of 4 requests ended as expected; the first other: refused"


def test_service(lab: LocalLab) -> None:
    program(lab, "systemctl", "printf 'LoadState=loaded\\nActiveState=active\\nUnitFileState=enabled\\n'")
    assert check(lab, "service", on="srv-web", service="apache2", enabled=True).outcome == "passed"
    assert said(lab, "service", on="srv-web", service="apache2", running=False) == (
        "apache2 is active, expected inactive"
    )
    assert said(lab, "service", on="srv-web", service="apache2", enabled=False) == (
        "apache2 is enabled, expected disabled"
    )
    program(lab, "systemctl", "printf 'LoadState=not-found\\n'")
    assert said(lab, "service", on="srv-web", service="apache2") == "apache2 is not installed on srv-web"


def test_file_keeps_its_content_out_of_the_report(lab: LocalLab, tmp_path: Path) -> None:
    keys = tmp_path / "authkeys"
    keys.write_text("auth 1\n1 md5 topsecret\n")
    keys.chmod(0o644)
    assert check(lab, "file", on="srv-web", path=str(keys), contains="1 md5 ", mode="0644").outcome == "passed"
    step = check(lab, "file", on="srv-web", path=str(keys), contains=["2 sha1"], mode="600", equals="auth 1")
    assert (step.message, step.details) == (
        f"{keys} does not contain '2 sha1'",
        (f"{keys} has another content than expected", f"{keys} has mode 644, expected 600"),
    )
    assert "topsecret" not in repr(step)
    assert said(lab, "file", on="srv-web", path="/nonexistent").startswith("/nonexistent cannot be read on srv-web: ")


def test_ipvs(lab: LocalLab) -> None:
    program(lab, "ipvsadm", f"cat <<'END'\n{IPVS}END")
    there: dict[str, Any] = {"on": "srv-web", "virtual": "192.168.200.5"}
    good = check(lab, "ipvs", **there, scheduler="rr", real_servers=["192.168.201.11"])
    assert good.message == "192.168.200.5:80 (rr) -> 192.168.201.11:80"
    # a server of weight 0 gets no new connection: it counts as absent
    assert said(lab, "ipvs", **there, real_servers=["192.168.201.11", "192.168.201.12"]) == (
        "192.168.201.12:80 is missing behind 192.168.200.5:80"
    )
    assert said(lab, "ipvs", **there, real_servers=[]) == "192.168.201.11:80 should not be behind 192.168.200.5:80"
    assert said(lab, "ipvs", **there, scheduler="wrr", real_servers=["192.168.201.11"]) == (
        "the scheduler of 192.168.200.5:80 is rr, expected wrr"
    )
    assert said(lab, "ipvs", **there, port=8080, real_servers=[]) == (
        "srv-web has no virtual service 192.168.200.5:8080; it has 192.168.200.5:80, 192.168.200.5:443"
    )


def test_apt_failure_is_a_warning(lab: LocalLab) -> None:
    program(lab, "apt-get", 'echo "E: Failed to fetch http://deb.debian.org/" >&2; exit 100')
    step = check(lab, "apt", from_="srv-web")
    assert (step.outcome, step.message) == (
        "warning",
        "srv-web: apt update failed: E: Failed to fetch http://deb.debian.org/",
    )


def test_internet(lab: LocalLab) -> None:
    program(lab, "getent", "exit 0")
    program(lab, "ping", "exit 1")
    program(lab, "perl", "exit 0")
    assert check(lab, "internet", from_="srv-web", port=443).message == "srv-web: answered on port 443"
    program(lab, "perl", "exit 1")
    assert check(lab, "internet", from_="srv-web").message == (
        "srv-web: no answer of deb.debian.org by ping or on port 80"
    )


def test_command(lab: LocalLab) -> None:
    assert check(lab, "command", on="srv-web", run="printf '%s' $HOME", equals="$HOME").outcome == "passed"
    assert check(lab, "command", on="srv-web", run=["false"], exit_code=1).outcome == "passed"
    assert said(lab, "command", on="srv-web", run="echo 0", equals="1") == "echo 0 says '0', expected '1'"
    assert said(lab, "command", on="srv-web", run="false") == "false ended with 1 on srv-web, expected 0"


def test_a_page_that_is_not_found_is_no_answer(lab: LocalLab, tmp_path: Path) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/nothing"
        assert said(lab, "probe", from_="client", url=url).startswith(
            "0 of 1 requests ended as expected; the first other"
        )
        assert check(lab, "page", from_="client", url=url, status=404).outcome == "passed"
        server.shutdown()


def test_the_highest_rate_is_told_and_held_against_the_least_one(lab: LocalLab) -> None:
    lab.front.hold("srv-web")
    fast = check(lab, "probe", from_="client", url=lab.front.url, times=100, every=0, rate=50)
    found = re.fullmatch(r"100 of 100, ([0-9.]+) requests a second, as fast as it can", fast.message)
    assert found is not None
    assert (fast.outcome, float(found[1]) > 50) == ("passed", True)
    paced = said(lab, "probe", from_="client", url=lab.front.url, times=10, every=0.05, rate=50)
    found = re.fullmatch(r"client made ([0-9.]+) requests a second, expected at least 50", paced)
    assert found is not None
    assert float(found[1]) == pytest.approx(22, abs=4)  # the tenth one begins 9 x 0.05 s after the first
