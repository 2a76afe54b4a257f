"""Logging in where a key may be refused: against an SSH server in this process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
import pytest
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL

from tests.unit.listening import serve_each
from vboxlab.base.keys import ensure_key
from vboxlab.errors import GuestError
from vboxlab.guest.ssh import Access, SshExecutor


@dataclass
class Door(paramiko.ServerInterface):
    """Lets in whoever has the password, and the keys that it was told of."""

    password: str
    keys: set[str] = field(default_factory=set)
    tried: list[str] = field(default_factory=list)

    def get_allowed_auths(self, username: str) -> str:
        return "publickey,password"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.tried.append("key")
        return AUTH_SUCCESSFUL if key.get_base64() in self.keys else AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        self.tried.append("password")
        return AUTH_SUCCESSFUL if password == self.password else AUTH_FAILED


@dataclass
class Server:
    """A server that listens, and the way in."""

    door: Door
    port: int
    home: Path

    def log_in(self, password: str | None) -> None:
        key, _ = ensure_key(self.home)
        access = Access(self.port, "teacher", key_file=key, password=None if password is None else lambda: password)
        executor = SshExecutor("srv-web", access, self.home / "known_hosts", first_contact=True, connect_within=3)
        try:
            executor.connect()
        finally:
            executor.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    door = Door("horse")
    listener = socket.create_server(("127.0.0.1", 0))
    host_key = paramiko.ECDSAKey.generate()
    transports = []

    def let_in(connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        transport.add_server_key(host_key)
        transport.start_server(threading.Event(), door)
        transports.append(transport)

    serve_each(listener, let_in)
    yield Server(door, listener.getsockname()[1], tmp_path)
    listener.close()
    for transport in transports:
        transport.close()


def test_the_password_opens_where_the_key_does_not(server: Server) -> None:
    server.log_in("horse")
    assert server.door.tried == ["key", "password"]


def test_the_key_is_enough_once_it_is_known(server: Server) -> None:
    _, line = ensure_key(server.home)
    server.door.keys.add(line.split()[1])
    server.log_in("horse")
    assert server.door.tried == ["key"]


@pytest.mark.parametrize(("password", "what"), [("donkey", "password"), (None, "key")])
def test_a_refused_login_says_what_with(server: Server, password: str | None, what: str) -> None:
    with pytest.raises(GuestError, match=f"teacher may not log in with the {what} of its base"):
        server.log_in(password)
