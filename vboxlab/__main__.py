"""`python -m vboxlab` is `vboxlab`."""

from vboxlab.cli.main import main

main()
