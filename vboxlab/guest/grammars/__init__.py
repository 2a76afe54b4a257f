"""Readers of files as their programs read them: pure, from bytes to meaning with line numbers, and nobody's role."""
