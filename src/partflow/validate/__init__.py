"""Validation of the simulated detector, and of the baseline reconstruction on it.

Particle guns and collisions are simulated and reconstructed like any events. Figures measured from
them (`measure`) are compared with a table of targets (`table`), drawn (`plots`) and written.
"""

from partflow.validate.validation import validate, write_table_into

__all__ = ["validate", "write_table_into"]
