"""A process that makes one call of a driver and is killed meanwhile: see World.kill_during."""

from __future__ import annotations

import pickle
import sys


def main() -> None:
    """Read what to call, say that all is ready, and call it at a sign."""
    size = int.from_bytes(sys.stdin.buffer.read(8), "big")
    world, home, call, arguments, options = pickle.loads(sys.stdin.buffer.read(size))
    driver = world(home).driver_of(home)
    driver.machines()
    _ = driver.capabilities
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.buffer.read(1)
    getattr(driver, call)(*arguments, **options)
    sys.stdout.write("returned\n")
    sys.stdout.flush()
    sys.stdin.buffer.read(1)  # stay until killed


if __name__ == "__main__":
    main()
