"""Whether a port can be forwarded: one answer, for every protocol and address, before a machine is started."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from vboxlab.errors import DriverError
from vboxlab.hypervisor.qemu.networks import check_ports_free
from vboxlab.hypervisor.virtualbox.adapters import adapter_of, asked_attachment
from vboxlab.hypervisor.virtualbox.sentences.telling import say
from vboxlab.hypervisor.virtualbox.worker import calls, networks
from vboxlab.hypervisor.virtualbox.worker.protocol import Failure
from vboxlab.listening import Endpoint, is_free, local, why_taken
from vboxlab.planning.observed import AdapterState, Attachment, Forward


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def listener(stack: ExitStack, protocol: str = "tcp", address: str = "127.0.0.1") -> int:
    """Take a port as another program does, and return it."""
    stream = protocol == "tcp"
    taken = stack.enter_context(socket.socket(type=socket.SOCK_STREAM if stream else socket.SOCK_DGRAM))
    taken.bind((address, 0))
    if stream:
        taken.listen(1)
    return int(taken.getsockname()[1])


@pytest.mark.parametrize("taken", ["tcp", "udp"])
@pytest.mark.parametrize("asked", ["tcp", "udp"])
@pytest.mark.parametrize("on", ["127.0.0.1", ""])
@pytest.mark.parametrize("at", ["127.0.0.1", "", "127.0.0.2"])
def test_a_port_is_taken_by_its_protocol_and_address(
    sockets: ExitStack, taken: str, asked: str, on: str, at: str
) -> None:
    port = listener(sockets, taken, on)
    expected = taken == asked and (on == "" or at in (on, ""))
    error = why_taken(Endpoint(asked, at, port))
    assert (error is not None) == expected
    assert error is None or error.errno == errno.EADDRINUSE


def test_it_is_free_again_at_once_although_connections_linger(sockets: ExitStack) -> None:
    server = sockets.enter_context(socket.socket())
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind(("127.0.0.1", 0))
    server.listen(1)
    port = server.getsockname()[1]
    with socket.create_connection(("127.0.0.1", port)) as client:
        accepted, _ = server.accept()
        accepted.close()  # who closes first has the connection in TIME_WAIT
        assert client.recv(1) == b""
    assert not is_free(port)
    server.close()
    with socket.socket() as strict, pytest.raises(OSError, match="in use"):
        strict.bind(("127.0.0.1", port))
    assert is_free(port)


def test_an_address_that_this_computer_does_not_have_says_nothing_about_the_port() -> None:
    assert why_taken(Endpoint("tcp", "192.0.2.1", 5000)) is None
    assert why_taken(Endpoint("udp", "no address", 5000)) is None


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="who may take every port")
def test_a_port_that_is_not_for_users_is_not_taken_by_anybody() -> None:
    assert why_taken(local(1)) is None


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        (local(80), "port 80 of 127.0.0.1"),
        (Endpoint("udp", "", 53), "UDP port 53 of all addresses"),
        (Endpoint("tcp", "0.0.0.0", 22), "port 22 of all addresses"),
    ],
)
def test_a_port_in_words(endpoint: Endpoint, words: str) -> None:
    assert str(endpoint) == words


def test_qemu_asks_it(sockets: ExitStack) -> None:
    port = listener(sockets)
    adapter = AdapterState(8, Attachment("nat", forwards=(Forward(port, 22),)), "080027000001")
    with pytest.raises(DriverError, match=f"port {port} of 127.0.0.1"):
        check_ports_free((adapter,))
    sockets.close()
    check_ports_free((adapter,))


def adapter(forwards: list[tuple[int, int]], others: list[tuple[int, int, str, str]]) -> calls.Adapter:
    plugged = calls.Attachment("nat", forwards=tuple(forwards), other_forwards=tuple(others))
    return calls.Adapter(8, plugged, "080027000001", cable=True)


def test_virtualbox_asks_it_for_what_a_foreign_vm_really_forwards(sockets: ExitStack) -> None:
    tcp, udp = listener(sockets), listener(sockets, "udp")

    def ask(asked: calls.Adapter) -> None:
        networks.check_ports(networks.ports([asked.attachment]), "PF_FIREWALL")

    # A TCP listener is in the way of no UDP forward, nor one on another address, nor the other way round.
    ask(adapter([], [(tcp, 53, "udp", ""), (tcp, 53, "tcp", "127.0.0.2"), (udp, 22, "tcp", "127.0.0.1")]))
    ask(adapter([(udp, 22)], []))
    for taken, port in (
        (adapter([(tcp, 22)], []), f"port {tcp} of 127.0.0.1"),
        (adapter([], [(udp, 53, "udp", "")]), f"UDP port {udp} of all addresses"),
        (adapter([], [(tcp, 22, "tcp", "")]), f"port {tcp} of all addresses"),
    ):
        with pytest.raises(Failure) as caught:
            ask(taken)
        assert say(caught.value.told) == f"{port}, which PF_FIREWALL forwards, is taken by another program"


def test_all_forwards_of_a_vm_are_seen_and_only_ours_are_ever_asked_for() -> None:
    read = adapter_of(adapter([(2222, 22)], [(53, 53, "udp", "")]))
    assert read.attachment.forwards == (Forward(2222, 22), Forward(53, 53, "udp", ""))
    assert asked_attachment(read.attachment).forwards == ((2222, 22),)
