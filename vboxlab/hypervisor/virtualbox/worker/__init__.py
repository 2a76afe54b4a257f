"""The worker process: the only code that touches VirtualBox's API.

It runs under whichever interpreter loads the binding, which may be another and older one than vboxlab's: nothing here
imports anything but the standard library, the binding and this package, and the code keeps to Python 3.10.

Files that have a twin in vboxlab.hypervisor.qemu are named in vboxlab.hypervisor.virtualbox. Of this side alone:

    main, pulse    a process at the other end of a pipe: its life, its heartbeat
    protocol, calls, arguments, disk_calls, facts, told, coding
                   what goes through the pipe: messages, what can be asked and told, codes for sentences, all as JSON
    presence, locks, repeating
                   it may be killed, or outlive who started it, and a call that was lost is made again
    connection, sessions, versions, host
                   VirtualBox's API: its objects, its locks on machines, its releases, what it knows of this host
    lookup, marks, foreign, describing
                   VMs of others are in the same list as ours: found there, told apart, taken as images, described
    settings_file, looking, registry, mending
                   VirtualBox's own files: read faster than asked for, and found damaged
    media, storage, ownership, noted_disks, conversion
                   disks and drives, which VirtualBox keeps a list of and other VMs may have a part in
"""
