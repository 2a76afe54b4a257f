"""Readers of configuration files: pure, from bytes to meaning with line numbers, each after the program that reads it.

They know nothing of roles and findings. Where a program can print what it understood, it is asked instead.
"""
