"""The executor over SSH. The only module that imports paramiko, and only when a connection is made."""

from __future__ import annotations

import contextlib
import logging
import shlex
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vboxlab.errors import GuestError, WaitTimeout
from vboxlab.guest.executor import Completed
from vboxlab.guest.hostkeys import forget, pinned_key
from vboxlab.language import _
from vboxlab.lazily import dataclass

if TYPE_CHECKING:
    import paramiko

CHUNK = 65536
# Debian gives these to root's login shells only; sysctl, ip and ipvsadm are asked as the login user too.
_SHELL = "sh"
_PATH = "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin"
PATIENCE = 60.0  # seconds for each step of a login: an emulated guest on a busy host needs most of them


@dataclass(frozen=True)
class Access:
    """How to get in: by key, or by password where there is no key or it is refused.

    Passwords are called for when they are needed, and kept nowhere.
    """

    port: int
    user: str
    key_file: Path | None = None
    password: Callable[[], str] | None = None
    host: str = "127.0.0.1"
    root_by: Literal["sudo", "su"] = "sudo"
    root_password: Callable[[], str] | None = None  # asked by su always, by sudo where it wants one


class _NotYet(Exception):
    """The server is not (or no longer) there: worth another try."""


class SshExecutor:
    """Runs commands in one guest over one SSH connection, made at the first call and again when it was lost.

    The server must show the machine's pinned host key. With first_contact, a key pinned earlier is forgotten (it was of
    a machine of that name that is no more), and any key is let through until one is pinned: the caller checks who
    answers before it sends anything (vboxlab.guest.identity), and pins the key.
    """

    def __init__(
        self,
        machine: str,
        access: Access,
        known_hosts: Path,
        *,
        first_contact: bool = False,
        connect_within: float = 20.0,
    ) -> None:
        self._machine = machine
        self._access = access
        self._known_hosts = known_hosts
        self._first_contact = self._outdated_pin = first_contact
        self._connect_within = connect_within
        self._transport: paramiko.Transport | None = None
        self._connecting = threading.Lock()

    @property
    def machine(self) -> str:
        """Return the name of the machine, for messages."""
        return self._machine

    @property
    def access(self) -> Access:
        """Return how the executor gets in."""
        return self._access

    def connect(self, connection: socket.socket | None = None) -> None:
        """Log in, over a connection to the server that is open already if one is given. No-op when logged in.

        Tries again for connect_within seconds while the server drops connections. Raises GuestError when the host key
        is not the pinned one, the login is refused, or the server does not answer.
        """
        with self._connecting:
            if self._transport is not None and self._transport.is_active():
                if connection is not None:  # a machine that only stood still is logged in to
                    connection.close()
                return
            from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

            self._drop()
            if self._outdated_pin:
                forget(self._known_hosts, self._machine)
                self._outdated_pin = False
            spare = [connection] if connection else []
            retrying = Retrying(
                retry=retry_if_exception_type(_NotYet),
                stop=stop_after_delay(self._connect_within),
                wait=wait_fixed(0.3),
                reraise=True,
            )
            try:
                self._transport = retrying(lambda: self._log_in(spare.pop() if spare else self._dial()))
            except _NotYet as error:
                text = _("{machine}: its SSH server does not answer on {host} port {port}")
                raise GuestError(
                    text.format(machine=self._machine, host=self._access.host, port=self._access.port),
                    details=[str(error)],
                    resolution=_("look at the machine's console: is it still booting, or is sshd not running?"),
                ) from error

    def _dial(self) -> socket.socket:
        try:
            return socket.create_connection((self._access.host, self._access.port), timeout=10)
        except OSError as error:
            raise _NotYet(_("no connection: {error}").format(error=error)) from error

    def _log_in(self, connection: socket.socket) -> paramiko.Transport:
        import paramiko

        logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # it prints the tracebacks of what it also raises
        # What is done in turn is chosen for guests under emulation: the cheapest key exchange, and no second try.
        transport = paramiko.Transport(connection)
        transport.get_security_options().kex = ("curve25519-sha256@libssh.org", "ecdh-sha2-nistp256")
        pinned = pinned_key(self._known_hosts, self._machine)
        if pinned is not None:
            transport.get_security_options().key_types = _offered(pinned.split()[0])
        transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = PATIENCE
        try:
            transport.start_client(timeout=PATIENCE)
            self._check_host_key(transport, pinned)
            self._authenticate(transport)
        except GuestError:
            transport.close()
            raise
        except paramiko.AuthenticationException as error:
            transport.close()
            raise self._refused(str(error)) from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            transport.close()
            if pinned is not None and isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
                raise self._wrong_key(_("the server has no host key of the pinned type")) from error
            raise _NotYet(str(error) or type(error).__name__) from error
        transport.set_keepalive(15)
        return transport

    def _check_host_key(self, transport: paramiko.Transport, pinned: str | None) -> None:
        key = transport.get_remote_server_key()
        shown = f"{key.get_name()} {key.get_base64()}"
        if pinned is None and not self._first_contact:
            raise GuestError(
                _("{machine}: no host key of it is known").format(machine=self._machine),
                details=[_("{file} has no line for {machine}").format(file=self._known_hosts, machine=self._machine)],
                resolution=_("bring the lab up again: the machine's identity is then checked and its key kept"),
            )
        if pinned is not None and shown != pinned:
            text = _("it shows {kind} {fingerprint}")
            raise self._wrong_key(text.format(kind=key.get_name(), fingerprint=key.fingerprint))

    def _wrong_key(self, detail: str) -> GuestError:
        text = _("{machine}: whoever answers on {host} port {port} does not have its host key")
        return GuestError(
            text.format(machine=self._machine, host=self._access.host, port=self._access.port),
            details=[detail, _("pinned in {file}").format(file=self._known_hosts)],
            resolution=_(
                "another program or machine may hold that port; if the machine was reinstalled, destroy and make it "
                "again"
            ),
        )

    def _authenticate(self, transport: paramiko.Transport) -> None:
        access = self._access
        if access.key_file is not None:
            import paramiko

            try:
                transport.auth_publickey(access.user, _private_key(access.key_file))
            except paramiko.AuthenticationException:
                if access.password is None:
                    raise
            else:
                return
        if access.password is not None:
            transport.auth_password(access.user, access.password())
        elif access.key_file is None:
            text = _("{machine}: neither a key nor a password is known for {user}")
            raise GuestError(text.format(machine=self._machine, user=access.user))

    def _refused(self, detail: str) -> GuestError:
        if self._access.password:
            text = _("{machine}: {user} may not log in with the password of its base")
            resolution = _("is the base's login right? Check user and password")
        else:
            text = _("{machine}: {user} may not log in with the key of its base")
            resolution = _("is the base's login right? Check user and key")
        brief = text.format(machine=self._machine, user=self._access.user)
        return GuestError(brief, details=[detail], resolution=resolution)

    def run(self, script: str, *, stdin: bytes = b"", root: bool = False, timeout: float = 60.0) -> Completed:
        """Run a POSIX sh script in one SSH exec and wait for its end (seconds; WaitTimeout after them).

        The script travels ahead of stdin in the same stream, so it is in no command line and as long as it likes.
        """
        deadline = time.monotonic() + timeout
        channel = self._start(_with_data(script) if stdin else _SHELL, root)
        sent = script.encode() + stdin if stdin else _whole(script)
        stderr = _Collector(channel.recv_stderr)
        stdout = _Collector(channel.recv)
        sender = threading.Thread(target=_send, args=(channel, self._ahead(root) + sent), daemon=True)
        for thread in (sender, stdout, stderr):
            thread.start()
        for thread in (stdout, stderr):
            thread.join(max(0.0, deadline - time.monotonic()))
        ended = channel.status_event.wait(max(0.0, deadline - time.monotonic()))
        exit_code = channel.exit_status
        channel.close()
        if not ended:
            said = (stderr.text() or stdout.text()).splitlines()[-3:]
            text = _("{machine}: a command in the guest did not end within {seconds:g} s")
            raise WaitTimeout(text.format(machine=self._machine, seconds=timeout), details=said)
        if exit_code == -1:
            raise GuestError(
                _("{machine}: the connection was lost while a command ran in the guest").format(machine=self._machine),
                resolution=_("was the machine switched off?"),
            )
        return Completed(exit_code, stdout.text(), stderr.text())

    @contextlib.contextmanager
    def stream(self, script: str, *, stdin: bytes = b"", root: bool = False) -> Iterator[SshStream]:
        """Start a script and give its output line by line; leaving the context ends it."""
        channel = self._start(_with_data(script), root)
        channel.sendall(self._ahead(root) + script.encode() + stdin)
        stream = SshStream(channel)
        try:
            yield stream
        finally:
            stream.stop()

    def close(self) -> None:
        """Drop the connection; the next call connects again."""
        with self._connecting:
            self._drop()

    def _connected(self) -> paramiko.Transport:
        self.connect()
        transport = self._transport
        if transport is None:  # closed by another thread meanwhile
            raise EOFError
        return transport

    def _drop(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def _start(self, shell: str, root: bool) -> paramiko.Channel:
        import paramiko

        for attempt in (1, 2):
            try:
                channel = self._connected().open_session(timeout=30)
                channel.exec_command(self._command(shell, root))
            except (paramiko.SSHException, EOFError, OSError) as error:
                self.close()
                if attempt == 2:
                    raise GuestError(
                        _("{machine}: the SSH server takes no command").format(machine=self._machine),
                        details=[str(error) or _("connection lost")],
                    ) from error
            else:
                return channel
        raise AssertionError

    def _command(self, shell: str, root: bool) -> str:
        if not root or self._access.user == "root":
            return shell
        if self._access.root_by == "su":
            return f"su root -c {shlex.quote(shell)}"
        return f"sudo -S -p '' {shell}" if self._access.root_password else f"sudo -n {shell}"

    def _ahead(self, root: bool) -> bytes:
        password = self._access.root_password
        asked = root and self._access.user != "root" and password is not None
        return (f"{password()}\n" if asked and password else "").encode()


class SshStream:
    """A command that goes on running in the guest."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel

    def lines(self) -> Iterator[str]:
        """Yield the lines of its output as they come, without line ends, until it ends."""
        rest = b""
        while True:
            try:
                data = self._channel.recv(CHUNK)
            except OSError:
                data = b""
            if not data:
                break
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield line.decode(errors="replace")
        if rest:
            yield rest.decode(errors="replace")

    def send_line(self, text: str) -> None:
        """Give the command a line to read; one that has ended gets none."""
        with contextlib.suppress(OSError, EOFError):
            self._channel.sendall(text.encode() + b"\n")

    def end_input(self) -> None:
        """Close the command's input, by which it may see that it is to end by itself."""
        with contextlib.suppress(OSError, EOFError):
            self._channel.shutdown_write()

    def stop(self) -> None:
        """End the command (close its input, then its channel)."""
        self.end_input()
        self._channel.close()


class _Collector(threading.Thread):
    """Reads one of a channel's outputs to its end, so that neither can block the other."""

    def __init__(self, receive: Callable[[int], bytes]) -> None:
        super().__init__(daemon=True)
        self._receive = receive
        self._data = bytearray()

    def run(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._receive(CHUNK):
                self._data += data

    def text(self) -> str:
        """Return what came so far."""
        return self._data.decode(errors="replace")


def _whole(script: str) -> bytes:
    """Return what a shell reads from its standard input to run a script without any.

    In braces it is read to its end before any of it runs: cut short it does nothing, and no command of it takes what is
    left for its own input.
    """
    return f"{_PATH}\n{{\n{script}\n}} </dev/null\n".encode()


def _with_data(script: str) -> str:
    """Return the command that runs a script which comes ahead of its standard input.

    head reads no byte more than it is told, so the rest of the stream is left.
    """
    return "sh -c " + shlex.quote(f'{_PATH}; eval "$(head -c {len(script.encode())})"')


def _send(channel: paramiko.Channel, data: bytes) -> None:
    with contextlib.suppress(OSError, EOFError):  # the command may end without reading all of it
        channel.sendall(data)
        channel.shutdown_write()


def _offered(key_type: str) -> tuple[str, ...]:
    """Return the signature algorithms of a host key's type."""
    return ("rsa-sha2-512", "rsa-sha2-256") if key_type == "ssh-rsa" else (key_type,)


def _private_key(path: Path) -> paramiko.PKey:
    import paramiko

    try:
        return paramiko.PKey.from_path(path)
    except (OSError, ValueError, TypeError, paramiko.SSHException) as error:
        raise GuestError(_("the private key {file} cannot be read").format(file=path), details=[str(error)]) from error
