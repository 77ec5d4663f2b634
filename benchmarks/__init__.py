"""Timings. Each prints the ratio of two programs that run in turns; no test asserts a time."""
