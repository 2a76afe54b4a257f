"""Machines as VirtualBox VMs, driven through VirtualBox's own API by a worker process.

A job has the same file name here and in vboxlab.hypervisor.qemu. What calls the API is in the worker; where a file of
that name is here too (machines, adapters, images), it puts what the worker tells and is told into vboxlab's words.

    driver         the contract of vboxlab.hypervisor.driver
    client         the way to what runs the machines: QEMU's processes; the worker, and through it VirtualBox's service
    readiness      whether guests can run on this host
    layout         where a machine's files are, and how none is left half-made
    machines       made, seen, changed and removed
    power, disks, adapters, networks, images, snapshots
                   what is done with each
    garbage        what interrupted calls left
    strays         what somebody else put beside our files

Of this side alone, since QEMU is no service with an API, settings and a user of its own:

    launch, process, startup
                   the worker as a process, and the interpreters that it can run under
    failures       the worker's refusals as errors; sentences/ has the words for what it tells
    service, kvm   who else on this host decides whether VMs run: VirtualBox's service, and KVM
    repairs        of VirtualBox's own files, for somebody who agreed
"""
