"""Grading: what a lab showed, judged question by question, and the marks that come of it."""
