"""The command line: parses what is asked for, asks back, and shows what an operation returns."""
