"""Machines as VirtualBox VMs, driven through VirtualBox's own API by a worker process."""
