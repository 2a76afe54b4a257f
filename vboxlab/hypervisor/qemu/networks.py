"""Internal networks: where machines' ports are, what they are plugged into, and the switch that joins them."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vboxlab import programs
from vboxlab.errors import CapabilityMissing, DriverError
from vboxlab.files import PRIVATE_FILE, make_private_folder, write_durably
from vboxlab.hypervisor.qemu import switch as switch_program
from vboxlab.hypervisor.qemu.definition import Definition
from vboxlab.hypervisor.qemu.layout import Layout
from vboxlab.hypervisor.qemu.looks import is_listening
from vboxlab.language import _
from vboxlab.listening import local, why_taken
from vboxlab.planning.observed import AdapterState, Impairment
from vboxlab.topology.addressing import LabName
from vboxlab.waiting import Deadline, wait_until

NETWORK_KINDS = frozenset({"internal", "nat"})
SWITCH_START_TIMEOUT = 10.0


def check_kinds(adapters: tuple[AdapterState, ...]) -> None:
    """Raise CapabilityMissing for an adapter whose kind of network this driver does not have."""
    for adapter in adapters:
        if adapter.attachment.kind not in NETWORK_KINDS:
            raise CapabilityMissing(
                _("adapter {slot}: QEMU machines have no {kind} networks").format(
                    slot=adapter.slot, kind=adapter.attachment.kind
                ),
                resolution=_("use one of: {kinds}").format(kinds=", ".join(sorted(NETWORK_KINDS))),
            )


def check_ports_free(adapters: tuple[AdapterState, ...]) -> None:
    """Raise DriverError naming the first forwarded port that somebody else listens on."""
    for adapter in adapters:
        for forward in adapter.attachment.forwards:
            if (error := why_taken(local(forward.host_port))) is not None:
                raise port_taken(forward.host_port) from error


def port_taken(port: int) -> DriverError:
    """Return the error for a forwarded port that somebody else has."""
    return DriverError(
        _("port {port} of 127.0.0.1, which leads to the machine, is taken by another program").format(port=port),
        resolution=_(
            "end that program (`ss -ltnp 'sport = :{port}'` names it) or give the machine another port"
        ).format(port=port),
    )


class Switches:
    """The switches of all labs of one home. What is plugged into what is on disk; switches come and go."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def ports(self, definition: Definition) -> Mapping[int, tuple[Path, Path]]:
        """Return, for each adapter slot, the socket of the adapter and the one of its switch."""
        directory = self._layout.switch(definition.lab)
        return {
            adapter.slot: (directory / "p" / f"{definition.id}.{adapter.slot}", directory / "switch")
            for adapter in definition.hardware.adapters
        }

    def plug(self, definition: Definition) -> None:
        """Make a machine's ports what its adapters say, and see to it that a switch is there and knows."""
        internal = {a.slot: a for a in definition.hardware.adapters if a.attachment.kind == "internal"}
        plugs = self._layout.switch(definition.lab) / "p"
        if internal:
            make_private_folder(plugs)
        for slot in range(1, 9):
            port = plugs / f"{definition.id}.{slot}"
            if slot in internal:
                adapter = internal[slot]
                _write_plug(port, adapter.attachment.name, adapter.cable)
            else:
                _plug_file(port).unlink(missing_ok=True)
        if internal:
            self.ensure(definition.lab)

    def unplug(self, definition: Definition) -> None:
        """Take away the ports of a machine that is gone, and the switch when nobody else has ports there."""
        directory = self._layout.switch(definition.lab)
        for slot in range(1, 9):
            port = directory / "p" / f"{definition.id}.{slot}"
            port.unlink(missing_ok=True)
            _plug_file(port).unlink(missing_ok=True)
            _line_file(port).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            if not any((directory / "p").iterdir()):
                self.release(directory)

    def impair(self, definition: Definition, slot: int, impairment: Impairment) -> None:
        """Write down how bad a port's line is, for the switch, and see to it that it knows."""
        self._change_line(definition, slot, loss=impairment.loss, delay=impairment.delay, rate=impairment.rate)

    def set_groups(self, definition: Definition, slot: int, groups: Collection[int]) -> None:
        """Write down which groups a port is in, for the switch, and see to it that it knows."""
        self._change_line(definition, slot, groups=sorted(groups))

    def _change_line(self, definition: Definition, slot: int, **changes: Any) -> None:
        directory = self._layout.switch(definition.lab)
        file = _line_file(directory / "p" / f"{definition.id}.{slot}")
        line = switch_program.Line.read(str(file))
        now = {"groups": sorted(line.groups), "loss": line.loss, "delay": line.delay, "rate": line.rate, **changes}
        if any(now.values()):
            make_private_folder(file.parent)
            write_durably(file, json.dumps(now) + "\n")
        else:
            file.unlink(missing_ok=True)
        if self.is_on_duty(definition.lab) and not self.ensure(definition.lab).get("lines"):
            raise DriverError(
                _("the lab's network switch is of an older vboxlab and cannot change lines"),
                resolution=_("stop the lab's machines, so that the switch ends, and bring the lab up again"),
            )

    def ensure(self, lab: LabName | None) -> dict[str, Any]:
        """Have a switch on duty that has read all ports, and return what it says of itself."""
        directory = self._layout.switch(lab)
        make_private_folder(directory / "p")

        def on_duty() -> dict[str, Any] | None:
            answer = _ask(directory, "reload")
            if answer is None:
                _start_switch(directory)
            return answer

        return wait_until(
            on_duty,
            Deadline.after(SWITCH_START_TIMEOUT),
            what=_("the start of the network switch in {directory}").format(directory=directory),
        )

    def is_on_duty(self, lab: LabName | None) -> bool:
        """Tell whether the lab's switch runs."""
        return is_listening(self._layout.switch(lab) / "control")

    def release(self, directory: Path) -> None:
        """End the switch of a directory when nothing is plugged into it."""
        _ask(directory, "release")

    def directories(self) -> list[Path]:
        """Return the directories of all labs' networks."""
        with suppress(FileNotFoundError):
            return sorted((self._layout.runtime / "n").iterdir())
        return []


