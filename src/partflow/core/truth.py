"""Conventions about the truth that several packages share."""

from __future__ import annotations

STABLE_STATUS = 1
"""HepMC status of a particle that the generator leaves undecayed."""
MIN_TRACK_WEIGHT = 0.2
"""Smallest part of a track's hits that a particle must have made for the track to be its own
(the published definition, mlpf-2.5)."""
