"""Plots of a report, one module for each group of metrics."""