class HostPort:
    """A port of the host on an internal network: sends and receives Ethernet frames. Close it after use."""

    def __init__(self, switches: Switches, layout: Layout, lab: LabName | None, network: str) -> None:
        directory = layout.switch(lab)
        self._path = directory / "p" / f"host{secrets.token_hex(4)}"
        self._switch = str(directory / "switch")
        make_private_folder(directory / "p")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self._path))
        self._path.chmod(PRIVATE_FILE)
        _write_plug(self._path, network, up=True)
        switches.ensure(lab)

    def send(self, frame: bytes) -> None:
        """Send one Ethernet frame."""
        self._socket.sendto(frame, self._switch)

    def receive(self, timeout: float) -> bytes | None:
        """Return the next frame, or None when none comes in that many seconds."""
        self._socket.settimeout(timeout)
        with suppress(TimeoutError):
            return self._socket.recv(switch_program.FRAME_BYTES)
        return None

    def close(self) -> None:
        """Leave the network."""
        self._socket.close()
        _plug_file(self._path).unlink(missing_ok=True)
        _line_file(self._path).unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> HostPort:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def socket_is_read(path: Path) -> bool:
    """Tell whether a process has the datagram socket of that path; that of a killed one refuses (unix(7))."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex(str(path)) == 0


def _plug_file(port: Path) -> Path:
    return port.with_name(port.name + switch_program.NET_SUFFIX)


def _line_file(port: Path) -> Path:
    return port.with_name(port.name + switch_program.LINE_SUFFIX)


def _write_plug(port: Path, network: str, up: bool) -> None:
    write_durably(_plug_file(port), f"{network}\n{'up' if up else 'down'}\n")


def _start_switch(directory: Path) -> None:
    ended = programs.run(
        programs.script(Path(switch_program.__file__), str(directory)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        cwd="/",
        start_new_session=True,
        umask=0o077,
    )
    if ended.returncode:
        raise DriverError(_("the network switch does not start"), details=ended.stderr.splitlines()[-3:])


def _ask(directory: Path, command: str) -> dict[str, Any] | None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(5.0)
        try:
            connection.connect(str(directory / "control"))
            connection.sendall(command.encode() + b"\n")
            answer = connection.makefile("r", encoding="utf-8").readline()
            return dict(json.loads(answer)) if answer else None
        except (OSError, ValueError, TypeError):
            return None
