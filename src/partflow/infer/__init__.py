"""A trained network at work: elements in, candidates out. It is never handed the truth."""
