"""Names of the candidate sets that an evaluation compares every other set with."""

BASELINE = "baseline"
"""Rule-based particle flow."""
PERFECT = "perfect"
"""Particle flow without confusion, made from the truth."""
SHARING = "perfect_sharing"
"""Elements of the final clusters, with the energy of each cluster divided by the truth."""
SHARING_FINE = "perfect_sharing_fine"
"""The same with the fine clusters."""
TARGET = "target"
"""The training targets themselves as candidates."""
REFERENCES = (BASELINE, PERFECT, SHARING, SHARING_FINE, TARGET)
"""All of them, in the order of tables and legends."""
CEILINGS = (PERFECT, SHARING, SHARING_FINE, TARGET)
"""Those made from the truth."""
