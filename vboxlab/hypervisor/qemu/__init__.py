"""Machines as QEMU processes of this user, each from a definition of ours on the disk.

A job has the same file name here and in vboxlab.hypervisor.virtualbox (there in its worker, where VirtualBox's API does
it):

    driver         the contract of vboxlab.hypervisor.driver
    client         the way to what runs the machines: QEMU's processes; the worker, and through it VirtualBox's service
    readiness      whether guests can run on this host
    layout         where a machine's files are, and how none is left half-made
    machines       made, seen, changed and removed
    power, disks, adapters, networks, images, snapshots
                   what is done with each
    garbage        what interrupted calls left
    strays         what somebody else put beside our files

Of this side alone, since VirtualBox has it of its own:

    definition     what a machine is; VirtualBox keeps that in its settings files
    command        a definition as QEMU's command line; VirtualBox makes its own
    switch         the internal networks' program; VirtualBox has them built in
    workspace      what the parts share; the worker's share its connection
    looks, conversations, refusals
                   what is asked of QEMU's processes, with a library and without, and what they refuse
    work           how much a machine works; VirtualBox's is not measured
"""
