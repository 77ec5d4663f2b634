"""Plots of a validation: single particles, and collisions."""
