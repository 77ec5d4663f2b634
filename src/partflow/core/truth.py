"""Conventions about the truth that several packages share."""

from __future__ import annotations

STABLE_STATUS = 1
"""HepMC status of a particle that the generator leaves undecayed."""
MIN_TRACK_WEIGHT = 0.2
"""Smallest part of the hits of a track that its particle made (published definition, mlpf-2.5)."""
