"""Sequences of the campaign on a real VirtualBox, with real processes that are really killed; no guest is booted."""
