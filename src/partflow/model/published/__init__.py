"""The networks of MLPF v2.2.0 (arXiv:2503.00131) on packed events, and their checkpoints."""
