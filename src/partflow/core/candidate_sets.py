"""Names of the reference candidate sets, with which an evaluation compares all others."""

BASELINE = "baseline"
"""The rule-based particle flow."""
PERFECT = "perfect"
"""Particle flow without confusion, made with the truth."""
SHARING = "perfect_sharing"
"""Candidates from the final clusters, with the energy of each cluster divided by the truth."""
SHARING_FINE = "perfect_sharing_fine"
"""Candidates from the fine clusters, with their energy divided by the truth."""
TARGET = "target"
"""The training targets themselves as candidates."""
REFERENCES = (BASELINE, PERFECT, SHARING, SHARING_FINE, TARGET)
"""All reference sets, in the order of tables and legends."""
CEILINGS = (PERFECT, SHARING, SHARING_FINE, TARGET)
"""The reference sets that are made with the truth."""
