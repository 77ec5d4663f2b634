"""Validation as a product: is the simulated detector, and the baseline on it, what it should be?

Particle guns and collisions go through the same rooms as any event; what they show is held
against a table of targets (`criteria`), drawn, and written down.
"""

from partflow.validate.validation import validate

__all__ = ["validate"]
