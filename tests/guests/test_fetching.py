"""What a lab from nothing fetches: every package and every list once, for the base and all package layers together."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from vboxlab.base.mirror import find_mirror
from vboxlab.base.store import BaseStore
from vboxlab.hypervisor.memory import MemoryDriver
from vboxlab.settings import Settings, load_settings

pytestmark = [pytest.mark.guests, pytest.mark.long, pytest.mark.apart, pytest.mark.timeout(3600)]

PASSED_ON = ("If-Modified-Since", "Range", "If-Range")
PASSED_BACK = ("Content-Length", "Content-Range", "Last-Modified", "Content-Type")


class CountingMirror(ThreadingHTTPServer):
    """A mirror that has everything from another one, and counts what it gave out by path."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.given: Counter[str] = Counter()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/debian"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: CountingMirror

    def do_GET(self) -> None:
        self._pass_on()

    def do_HEAD(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        path = self.path.removeprefix("/debian")
        headers = {name: self.headers[name] for name in PASSED_ON if self.headers[name]}
        request = urllib.request.Request(self.server.upstream + path, headers=headers, method=self.command)
        try:
            answer = urllib.request.urlopen(request, timeout=60)
        except urllib.error.HTTPError as error:
            self.send_response(error.code)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        with answer:
            if self.command == "GET":
                self.server.given[path] += 1
            self.send_response(answer.status)
            for name in PASSED_BACK:
                if answer.headers[name]:
                    self.send_header(name, answer.headers[name])
            self.end_headers()
            while block := answer.read(1 << 16):
                self.wfile.write(block)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


@pytest.fixture
def mirror() -> Iterator[CountingMirror]:
    with CountingMirror(find_mirror(load_settings()).uri) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_base_and_layers_fetch_everything_once(mirror: CountingMirror, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, mirror=mirror.uri)
    store = BaseStore(settings)
    wanted = [(("apache2", "curl"), ("apache2", "heartbeat")), (("dnsmasq", "tzdata"), ()), (("curl",), ())]
    base = store.build(layers=wanted)
    (built,) = store.list()
    assert sorted(store.layers.packages_of(name) for name in built.layers) == [("apache2",), ("dnsmasq",)]
    assert {path: count for path, count in mirror.given.items() if count > 1} == {}
    assert any("/apache2_" in path for path in mirror.given)
    assert any("/heartbeat_" in path for path in mirror.given)

    given = mirror.given.copy()
    driver = MemoryDriver()
    for packages, later in wanted:
        store.ensure_image(driver, base, packages, later)
    assert mirror.given == given

    # Another run asks whether anything is new, and has no list sent again.
    another = BaseStore(settings)
    another.ensure_image(driver, another.get("debian12"), ("net-tools",))
    assert {Path(path).name for path in mirror.given - given if "/dists/" in path} <= {"InRelease"}
