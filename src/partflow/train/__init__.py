"""Fitting a network to labelled events: losses, the optimiser, the run and its checkpoints."""
