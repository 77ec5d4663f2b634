"""The figures of a validation: what is kept of simulated events, and what is measured from it."""
