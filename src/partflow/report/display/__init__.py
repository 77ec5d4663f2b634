"""Event displays: the hits, tracks, clusters and particles of one event, with marked mistakes."""
