"""TLS servers of this host, with certificates that openssl(1) makes."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\nX-By: one\r\n\r\n<h1>Srv-Web</h1>"
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)


def authority(folder: Path, name: str) -> Path:
    """Make a certificate authority and return its certificate."""
    openssl(folder, "req", "-x509", *NEW_KEY, "-days", "2", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
            "-out", f"{name}.pem")  # fmt: skip
    return folder / f"{name}.pem"


class Secure:
    """A TLS server on 127.0.0.1 with one page, and a certificate signed by an authority.

    `names` are those of the certificate, as openssl writes them.
    """

    def __init__(
        self, folder: Path, by: str = "lab", name: str = "www.lab", names: str = "", port: int = 0, page: bytes = PAGE
    ) -> None:
        openssl(folder, "req", *NEW_KEY, "-subj", f"/O=Lab/CN={name}", "-keyout", f"{name}.key", "-out", "new.csr")
        (folder / "names").write_text(f"subjectAltName={names or f'IP:127.0.0.1,DNS:{name}'}\n")
        signed = ("x509", "-req", "-in", "new.csr", "-CA", f"{by}.pem", "-CAkey", f"{by}.key", "-CAcreateserial")
        openssl(folder, *signed, "-days", "2", "-extfile", "names", "-out", f"{name}.pem")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        self._page = page
        self.listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port: int = self.listener.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}/"
        self.asked: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                plain, _peer = self.listener.accept()
            except OSError:
                return
            with plain, suppress(OSError):
                plain.settimeout(5)
                with self._context.wrap_socket(plain, server_side=True) as connection:
                    self.asked.append(connection.recv(4096))
                    connection.sendall(self._page)

    def end(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self._thread.join(timeout=10)
