"""vboxlab builds, verifies and restores whole virtual labs for system administration courses."""

__version__ = "0.1.0"
