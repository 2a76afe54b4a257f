"""The drivers: one interface, and what fulfils it in memory, on QEMU and on VirtualBox."""
