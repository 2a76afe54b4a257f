"""The real prober and curl against real TLS servers of this host, with certificate authorities of their own."""

from __future__ import annotations

import shlex
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.unit.local_lab import HostExecutor
from tests.unit.verification.histories import run_begun
from tests.unit.verification.secure import Secure, authority, openssl
from vboxlab.errors import InfrastructureTrouble
from vboxlab.verification.probes import ProbeSpec, probe
from vboxlab.verification.recorder import Recorder
from vboxlab.verification.samples import Owners, Sample, distribution

pytestmark = pytest.mark.skipif(
    not all(shutil.which(program) for program in ("perl", "curl", "openssl")), reason="needs perl, curl and openssl"
)


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[Secure]:
    authority(tmp_path, "lab")
    made = Secure(tmp_path)
    yield made
    made.end()


def asked(url: str, ca: Path, *marks: str, timeout: float = 10.0, certificate: str = "") -> list[Sample]:
    made = Recorder()
    made.add(run_begun())
    spec = ProbeSpec(url, 0.05, timeout, 3, marks=marks, ca=str(ca), certificate=certificate)
    return probe(HostExecutor("client"), spec, made, 1)


def trouble(url: str, ca: Path) -> str:
    """Return why a prober could not run."""
    with pytest.raises(InfrastructureTrouble) as caught:
        asked(url, ca)
    assert caught.value.brief == "client: the prober could not run"
    return caught.value.details[0]


def test_a_page_of_a_server_that_is_trusted_with_its_certificate_named(secure: Secure, tmp_path: Path) -> None:
    looked_for = ("CN=www.lab", "Srv-Web", "X-By: one", "CN=other", "DNS:www.lab")
    samples = asked(secure.url, tmp_path / "lab.pem", *looked_for)
    assert [(s.outcome, s.status, s.marks) for s in samples] == [("ok", 200, (0, 1, 2, 4))] * 3
    assert samples[0].page.startswith("Subject:O=Lab, CN=www.lab\n")
    assert samples[0].page.endswith("<h1>Srv-Web</h1>")
    assert len(secure.asked) == 3
    assert secure.asked[0].startswith(b"GET / HTTP/1.1\r\n")


def test_another_authority_or_another_name_is_not_trusted(secure: Secure, tmp_path: Path) -> None:
    other = authority(tmp_path, "other")
    assert [s.outcome for s in asked(secure.url, other)] == ["untrusted"] * 3
    by_name = secure.url.replace("127.0.0.1", "localhost")
    assert [s.outcome for s in asked(by_name, tmp_path / "lab.pem")] == ["untrusted"] * 3


def test_a_certificate_may_be_for_a_name_that_is_not_the_address(tmp_path: Path) -> None:
    trusted = authority(tmp_path, "lab")
    server = Secure(tmp_path, names="DNS:www.lab")
    try:
        assert {s.outcome for s in asked(server.url, trusted)} == {"untrusted"}
        assert {s.outcome for s in asked(server.url, trusted, certificate="ftp.lab")} == {"untrusted"}
        assert {s.outcome for s in asked(server.url, trusted, certificate="www.lab")} == {"ok"}
        assert f"Host: www.lab:{server.port}\r\n".encode() in server.asked[-1]
    finally:
        server.end()


def test_what_the_system_trusts_is_not_trusted(secure: Secure, tmp_path: Path) -> None:
    """Debian's curl goes on looking in /etc/ssl/certs for what is not in the file that it is given."""
    system, other = tmp_path / "system", authority(tmp_path, "other")
    system.mkdir()
    shutil.copy(tmp_path / "lab.pem", system)
    openssl(tmp_path, "rehash", str(system))
    seen = f"mount --bind {shlex.quote(str(system))} /etc/ssl/certs && "
    plain = f"exec curl -s -o /dev/null --cacert {shlex.quote(str(other))} {secure.url}"
    script = ProbeSpec(secure.url, 0.05, 10.0, 1, ca=str(other)).script

    def alone(text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["unshare", "--mount", "sh", "-c", text], capture_output=True, text=True, check=False)

    if alone(seen + plain).returncode:
        pytest.skip("no mounts of its own for this user, or a curl without certificates of the system")
    assert " untrusted 0 " in alone(seen + script).stdout


def test_servers_of_one_address_are_told_by_their_certificates(tmp_path: Path) -> None:
    trusted = authority(tmp_path, "lab")
    owners = Owners.of({"srv-web": "CN=one.lab", "srv-web-bis": "CN=two.lab"})
    first = Secure(tmp_path, name="one.lab")
    before = asked(first.url, trusted, *owners.texts)
    first.end()
    second = Secure(tmp_path, name="two.lab", port=first.port)
    after = asked(first.url, trusted, *owners.texts)
    second.end()
    assert (distribution(before, owners), distribution(after, owners)) == ({"srv-web": 3}, {"srv-web-bis": 3})


def test_a_server_cannot_say_what_curl_found_out(tmp_path: Path) -> None:
    trusted = authority(tmp_path, "lab")
    page = b"HTTP/1.1 503 Down\r\nConnection: close\r\n\r\n0123456789abcdef 200\nSubject:CN = www.lab\n"
    server = Secure(tmp_path, page=page)
    try:
        assert {(s.outcome, s.status, s.good) for s in asked(server.url, trusted)} == {("ok", 503, False)}
    finally:
        server.end()


def test_refused_silent_and_not_tls_are_told_apart(secure: Secure, tmp_path: Path) -> None:
    secure.end()
    trusted = tmp_path / "lab.pem"
    assert [s.outcome for s in asked(secure.url, trusted)] == ["refused"] * 3
    with socket.create_server(("127.0.0.1", 0), backlog=16) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        samples = asked(url, trusted, timeout=0.5)
        assert [s.outcome for s in samples] == ["timeout"] * 3

        def greet() -> None:
            with suppress(OSError):
                while True:
                    connection, _peer = silent.accept()
                    with connection:
                        connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")

        threading.Thread(target=greet, daemon=True).start()
        assert {s.outcome for s in asked(url, trusted)} == {"broken"}
        silent.shutdown(socket.SHUT_RDWR)


def test_without_authorities_or_without_curl_it_cannot_run(secure: Secure, tmp_path: Path) -> None:
    assert trouble(secure.url, tmp_path / "none.pem") == f"{tmp_path}/none.pem cannot be read"
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate\n")
    assert trouble(secure.url, garbage) == "curl ended with 77"
    perl = shutil.which("perl")
    lean = ProbeSpec(secure.url, count=1, ca=str(tmp_path / "lab.pem")).script.replace("exec perl", f"exec {perl}")
    done = subprocess.run(["/bin/sh", "-c", lean], capture_output=True, text=True, check=False, env={"PATH": "/none"})
    assert done.stdout == "X there is no program curl\n"
