"""Facts about VirtualBox on this host, for `doctor` and reports."""

from __future__ import annotations

import contextlib
import os
import sys

from vboxlab.hypervisor.virtualbox.worker import marks
from vboxlab.hypervisor.virtualbox.worker.calls import AskFacts
from vboxlab.hypervisor.virtualbox.worker.connection import Connection
from vboxlab.hypervisor.virtualbox.worker.facts import Facts, Interface
from vboxlab.hypervisor.virtualbox.worker.protocol import Call, Greeting
from vboxlab.hypervisor.virtualbox.worker.told import Told


def greeting(connection: Connection, mended: list[Told]) -> Greeting:
    """Return what the client must know to use the connection."""
    return Greeting(
        version=connection.version, api=str(connection.vbox.APIVersion), python=sys.version.split()[0],
        interpreter=sys.executable, binding=connection.binding, pid=os.getpid(), warning=connection.warning,
        mended=tuple(mended),
    )  # fmt: skip


def facts(connection: Connection, _call: Call[AskFacts]) -> Facts:
    """Return folders, free memory (MiB), processors, networks of the host, and the machines with something damaged."""
    vbox = connection.vbox
    with connection.errors(Told("asking-about-host")):
        inaccessible: list[str] = []
        damaged: list[str] = []
        for machine in connection.array(vbox, "machines"):
            with contextlib.suppress(connection.api_error):
                if not machine.accessible:
                    inaccessible.append(str(machine.settingsFilePath))
                elif marks.are_damaged(machine):
                    damaged.append(str(machine.name))
        host_only = connection.value_of("HostNetworkInterfaceType", "HostOnly")
        interfaces = connection.array(vbox.host, "networkInterfaces")
        return Facts(
            machine_folder=str(vbox.systemProperties.defaultMachineFolder),
            home_folder=str(vbox.homeFolder),
            memory_free=int(vbox.host.memoryAvailable),
            memory=int(vbox.host.memorySize),
            processors=int(vbox.host.processorCount),
            host_only=tuple(
                Interface(str(each.name), str(each.IPAddress), str(each.networkMask))
                for each in interfaces
                if each.interfaceType == host_only
            ),
            bridgeable=tuple(str(each.name) for each in interfaces if each.interfaceType != host_only),
            nat_networks=tuple(str(each.networkName) for each in connection.array(vbox, "NATNetworks")),
            inaccessible=tuple(inaccessible),
            damaged=tuple(damaged),
        )
