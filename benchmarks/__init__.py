"""Timings. Each prints a ratio against something run beside it; no test asserts a time."""
