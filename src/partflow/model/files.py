"""Names of the files in a model folder, for modules that do not import torch."""

WEIGHTS_FILE = "model.safetensors"
"""Weights and standardisation."""
CONFIG_FILE = "config.json"
"""Format, architecture, configuration, feature list, provenance."""
THRESHOLD_FILE = "threshold.json"
"""How the threshold of the readout was chosen; absent where it was not."""
