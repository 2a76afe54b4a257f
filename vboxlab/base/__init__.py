"""The bases that machines are clones of: built from Debian's packages, added from the user's VMs and disks, layered."""
